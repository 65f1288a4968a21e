"""Shares given one by one."""

from __future__ import annotations

from compressor.errors import UsageError
from compressor.passes.schedule import SCHEDULES


@SCHEDULES.register("manual")
def manual(target: float, *, shares: object) -> tuple[float, ...]:
    """s = ``shares``; the last one must be the target."""
    if not isinstance(shares, (list, tuple)) or not all(isinstance(share, (int, float)) for share in shares):
        raise UsageError(f"shares {shares!r} are no numbers", fix="Give them like [0.3, 0.5, 0.7].")
    return tuple(float(share) for share in shares)
