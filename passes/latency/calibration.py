"""What a whole run takes, from its units: profiled kernels take longer than others, and not all kinds alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import lsq_linear

from compressor.passes.latency.axis_lengths import Lengths
from compressor.passes.latency.unit_times import UnitTimes
from compressor.passes.latency.work_units import WorkUnit

Floats = NDArray[np.float64]
_LEAST_SHARE = 0.1  # of the kernels' time that a run takes, whatever the fit says far outside of its samples
_LEAST, _MOST = 0.5, 2.0  # of a profiled millisecond
_NOISE = 0.02  # of a whole run's time: how exact one sample is
_PRIOR = 0.1  # how far off a factor is likely to be


class Calibration:
    """Whole runs as a constant and a factor for the units of each kind.

    Errors are relative ones; where samples do not tell kinds apart, factors stay near one.

    Args:
        kinds_ms: float64 [samples, kinds]: sums over units.
        whole_ms: float64 [samples].
    """

    def __init__(self, kinds_ms: Floats, whole_ms: Floats) -> None:
        samples, kinds = kinds_ms.shape
        rows = np.column_stack([kinds_ms, np.ones(samples)]) / whole_ms[:, None]
        share = kinds_ms.mean(axis=0) / whole_ms.mean()
        prior = np.column_stack([np.diag(share), np.zeros(kinds)]) * (_NOISE / _PRIOR)
        low, high = np.append(np.full(kinds, _LEAST), -np.inf), np.append(np.full(kinds, _MOST), np.inf)
        targets = np.concatenate([np.ones(samples), prior[:, :kinds].sum(axis=1)])
        found = lsq_linear(np.concatenate([rows, prior]), targets, bounds=(low, high))
        self._factors, self._constant_ms = found.x[:-1], float(found.x[-1])

    def whole_ms(self, kinds_ms: Floats) -> Floats:
        """Float64 [candidates] for ``kinds_ms`` [candidates, kinds]."""
        return np.asarray(kinds_ms @ self._factors + self._constant_ms)


class CalibratedTimes:
    """Milliseconds of whole runs for any lengths of the axes, by their units.

    Args:
        units: of the graph.
        lengths: float64 [samples, rows]: what was measured.
        times_ms: float64 [samples, units].
        whole_ms: float64 [samples].
        steps: by kind, where they are known already.

    Attributes:
        steps: by kind of unit, the multiple of channels in which its cost rises.
    """

    def __init__(
        self, units: Sequence[WorkUnit], lengths: Lengths, times_ms: Floats, whole_ms: Floats,
        steps: Mapping[str, int] | None = None,
    ) -> None:  # fmt: skip
        self._single = UnitTimes(units, lengths, times_ms, steps)
        self.steps = self._single.steps
        self._kind = np.array([list(self.steps).index(unit.kind) for unit in units])
        self._calibration = Calibration(self._by_kind(lengths), whole_ms)

    def units_ms(self, lengths: Lengths) -> Floats:
        """Float64 [candidates, units], as profiled."""
        return self._single.times_ms(lengths)

    def whole_ms(self, lengths: Lengths) -> Floats:
        """Float64 [candidates] for ``lengths`` [candidates, rows]."""
        kinds = self._by_kind(lengths)
        return np.asarray(np.maximum(self._calibration.whole_ms(kinds), _LEAST_SHARE * kinds.sum(axis=1)))

    def _by_kind(self, lengths: Lengths) -> Floats:
        times = self._single.times_ms(lengths)
        return np.stack([times[:, self._kind == kind].sum(axis=1) for kind in range(len(self.steps))], axis=1)
