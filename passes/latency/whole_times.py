"""What a whole model costs at any widths, where the runtime does not tell the times of its kernels.

One sum for each type of op, with weights that are not negative: multiply-accumulates with axes rounded up to a step,
elements written, and constants for the model and for every op that is there. The step is the one that foretells
held-out measurements best.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from compressor.passes.latency.axis_lengths import Lengths
from compressor.passes.latency.unit_times import STEPS, best_step, fit, held_out, product
from compressor.passes.latency.work_units import WorkUnit

Floats = NDArray[np.float64]


class WholeTimes:
    """Milliseconds of whole runs for any lengths of the axes.

    Args:
        units: of the graph.
        lengths: float64 [samples, rows]: what was measured.
        whole_ms: float64 [samples].

    Attributes:
        steps: by type of op, the multiple of channels in which its cost rises: the same for all.
    """

    def __init__(self, units: Sequence[WorkUnit], lengths: Lengths, whole_ms: Floats) -> None:
        self._units = units
        errors = {step: held_out(self._features(lengths, step), whole_ms) for step in STEPS}
        self._step = best_step(errors, float(whole_ms.sum()))
        self.steps = dict.fromkeys((unit.kind for unit in units), self._step)
        self._weights = fit(self._features(lengths, self._step), whole_ms)

    def whole_ms(self, lengths: Lengths) -> Floats:
        """Float64 [candidates] for ``lengths`` [candidates, rows]."""
        return np.asarray(self._features(lengths, self._step) @ self._weights)

    def _features(self, lengths: Lengths, step: int) -> Floats:
        columns: dict[tuple[str, str], Floats] = {}
        for unit in self._units:
            work = sum((c * product(rows, lengths, step) for c, rows in unit.work), np.zeros(len(lengths)))
            elements = sum((product(rows, lengths, 1) for rows in unit.outputs), np.zeros(len(lengths)))
            for kind, values in (("work", work), ("elements", elements)):
                columns[unit.op, kind] = columns.get((unit.op, kind), np.zeros(len(lengths))) + values
        # Of equals, the fit takes the first: what one sample does not tell apart is work rather than a constant.
        there = np.sum([unit.is_there(lengths) for unit in self._units], axis=0)
        return np.stack([*columns.values(), np.ones(len(lengths)), there], axis=1)
