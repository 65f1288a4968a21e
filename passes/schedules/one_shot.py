"""Everything in one step (arXiv:2508.13836, section 3)."""

from __future__ import annotations

from compressor.passes.schedule import SCHEDULES


@SCHEDULES.register("one-shot")
def one_shot(target: float) -> tuple[float, ...]:
    """s = [p]."""
    return (target,)
