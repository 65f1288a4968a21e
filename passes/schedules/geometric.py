"""The same share of what is left in every step (arXiv:2508.13836, section 3).

The formula printed there, W (1 - p/N)^n, does not reach p: at p = 0.8 and N = 10 it leaves 43 %. This one does.
"""

from __future__ import annotations

from compressor.passes.schedule import SCHEDULES, steps_or_rate


@SCHEDULES.register("geometric")
def geometric(target: float, *, steps: int | None = None, rate: float | None = None) -> tuple[float, ...]:
    """r = 1 - (1 - p)^(1/N), s_n = 1 - (1 - r)^n.

    Args:
        target: p.
        steps: N.
        rate: instead of N: the smallest N at which removing this share of the rest reaches p; r follows exactly.
    """
    count = steps_or_rate(1 - target, steps, rate)
    return tuple(1 - (1 - target) ** (n / count) for n in range(1, count + 1))
