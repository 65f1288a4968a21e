"""Weights from a file into a module: ``torch.save`` files with ``weights_only``, or safetensors. Never a pickle's code.

A file that needs more than tensors and plain containers is refused, whoever asks: there is no switch.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compressor.errors import CompressorError, ModelFileError
from compressor.extras import require
from compressor.foreign_errors import ForeignErrors, reason

if TYPE_CHECKING:
    from torch import Tensor, nn

_WRAPPERS = ("state_dict", "model_state_dict", "model", "module")  # keys under which training loops save the weights
_PARALLEL = "module."  # what DataParallel puts before every name
_SHOWN = 3


def load_checkpoint(module: nn.Module, path: str | os.PathLike[str]) -> None:
    """Put the file's values into ``module``; every parameter and persistent buffer must be in it, and nothing else.

    Understands a state dict, one inside a training checkpoint, and one that DataParallel saved.

    Raises:
        ModelFileError: the file is missing, damaged, holds more than tensors, or does not fit the module.
        EnvironmentProblem: PyTorch, or safetensors for such a file, is not installed.
    """
    where = str(path)
    weights = _weights(_read(Path(path)), where)
    wanted = module.state_dict()
    if (
        weights
        and all(name.startswith(_PARALLEL) for name in weights)
        and not any(name.startswith(_PARALLEL) for name in wanted)
    ):
        weights = {name.removeprefix(_PARALLEL): value for name, value in weights.items()}
    _check(weights, wanted, where)
    module.load_state_dict(weights)


def _read(path: Path) -> Any:
    if not path.is_file():
        raise ModelFileError("no such file", where=str(path), fix="Check the path.")
    if path.suffix == ".safetensors":
        safetensors = require("safetensors.torch", "safetensors", "a .safetensors checkpoint")
        with ForeignErrors(lambda error: _unreadable(path, error)):
            return safetensors.load_file(path)
    import torch

    with ForeignErrors(lambda error: _unreadable(path, error)):
        return torch.load(path, map_location="cpu", weights_only=True)


def _unreadable(path: Path, error: BaseException) -> CompressorError:
    if type(error).__name__ == "UnpicklingError" and "eights only" in str(error):
        said = "holds more than weights, and loading that would run code from the file"
        return ModelFileError(said, where=str(path), fix="Save it with torch.save(model.state_dict(), path).")
    return ModelFileError(f"cannot be read: {reason(error)}", where=str(path), fix="Save or copy it again.")


def _weights(loaded: Any, where: str) -> dict[str, Tensor]:
    import torch

    if isinstance(loaded, Mapping):
        for key in _WRAPPERS:
            if isinstance(loaded.get(key), Mapping):
                return _weights(loaded[key], where)
        if loaded and all(isinstance(value, torch.Tensor) for value in loaded.values()):
            return {str(name): value for name, value in loaded.items()}
    holds = f"a dict of {', '.join(map(repr, loaded))}" if isinstance(loaded, Mapping) else f"a {type(loaded).__name__}"
    fix = "Save it with torch.save(model.state_dict(), path)."
    raise ModelFileError(f"holds {holds[:200]}, not a state dict", where=where, fix=fix)


def _check(weights: Mapping[str, Tensor], wanted: Mapping[str, Tensor], where: str) -> None:
    missing = [name for name in wanted if name not in weights]
    unexpected = [name for name in weights if name not in wanted]
    if missing or unexpected:
        parts = [f"{text} {_some(names)}" for text, names in (("lacks", missing), ("has unknown", unexpected)) if names]
        near = difflib.get_close_matches(missing[0], unexpected, n=1) if missing else []
        hint = f"{near[0]!r} may be meant for {missing[0]!r}. " if near else ""
        fix = f"{hint}Build the module that the checkpoint was saved from."
        raise ModelFileError(f"does not fit the module: {', '.join(parts)}", where=where, fix=fix)
    for name, value in wanted.items():
        if value.shape != weights[name].shape:
            said = f"{name!r} has shape {list(weights[name].shape)}, the module's has {list(value.shape)}"
            raise ModelFileError(said, where=where, fix="Build the module that the checkpoint was saved from.")


def _some(names: Iterable[str]) -> str:
    names = list(names)
    rest = len(names) - _SHOWN
    return ", ".join(map(repr, names[:_SHOWN])) + (f" and {rest} more" if rest > 0 else "")
