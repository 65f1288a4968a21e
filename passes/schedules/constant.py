"""The same share of the original in every step (arXiv:2508.13836, section 3)."""

from __future__ import annotations

from compressor.passes.schedule import SCHEDULES, whole_steps


@SCHEDULES.register("constant")
def constant(target: float, *, steps: int) -> tuple[float, ...]:
    """s_n = p n / N, n = 1..N."""
    return tuple(target * n / steps for n in range(1, whole_steps(steps) + 1))
