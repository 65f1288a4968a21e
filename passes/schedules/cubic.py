"""Fast at first, slow at the end (Zhu and Gupta, "To prune, or not to prune", arXiv:1710.01878)."""

from __future__ import annotations

from compressor.passes.schedule import SCHEDULES, whole_steps


@SCHEDULES.register("cubic")
def cubic(target: float, *, steps: int) -> tuple[float, ...]:
    """s_n = p (1 - (1 - n/N)^3), n = 1..N."""
    return tuple(target * (1 - (1 - n / steps) ** 3) for n in range(1, whole_steps(steps) + 1))
