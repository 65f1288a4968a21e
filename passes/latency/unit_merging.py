"""Units that a runtime computes together: attention in one kernel, two convolutions and the sum of both."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from compressor.passes.latency.work_units import WorkUnit, WorkUnits


def merged(units: WorkUnits, times_ms: NDArray[np.float64]) -> tuple[list[WorkUnit], NDArray[np.float64]]:
    """Units of which no sample has a time join the first that reads them, where their time must have gone.

    Args:
        times_ms: float64 [samples, units].

    Returns:
        (units, their times, float64 [samples, fewer units]).
    """
    whole = list(units.units)
    silent = np.logical_not((times_ms > 0).any(axis=0))
    kept = np.ones(len(whole), np.bool_)
    for number in range(len(whole)):
        into = units.reader[number]
        if silent[number] and into > number:
            whole[into] = whole[into].with_part(whole[number])
            kept[number] = False
    return [unit for unit, keep in zip(whole, kept, strict=True) if keep], times_ms[:, kept]
