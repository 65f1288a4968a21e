"""Of all that a user may ask for: the one target, and what must not be exceeded beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from compressor.backends.energy import require_meter
from compressor.errors import UsageError
from compressor.latency.goal import LatencyGoal
from compressor.latency.original import ratio_to_reach
from compressor.memory_goal import MemoryGoal
from compressor.passes.selection import Metric, Target

BESIDE_LATENCY: tuple[Metric, ...] = ("size", "memory")
_COUNTED: tuple[Metric, ...] = ("channels", "params", "macs", "size", "memory")


def targets_of(
    shares: Mapping[str, float | None], latency: LatencyGoal | None, model: Path
) -> tuple[Target, dict[str, float]]:
    """The target, and the shares of size and memory that hold beside a latency.

    Args:
        shares: to keep, by metric; None where it was not asked for.
        latency: or energy.

    Raises:
        UsageError: none, several that do not go together, or one that is no share.
        BackendError: energy is wanted and no meter tells it, or the runtime cannot run the model.
    """
    given = {name: shares[name] for name in _COUNTED if shares.get(name) is not None}
    targets = {name: Target(name, share) for name, share in given.items() if share is not None}
    if latency is None:
        if len(targets) != 1:
            raise UsageError(
                "give exactly one of --channels, --params, --macs, --size, --memory, --latency and --energy",
                fix="For example --macs 0.5 to keep half of the MACs, or --latency 0.5 for half the time;"
                " --size and --memory may stand beside a latency.",
            )
        return next(iter(targets.values())), {}
    alone = [f"--{name}" for name in targets if name not in BESIDE_LATENCY]
    if alone:
        raise UsageError(
            f"give exactly one of {', '.join(alone)} and --latency or --energy",
            fix="Beside a latency --size and --memory may be given.",
        )
    if latency.of == "energy":
        require_meter(latency.setting.backend)
    metric: Metric = "energy" if latency.of == "energy" else "latency"
    return Target(metric, ratio_to_reach(latency, model)), {name: target.keep for name, target in targets.items()}


def memory_goal(memory: float | MemoryGoal | None, latency: LatencyGoal | None) -> MemoryGoal | None:
    """A plain share counts at the latency's sizes of inputs, or at batch 1."""
    if memory is None or isinstance(memory, MemoryGoal):
        return memory
    return MemoryGoal(memory) if latency is None else MemoryGoal(memory, latency.setting.batch, latency.setting.dims)
