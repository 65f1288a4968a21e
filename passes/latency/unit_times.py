"""What a unit costs at any widths, learnt from the times of kernels inside whole models.

The time of a unit is a sum, with weights that are not negative, of: a constant, its multiply-accumulates as they are,
with every axis rounded up to the runtime's step and with one of them, the elements that it writes, the length of each
axis, and its multiply-accumulates again where an axis is off the step or no multiple of four. The step is not assumed:
for every kind of unit it is the candidate that foretells held-out measurements best. Units that do the same, in a
repeated block, are learnt as one.

Why not a table of single ops timed alone: alone, weights and inputs lie in the cache that a whole model has emptied,
and runtimes keep tensors in layouts of their own from one op to the next, which an op by itself has to change twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from compressor.passes.latency.axis_lengths import Lengths
from compressor.passes.latency.work_units import Rows, WorkUnit

Floats = NDArray[np.float64]
STEPS = (1, 4, 8, 16, 32, 64)
_FOLDS = 4
_LEAST_MS = 1e-3
_VECTOR = 4  # numbers that the narrowest vector instructions take at once: odd widths may need another kernel
_SEEN = 3  # so many steps an axis must have, at least, for them to be told from noise
_CLEARLY = 1e-3  # share of all time
_PREFER = 0.98  # a larger step has to foretell so much better than a smaller one


class UnitTimes:
    """Milliseconds of every unit for any lengths of the axes.

    Args:
        units: of the graph.
        lengths: float64 [samples, rows]: what was measured.
        times_ms: float64 [samples, units]: how long each unit took.
        steps: by kind, where they are known already.

    Attributes:
        steps: by kind of unit, the multiple of channels in which its cost rises; 1 where it rises smoothly.
    """

    def __init__(
        self, units: Sequence[WorkUnit], lengths: Lengths, times_ms: Floats, steps: Mapping[str, int] | None = None
    ) -> None:
        self._units = units
        groups = _groups(units)
        kinds = dict.fromkeys(unit.kind for unit in units)
        self.steps: dict[str, int] = {
            kind: self._step([members for members in groups if units[members[0]].kind == kind], lengths, times_ms)
            if steps is None
            else steps[kind]
            for kind in kinds
        }
        self._weights: list[tuple[list[int], int, Floats]] = []
        for members in groups:
            step = self.steps[units[members[0]].kind]
            features, times, _ = self._rows(members, lengths, times_ms, step)
            self._weights.append((members, step, fit(features, times)))

    def times_ms(self, lengths: Lengths) -> Floats:
        """Float64 [candidates, units] for ``lengths`` [candidates, rows]."""
        found = np.zeros((len(lengths), len(self._units)))
        for members, step, weights in self._weights:
            for member in members:
                unit = self._units[member]
                found[:, member] = np.where(unit.is_there(lengths), _features(unit, lengths, step) @ weights, 0.0)
        return found

    def _step(self, groups: Sequence[Sequence[int]], lengths: Lengths, times_ms: Floats) -> int:
        """The step of all units of one kind."""
        units = self._units
        longest = max((lengths[:, row].max() for group in groups for n in group for row in units[n].axes), default=1)
        tried = [step for step in STEPS if step * _SEEN <= longest] or [1]
        errors = {step: sum(self._error(members, lengths, times_ms, step) for members in groups) for step in tried}
        return best_step(errors, float(times_ms[:, np.concatenate(groups)].sum()))

    def _error(self, members: Sequence[int], lengths: Lengths, times_ms: Floats, step: int) -> float:
        return held_out(*self._rows(members, lengths, times_ms, step))

    def _rows(
        self, members: Sequence[int], lengths: Lengths, times_ms: Floats, step: int
    ) -> tuple[Floats, Floats, NDArray[np.int64]]:
        """(features, times, numbers of samples) of all members wherever they are there."""
        there = np.concatenate([self._units[member].is_there(lengths) for member in members])
        features = np.concatenate([_features(self._units[member], lengths, step) for member in members])
        times = np.concatenate([times_ms[:, member] for member in members])
        return features[there], times[there], np.tile(np.arange(len(lengths)), len(members))[there]


def best_step(errors: Mapping[int, float], total_ms: float) -> int:
    """The step of the least error; a larger one has to be clearly better than a smaller one.

    Args:
        errors: by step, of all samples together.
        total_ms: of all samples together.
    """
    best = 1
    for step, error in errors.items():
        if error < _PREFER * errors[best] - _CLEARLY * total_ms:
            best = step
    return best


def held_out(features: Floats, times_ms: Floats, samples: NDArray[np.int64] | None = None) -> float:
    """Sum of absolute errors in milliseconds on samples that the fit did not see; ``samples`` numbers the rows."""
    numbers = np.arange(len(times_ms)) if samples is None else samples
    total = 0.0
    for fold in range(_FOLDS):
        out = numbers % _FOLDS == fold
        if out.any() and not out.all():
            total += float(np.abs(features[out] @ fit(features[~out], times_ms[~out]) - times_ms[out]).sum())
    return total


def fit(features: Floats, times_ms: Floats) -> Floats:
    """Weights >= 0 with the least squares of errors, each divided by the root of its time."""
    scale = np.maximum(np.abs(features).max(axis=0), 1e-12)
    trust = 1 / np.sqrt(np.maximum(times_ms, _LEAST_MS))
    weights, _ = nnls(features / scale * trust[:, None], times_ms * trust)
    return np.asarray(weights / scale)


def product(rows: Rows, lengths: Lengths, step: int) -> Floats:
    """Float64 [candidates]: the product of the lengths of axes, those that may be cut rounded up to ``step``."""
    found = np.ones(len(lengths))
    for row in rows:
        found = found * (np.ceil(lengths[:, row] / step) * step if row >= 0 else -1.0 - row)
    return found


def _groups(units: Sequence[WorkUnit]) -> list[list[int]]:
    groups: dict[tuple[object, ...], list[int]] = {}
    for number, unit in enumerate(units):
        groups.setdefault(unit.signature, []).append(number)
    return list(groups.values())


def _features(unit: WorkUnit, lengths: Lengths, step: int) -> Floats:
    """Float64 [candidates, features]."""
    zero = np.zeros(len(lengths))
    macs = sum((constant * product(rows, lengths, 1) for constant, rows in unit.work), zero)
    # Of equals, the fit takes the first: what one sample does not tell apart is work rather than a constant.
    columns = [macs, np.ones(len(lengths)), sum((product(rows, lengths, 1) for rows in unit.outputs), zero)]
    columns += [lengths[:, row] for row in unit.axes]
    columns += [macs * (lengths[:, row] % _VECTOR != 0) for row in unit.axes]
    if step > 1:
        columns.append(sum((constant * product(rows, lengths, step) for constant, rows in unit.work), zero))
        for row in unit.axes:
            columns.append(macs * np.ceil(lengths[:, row] / step) * step / np.maximum(lengths[:, row], 1))
            columns.append(macs * (lengths[:, row] % step != 0))
    return np.stack(columns, axis=1)
