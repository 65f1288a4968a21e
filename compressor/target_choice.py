"""Of all that a user may ask for: the one target, and what must not be exceeded beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from compressor.backends.energy import require_meter
from compressor.latency.goal import LatencyGoal
from compressor.latency.original import ratio_to_reach
from compressor.memory_goal import MemoryGoal
from compressor.passes.selection import Metric, Target
from compressor.target_options import COUNTED, check_together


def targets_of(
    shares: Mapping[str, float | None], latency: LatencyGoal | None, model: Path, known: float | None = None
) -> tuple[Target, dict[str, float]]:
    """The target, and the shares of size and memory that hold beside a latency.

    Args:
        shares: to keep, by metric; None where it was not asked for.
        latency: or energy.
        known: which share a latency in milliseconds is; None measures the model's.

    Raises:
        UsageError: none, several that do not go together, or one that is no share.
        BackendError: energy is wanted and no meter tells it, or the runtime cannot run the model.
    """
    given = {name: shares[name] for name in COUNTED if shares.get(name) is not None}
    targets = {name: Target(name, share) for name, share in given.items() if share is not None}
    check_together(targets, None if latency is None else "energy" if latency.of == "energy" else "latency")
    if latency is None:
        return next(iter(targets.values())), {}
    if latency.of == "energy":
        require_meter(latency.setting.backend)
    metric: Metric = "energy" if latency.of == "energy" else "latency"
    reached = ratio_to_reach(latency, model) if known is None else known
    return Target(metric, reached), {name: target.keep for name, target in targets.items()}


def memory_goal(memory: float | MemoryGoal | None, latency: LatencyGoal | None) -> MemoryGoal | None:
    """A plain share counts at the latency's sizes of inputs, or at batch 1."""
    if memory is None or isinstance(memory, MemoryGoal):
        return memory
    return MemoryGoal(memory) if latency is None else MemoryGoal(memory, latency.setting.batch, latency.setting.dims)
