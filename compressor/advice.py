"""What the user may want to change after a compression, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compressor.passes.plan import Plan

# Channels that CPU kernels compute together: 8 floats with AVX2, 16 with AVX-512.
_BLOCK = 8


def advice(plan: Plan, recovery: Mapping[str, Any] | None = None) -> list[str]:
    """One line each.

    Args:
        plan: that was carried out.
        recovery: the record of a recovery without training.
    """
    return [*_on_widths(plan), *_on_recovery(recovery)]


def _on_recovery(recovery: Mapping[str, Any] | None) -> list[str]:
    if recovery is None or not recovery["made_up_inputs"]:
        return []
    return ["recovered on made-up inputs: weaker than on real ones, and not shown to be better on them; give --data"]


def _on_widths(plan: Plan) -> list[str]:
    wide = [cut for cut in plan.cuts if cut.size >= 2 * _BLOCK]  # a handful of heads is no width
    ragged = sum((cut.size - len(cut.removed)) % _BLOCK > 0 for cut in wide)
    if plan.made_with.get("round_to", 1) != 1 or not ragged:
        return []
    return [
        f"{ragged} of {len(wide)} cut spaces keep a number of channels that is no multiple of {_BLOCK}; runtimes"
        f" compute channels in blocks, so where milliseconds matter try --round-to {_BLOCK}"
    ]
