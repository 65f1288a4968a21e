"""What else used the CPUs while we measured, from the kernel's own counters."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from compressor.backends.cgroup import read_kernel_file, throttled_s

_OTHER_CPUS = 0.2
_STOLEN_SHARE = 0.02
_WAITED_SHARE = 0.02
_THROTTLED_SHARE = 0.01
_SHORTEST_S = 0.1  # the kernel counts ticks of 10 ms and hands out slices of several: below, shares mean nothing
_ended_s: dict[str, float] = {}  # waiting of threads that have ended, by the name they worked under
_ended_lock = threading.Lock()


@dataclass(frozen=True)
class CpuUse:
    """Seconds since some start, over the CPUs this process may use.

    Attributes:
        wall_s: monotonic clock.
        busy_s: CPU time of everybody, None where the system does not tell.
        stolen_s: CPU time that the hypervisor gave to other machines.
        own_s: CPU time of this process and its finished children.
        waited_s: time that each of this process's threads was ready to run, and another program ran instead.
        throttled_s: time the container was stopped for having used up its CPU limit.
    """

    wall_s: float
    busy_s: float | None
    stolen_s: float
    own_s: float
    waited_s: Mapping[str, float] = field(default_factory=dict)
    throttled_s: float = 0.0

    @classmethod
    def now(cls, stat: Path = Path("/proc/stat")) -> CpuUse:
        """Read the counters."""
        times = os.times()
        own_s = times.user + times.system + times.children_user + times.children_system
        busy_s, stolen_s = _system(stat)
        return cls(time.monotonic(), busy_s, stolen_s, own_s, waited_s(), throttled_s())


@dataclass(frozen=True)
class Conditions:
    """What happened on the machine while models were timed; seconds add up over several measuring processes.

    Attributes:
        wall_s: how long it took.
        other_s: CPU time of other programs.
        waited_s: time that the thread which waited longest for a CPU did so.
        stolen_s, throttled_s: as in CpuUse.
    """

    wall_s: float = 0.0
    other_s: float = 0.0
    stolen_s: float = 0.0
    waited_s: float = 0.0
    throttled_s: float = 0.0

    @classmethod
    def between(cls, before: CpuUse, after: CpuUse) -> Conditions:
        """From two readings; nothing is known where the system does not tell."""
        wall_s = after.wall_s - before.wall_s
        if before.busy_s is None or after.busy_s is None or wall_s <= 0:
            return cls()
        other_s = after.busy_s - before.busy_s - (after.own_s - before.own_s)
        # Not their sum: sixteen threads that wait 6 % of the time each hold a run up by 6 % of its time, not by all.
        waited = max((total - before.waited_s.get(name, 0.0) for name, total in after.waited_s.items()), default=0.0)
        stolen_s, throttled = after.stolen_s - before.stolen_s, after.throttled_s - before.throttled_s
        return cls(wall_s, max(0.0, other_s), stolen_s, max(0.0, waited), throttled)

    @classmethod
    def total(cls, parts: Iterable[Conditions]) -> Conditions:
        """Of several measuring processes, one after the other."""
        rows = [tuple(asdict(part).values()) for part in parts]
        return cls(*map(sum, zip(*rows, strict=True))) if rows else cls()

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON-ready values."""
        return asdict(self)

    @property
    def other_cpus(self) -> float:
        """CPUs that other programs kept busy, on average; 0 where too little time has passed to tell."""
        return self._rate(self.other_s)

    @property
    def waited_share(self) -> float:
        """Share of the time that the measuring process was ready, and another program ran instead."""
        return self._rate(self.waited_s)

    def disturbances(self) -> list[str]:
        """What spoils a measurement, in plain words; empty on a quiet machine."""
        found, stolen, throttled = [], self._rate(self.stolen_s), self._rate(self.throttled_s)
        if self.other_cpus > _OTHER_CPUS:
            found.append(
                f"Other programs kept {self.other_cpus:.1f} CPUs busy during the measurement. Close them and repeat."
            )
        if self.waited_share > _WAITED_SHARE:
            found.append(f"The measuring process had to wait {self.waited_share:.0%} of the time for a CPU.")
        if stolen > _STOLEN_SHARE:
            found.append(f"The hypervisor took away {stolen:.2f} CPUs during the measurement.")
        if throttled > _THROTTLED_SHARE:
            found.append(f"The container was stopped {throttled:.0%} of the time: it had used up its CPU limit.")
        return found

    def _rate(self, seconds: float) -> float:
        return seconds / self.wall_s if self.wall_s >= _SHORTEST_S else 0.0


def disturbance(before: CpuUse, after: CpuUse) -> list[str]:
    """Plain-word warnings about what happened between two readings."""
    return Conditions.between(before, after).disturbances()


def waited_s(tasks: Path = Path("/proc/self/task")) -> dict[str, float]:
    """Seconds that each thread of this process stood in the kernel's run queues; none where it does not tell.

    Threads are named by their number, and those that worked in ``counted_waiting`` by the name given there.
    """
    with _ended_lock:
        found = dict(_ended_s)
    try:
        threads = list(tasks.iterdir())
    except OSError:
        return found
    return found | {thread.name: _in_queues_s(thread) for thread in threads}


@contextmanager
def counted_waiting(name: str) -> Iterator[None]:
    """What this thread waits for a CPU inside the block counts under a name: the kernel forgets threads that ended."""
    own = Path("/proc/thread-self")
    before = _in_queues_s(own)
    try:
        yield
    finally:
        waited = _in_queues_s(own) - before
        with _ended_lock:
            _ended_s[name] = _ended_s.get(name, 0.0) + waited


def _in_queues_s(thread: Path) -> float:
    # Columns, from the kernel's sched-stats.rst: nanoseconds on a CPU, nanoseconds waiting for one, slices.
    return int((read_kernel_file(thread / "schedstat") or "0 0 0").split()[1]) / 1e9


def _system(stat: Path) -> tuple[float | None, float]:
    """(busy, stolen) seconds of the CPUs in our affinity mask."""
    try:
        lines = stat.read_text(encoding="ascii").splitlines()
    except OSError:
        return None, 0.0
    tick_s = 1 / os.sysconf("SC_CLK_TCK")
    ours = {f"cpu{cpu}" for cpu in os.sched_getaffinity(0)}
    # Columns, from proc(5): user nice system idle iowait irq softirq steal.
    rows = [list(map(int, line.split()[1:9])) for line in lines if line.split(maxsplit=1)[0] in ours]
    busy = sum(row[0] + row[1] + row[2] + row[5] + row[6] for row in rows)
    return busy * tick_s, sum(row[7] for row in rows) * tick_s
