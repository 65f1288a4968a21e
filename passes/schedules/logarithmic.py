"""Steps that shrink by a constant factor: NumPy's geomspace, normalised to [0, 1] and reversed."""

from __future__ import annotations

import math

from compressor.errors import UsageError
from compressor.passes.schedule import SCHEDULES, whole_steps


@SCHEDULES.register("logarithmic")
def logarithmic(target: float, *, steps: int, base: float = 10.0) -> tuple[float, ...]:
    """s_n = p (1 - (b^((N - n)/N) - 1) / (b - 1)), n = 1..N: the first step is b^(1 - 1/N) times the last.

    Args:
        target: p.
        steps: N.
        base: b > 1; the larger, the more goes at first.
    """
    if not (math.isfinite(base) and base > 1):
        raise UsageError(f"base {base:g} is not above 1")
    count = whole_steps(steps)
    return tuple(
        target * (1 - math.expm1((count - n) / count * math.log(base)) / (base - 1)) for n in range(1, count + 1)
    )
