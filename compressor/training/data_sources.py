"""``--data``: a function in a Python file, an .npz archive, or a folder of pictures.

- ``path.py:function``, called without arguments, gives one of: a data set with ``len`` and ``[i]``; arrays
  ``(input, ..., labels)``; an iterable of batches of those, which is read once and kept in memory; or a dict
  ``{"train": ..., "validation": ...}`` of two of them.
- ``file.npz``: arrays named as the model's inputs and, for label losses, ``labels``.
- a folder with a sub-folder of pictures for each class: see ``image_folder``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from compressor.errors import UsageError
from compressor.foreign_errors import ForeignErrors, reason
from compressor.training.data import (
    Array,
    ArraySamples,
    DatasetSamples,
    Samples,
    Splits,
    alike,
    carve,
    parts_of,
    told_apart,
)
from compressor.training.image_folder import ImageFolder
from compressor.training.wanted import WantedInput
from compressor.user_code import load_callable

LABELS = "labels"
_PARTS = {"train", "validation"}


def load_splits(
    source: Any, wanted: Sequence[WantedInput], *, validation: float = 0.1, seed: int = 0, pixels: str = "unit"
) -> Splits:
    """Data for fine-tuning.

    Args:
        source: what ``--data`` takes, or what such a function would return.
        wanted: the model's inputs.
        validation: the share of the training samples to set aside, where the source does not bring its own.
        seed: decides which.
        pixels: how pictures of a folder become numbers; see ``image_folder``.

    Raises:
        UsageError: the source is none of these, or does not fit the model.
    """
    where = str(source) if isinstance(source, str | Path) else "data"
    found = _opened(source, wanted, pixels)
    if isinstance(found, dict) and found and found.keys() <= _PARTS:
        if "train" not in found:
            raise UsageError("has no 'train'", where=where, fix='Give {"train": ..., "validation": ...}.')
        train = as_samples(found["train"], wanted, f"{where} (train)")
        if "validation" in found:
            return Splits(train, as_samples(found["validation"], wanted, f"{where} (validation)"))
        return carve(train, validation, seed)
    return carve(as_samples(found, wanted, where), validation, seed)


def load_samples(source: Any, wanted: Sequence[WantedInput], *, pixels: str = "unit") -> Samples:
    """All samples of a source, as ``load_splits`` reads it; of {"train": ..., "validation": ...} the former."""
    return load_splits(source, wanted, validation=0.0, pixels=pixels).train


def _opened(source: Any, wanted: Sequence[WantedInput], pixels: str) -> Any:
    if not isinstance(source, str | Path):
        return source
    path = Path(source)
    if path.is_dir():
        return ImageFolder(path, wanted, pixels)
    if path.suffix == ".npz":
        return read_npz(path, wanted)
    if ":" in str(source):
        return load_callable(str(source))()
    raise UsageError(
        "is no data source", where=str(source), fix="Give path.py:function, an .npz file or a folder of pictures."
    )


def as_samples(found: Any, wanted: Sequence[WantedInput], where: str) -> Samples:
    """Whatever a data function may return, as samples."""
    if isinstance(found, ArraySamples | DatasetSamples | ImageFolder):
        return found
    if isinstance(found, tuple) or (isinstance(found, list) and all(hasattr(part, "shape") for part in found)):
        columns = [np.asarray(part) for part in parts_of(found)]
        return ArraySamples(*told_apart(columns, wanted, where), wanted, where)
    if hasattr(found, "__getitem__") and hasattr(found, "__len__") and not isinstance(found, dict):
        return DatasetSamples(found, wanted, where)
    if isinstance(found, Iterable) and not isinstance(found, dict | str):
        return _read_whole(found, wanted, where)
    raise UsageError(
        f"gives {type(found).__name__}", where=where,
        fix="Give arrays (inputs, labels), a data set with len and [i], or an iterable of batches.",
    )  # fmt: skip


def _read_whole(batches: Iterable[Any], wanted: Sequence[WantedInput], where: str) -> Samples:
    def unreadable(error: BaseException) -> UsageError:
        return UsageError(f"its batches raised {reason(error)}", where=where, fix="Look at it alone, batch by batch.")

    with ForeignErrors(unreadable):  # a generator of the user's runs here
        parts = alike([[np.asarray(part) for part in parts_of(batch)] for batch in batches], "batches", where)
    if not parts:
        raise UsageError("gives no batches", where=where, fix="Give at least one.")
    columns = [joined([part[slot] for part in parts], where) for slot in range(len(parts[0]))]
    return ArraySamples(*told_apart(columns, wanted, where), wanted, where)


def joined(batches: Sequence[Array], where: str) -> Array:
    """One array with the rows of all.

    Raises:
        UsageError: their rows differ in shape, or they have none.
    """
    shapes = {array.shape[1:] if array.ndim else None for array in batches}
    if len(shapes) > 1 or None in shapes:
        few = ", ".join(str(list(array.shape)) for array in batches[:3])
        raise UsageError(f"batches differ in shape: {few} ...", where=where, fix="Pad their rows to one shape.")
    return np.concatenate(batches)


def read_npz(path: Path, wanted: Sequence[WantedInput]) -> ArraySamples:
    """Arrays named as the model's inputs, plus ``labels`` where there are any.

    Raises:
        UsageError: the file is no archive, holds pickles, or lacks an array; lists what is wanted and what is there.
    """
    need = ", ".join([*map(str, wanted), f"{LABELS!r} [N, ...] (for losses on labels)"])
    fix = f"Wanted arrays: {need}."

    def unreadable(error: BaseException) -> UsageError:
        return UsageError(f"cannot be read as .npz: {reason(error)}", where=str(path), fix=fix)

    # A damaged archive raises what zipfile, zlib and NumPy's parser of headers happen to raise.
    with ForeignErrors(unreadable), np.load(path, allow_pickle=False) as archive:
        arrays: dict[str, Array] = {name: archive[name] for name in archive.files}
    missing = [want.name for want in wanted if want.name not in arrays]
    if missing:
        has = ", ".join(f"{name!r} {array.dtype} {list(array.shape)}" for name, array in arrays.items()) or "nothing"
        raise UsageError(f"has no array {', '.join(map(repr, missing))}; it has {has}", where=str(path), fix=fix)
    return ArraySamples([arrays[want.name] for want in wanted], arrays.get(LABELS), wanted, str(path))
