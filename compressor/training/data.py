"""Samples that are drawn by number: from arrays, from a user's data set, from parts of either. NumPy only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from compressor.errors import UsageError
from compressor.foreign_errors import ForeignErrors, reason
from compressor.training.wanted import WantedInput, fitted

Array: TypeAlias = NDArray[Any]
Indices: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """Some samples.

    Attributes:
        inputs: one array for each model input, in the graph's order; the first axis counts samples.
        labels: as many labels, or None.
    """

    inputs: tuple[Array, ...]
    labels: Array | None

    def __len__(self) -> int:
        return len(self.inputs[0])


class Samples(Protocol):
    """Numbered samples."""

    def __len__(self) -> int:
        """How many there are."""

    def batch(self, indices: Indices) -> Batch:
        """Those with these numbers, in this order."""


@dataclass(frozen=True)
class Splits:
    """What to train on, and what to stop by. Neither is the test set."""

    train: Samples
    validation: Samples | None


class ArraySamples:
    """Samples in memory (or in a mapped file): a row of every array is one."""

    def __init__(
        self, inputs: Sequence[Array], labels: Array | None, wanted: Sequence[WantedInput], where: str
    ) -> None:
        self._inputs = [fitted(array, want, where) for array, want in zip(inputs, wanted, strict=True)]
        self._labels = labels
        counts = {want.name: len(array) for want, array in zip(wanted, self._inputs, strict=True)}
        if labels is not None:
            counts["labels"] = len(labels)
        if len(set(counts.values())) != 1 or 0 in counts.values():
            listed = ", ".join(f"{name} {count}" for name, count in counts.items())
            raise UsageError(f"rows of its arrays: {listed}", where=where, fix="Give one row a sample in every array.")

    def __len__(self) -> int:
        return len(self._inputs[0])

    def batch(self, indices: Indices) -> Batch:
        """See Samples."""
        labels = None if self._labels is None else self._labels[indices]
        return Batch(tuple(array[indices] for array in self._inputs), labels)


class DatasetSamples:
    """A map-style data set: ``len(dataset)``, ``dataset[i]`` or, for many at once, ``dataset.__getitems__([i, ...])``.

    A sample is (input, ..., label), or inputs alone; each an array, a tensor or a number. What a data set draws at
    random with ``random``, NumPy's global functions or PyTorch is repeated by a run with the same seed.
    """

    def __init__(self, dataset: Any, wanted: Sequence[WantedInput], where: str) -> None:
        self._dataset, self._wanted, self._where = dataset, wanted, where
        if not len(dataset):
            raise UsageError("has no samples", where=where, fix="Give at least one.")

    def __len__(self) -> int:
        return len(self._dataset)

    def batch(self, indices: Indices) -> Batch:
        """See Samples."""
        parts = alike([parts_of(sample) for sample in self._drawn(indices)], "samples", self._where)
        columns = [stacked([part[slot] for part in parts], self._where) for slot in range(len(parts[0]))]
        inputs, labels = told_apart(columns, self._wanted, self._where)
        pairs = zip(inputs, self._wanted, strict=True)
        return Batch(tuple(fitted(array, want, self._where) for array, want in pairs), labels)

    def _drawn(self, indices: Indices) -> Sequence[Any]:
        numbers = [int(index) for index in indices]
        many = getattr(self._dataset, "__getitems__", None)
        with ForeignErrors(partial(_raised, self._where)):
            return list(many(numbers)) if many is not None else [self._dataset[number] for number in numbers]


def _raised(where: str, error: BaseException) -> UsageError:
    return UsageError(f"the data raised {reason(error)}", where=where, fix="Look at it alone, sample by sample.")


@dataclass(frozen=True)
class Part:
    """Some of other samples."""

    samples: Samples
    chosen: Indices

    def __len__(self) -> int:
        return len(self.chosen)

    def batch(self, indices: Indices) -> Batch:
        """See Samples."""
        return self.samples.batch(self.chosen[indices])


def parts_of(sample: Any) -> list[Any]:
    """Inputs and label of one sample, or of one batch, however it is packed."""
    if isinstance(sample, dict):
        return list(sample.values())
    if isinstance(sample, tuple | list):
        return [part for item in sample for part in (item if isinstance(item, tuple) else [item])]
    return [sample]


def alike(parts: list[list[Any]], what: str, where: str) -> list[list[Any]]:
    """The parts of several samples or batches, as many of each.

    Raises:
        UsageError: they differ in number.
    """
    counts = sorted({len(part) for part in parts})
    if len(counts) > 1:
        raise UsageError(
            f"{what} have {counts[0]} to {counts[-1]} parts", where=where, fix="Give all of them the same ones."
        )
    return parts


def stacked(values: Sequence[Any], where: str) -> Array:
    """One array with a row for each value.

    Raises:
        UsageError: they differ in shape.
    """
    arrays = [np.asarray(value) for value in values]
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1:
        few = ", ".join(str(list(shape)) for shape in sorted(shapes)[:3])
        raise UsageError(f"samples differ in shape: {few}", where=where, fix="Crop, resize or pad them to one shape.")
    return np.stack(arrays)


def told_apart(columns: list[Array], wanted: Sequence[WantedInput], where: str) -> tuple[list[Array], Array | None]:
    """(inputs, labels): the labels are one column more than the model has inputs."""
    names = ", ".join(want.name for want in wanted)
    if len(columns) == len(wanted) + 1:
        return columns[:-1], columns[-1]
    if len(columns) == len(wanted):
        return columns, None
    raise UsageError(
        f"gives {len(columns)} arrays a sample, the model has {len(wanted)} inputs ({names})",
        where=where, fix=f"Give ({names}, label), or ({names}) without labels.",
    )  # fmt: skip


def carve(samples: Samples, share: float, seed: int) -> Splits:
    """Set a share of the samples aside for validation, chosen by the seed alone.

    Raises:
        UsageError: nothing would be left on one side.
    """
    if share == 0:
        return Splits(samples, None)
    count = round(len(samples) * share)
    if not 0 < share < 1 or not 0 < count < len(samples):
        raise UsageError(
            f"a validation share of {share:g} of {len(samples)} samples leaves one side empty",
            fix="Choose a share between 0 and 1, or 0 for no validation.",
        )
    order = np.random.default_rng([seed, len(samples)]).permutation(len(samples))
    return Splits(Part(samples, np.sort(order[count:])), Part(samples, np.sort(order[:count])))


def shuffled(count: int, seed: int, step: int, epoch: int) -> Indices:
    """The order of ``count`` samples in an epoch: a function of its arguments alone."""
    return np.random.default_rng([seed, step, epoch]).permutation(count).astype(np.int64)


def filled_up(inputs: Sequence[Array], size: int) -> tuple[Array, ...]:
    """Batches of ``size`` rows: those of ``inputs``, and the last one again as often as it takes."""
    missing = size - len(inputs[0])
    if missing <= 0:
        return tuple(inputs)
    return tuple(np.concatenate([array, np.repeat(array[-1:], missing, axis=0)]) for array in inputs)


def in_order(samples: Samples, size: int, rank: int = 0, world_size: int = 1) -> Iterator[Batch]:
    """All samples of this process, in batches of at most ``size``."""
    mine = np.arange(rank, len(samples), world_size, dtype=np.int64)
    for start in range(0, len(mine), size):
        yield samples.batch(mine[start : start + size])
