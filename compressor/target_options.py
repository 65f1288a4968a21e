"""What the options of a target add up to, for the command line and for recipes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compressor.errors import UsageError

if TYPE_CHECKING:
    from compressor.latency.goal import LatencyGoal
    from compressor.latency.setting import Setting
    from compressor.memory_goal import MemoryGoal
    from compressor.passes.selection import Metric

COUNTED: tuple[Metric, ...] = ("params", "macs", "channels", "size", "memory")
"""Shares that are computed from the graph."""
MEASURED = ("latency", "latency_ms", "energy")
BESIDE_MEASURED: tuple[Metric, ...] = ("size", "memory")
"""What may be given as well: it is not exceeded then."""
PLACE = ("backend", "threads", "batch", "dim", "table", "table_minutes")
"""Where what is measured counts."""
_SIZES = ("batch", "dim")
_PARETO_SHARE = 0.5  # stands for the shares that come one by one


@dataclass(frozen=True)
class TargetOptions:
    """The options as given; None where not.

    Attributes:
        params, macs, channels, size, memory, latency, energy: shares to keep.
        latency_ms: milliseconds to come to.
        backend, threads, batch, dim: runtime and sizes of inputs.
        table, table_minutes: of latencies.
        pareto: several latencies are asked for, one by one.
        flags: given on the command line, as --names.
    """

    params: float | None = None
    macs: float | None = None
    channels: float | None = None
    size: float | None = None
    memory: float | None = None
    latency: float | None = None
    latency_ms: float | None = None
    energy: float | None = None
    backend: str | None = None
    threads: int | None = None
    batch: int | None = None
    dim: Mapping[str, int] | None = None
    table: Path | None = None
    table_minutes: float | None = None
    pareto: bool = False
    flags: bool = True

    def targets(self) -> dict[str, Any]:
        """As ``compressor.pipeline.compress`` takes them, by name.

        Raises:
            UsageError: options that do not go together, or that would have no effect.
        """
        self._check()
        shares: dict[str, Any] = {name: getattr(self, name) for name in COUNTED}
        return {**shares, "memory": self._memory_goal(), "latency": self._latency_goal()}

    def measured(self) -> bool:
        """Whether the target is a time or an energy."""
        return self.pareto or bool(self._given(MEASURED))

    def check_one(self) -> None:
        """Refuse no target at all, and shares that do not go together.

        Raises:
            UsageError: which.
        """
        self._check()
        check_together(self._given(COUNTED), next(iter(self._given(MEASURED)), None), flags=self.flags)

    def given(self) -> list[str]:
        """Names of what is given."""
        return self._given((*COUNTED, *MEASURED, "pareto", *PLACE))

    def _check(self) -> None:
        wanted = self._given((*MEASURED, "pareto"))
        if len(wanted) > 1:
            raise UsageError(
                f"{self._named(wanted[1:])} beside {self._named(wanted[:1])}",
                fix=f"Give one of {self._named(MEASURED)}"
                + (" and --pareto, whose shares are of latencies." if self.pareto else "."),
            )
        # A peak of memory has sizes of inputs as well.
        idle = [name for name in self._given(PLACE) if self.memory is None or name not in _SIZES]
        if idle and not wanted:
            raise UsageError(
                f"{self._named(idle)} would have no effect without a latency or energy",
                fix=f"Give {self._named(('latency', 'latency_ms'))}, for example, or leave out the one or the other.",
            )

    def _memory_goal(self) -> MemoryGoal | None:
        from compressor.memory_goal import MemoryGoal

        return None if self.memory is None else MemoryGoal(self.memory, self.batch or 1, self.dim or {})

    def _latency_goal(self) -> LatencyGoal | None:
        from compressor.latency.goal import LatencyGoal

        if not self.measured():
            return None
        more: dict[str, Any] = {} if self.table_minutes is None else {"minutes": self.table_minutes}
        if self.energy is not None:
            return LatencyGoal(self.energy, None, self._setting(), self.table, **more, of="energy")
        return LatencyGoal(
            _PARETO_SHARE if self.pareto else self.latency, self.latency_ms, self._setting(), self.table, **more
        )

    def _setting(self) -> Setting:
        return setting_of(self.backend, self.threads, self.batch, self.dim)

    def _given(self, names: Iterable[str]) -> list[str]:
        found = {name: getattr(self, name) for name in names}
        return [name for name, value in found.items() if value is not None and value is not False]

    def _named(self, names: Iterable[str]) -> str:
        return _named(names, self.flags)


def check_together(counted: Collection[str], measured: str | None, *, flags: bool = True) -> None:
    """Refuse no target, and several that do not go together.

    Args:
        counted: those given of ``COUNTED``.
        measured: the one given of ``MEASURED``, or None.
        flags: whether they are called --names, as on the command line.

    Raises:
        UsageError: which, and what to do.
    """
    if measured is None and len(counted) != 1:
        macs, latency, beside = (_named(names, flags) for names in (["macs"], ["latency"], BESIDE_MEASURED))
        raise UsageError(
            f"give exactly one of {_named((*COUNTED, *MEASURED), flags)}",
            fix=f"For example {macs} 0.5 to keep half of the MACs, or {latency} 0.5 for half the time; {beside} may"
            " stand beside a latency.",
        )
    alone = [name for name in counted if name not in BESIDE_MEASURED]
    if measured is not None and alone:
        raise UsageError(
            f"give exactly one of {_named([*alone, measured], flags)}",
            fix=f"Beside a latency or energy {_named(BESIDE_MEASURED, flags)} may be given: not exceeded then.",
        )


def _named(names: Iterable[str], flags: bool) -> str:
    return ", ".join(f"--{name.replace('_', '-')}" if flags else name for name in names)


def setting_of(backend: str | None, threads: int | None, batch: int | None, dims: Mapping[str, int] | None) -> Setting:
    """Where latency counts; None takes the default."""
    from compressor.latency.setting import Setting

    named: dict[str, Any] = {"backend": backend, "threads": threads, "batch": batch, "dims": dims}
    return Setting(**{name: value for name, value in named.items() if value is not None})
