"""What else used the CPUs while we measured, from the kernel's own counters."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

_OTHER_CPUS = 0.2
_STOLEN_SHARE = 0.02


@dataclass(frozen=True)
class CpuUse:
    """Seconds since some start, over the CPUs this process may use.

    Attributes:
        wall_s: monotonic clock.
        busy_s: CPU time of everybody, None where the system does not tell.
        stolen_s: CPU time that the hypervisor gave to other machines.
        own_s: CPU time of this process and its finished children.
    """

    wall_s: float
    busy_s: float | None
    stolen_s: float
    own_s: float

    @classmethod
    def now(cls, stat: Path = Path("/proc/stat")) -> CpuUse:
        """Read the counters."""
        times = os.times()
        own_s = times.user + times.system + times.children_user + times.children_system
        busy_s, stolen_s = _system(stat)
        return cls(time.monotonic(), busy_s, stolen_s, own_s)


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


def disturbance(before: CpuUse, after: CpuUse) -> list[str]:
    """Plain-word warnings about load from other programs and about stolen time between two readings."""
    wall_s = after.wall_s - before.wall_s
    if before.busy_s is None or after.busy_s is None or wall_s <= 0:
        return []
    other_cpus = (after.busy_s - before.busy_s - (after.own_s - before.own_s)) / wall_s
    stolen_cpus = (after.stolen_s - before.stolen_s) / wall_s
    found = []
    if other_cpus > _OTHER_CPUS:
        found.append(f"Other programs kept {other_cpus:.1f} CPUs busy during the measurement. Close them and repeat.")
    if stolen_cpus > _STOLEN_SHARE:
        found.append(f"The hypervisor took away {stolen_cpus:.2f} CPUs during the measurement.")
    return found
