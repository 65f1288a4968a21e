"""Control groups: how much CPU the container may use, and how long it was made to wait for that."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_V1_MOUNT, _V2_MOUNT = "sys/fs/cgroup/cpu", "sys/fs/cgroup"


def cgroup_cpus(root: Path = Path("/")) -> float | None:
    """The tightest CPU limit of the control groups this process is in, in CPUs; None without one."""
    limits = []
    for folder, version in _groups(root):
        if version == 2:
            limits.append(_quota(read_kernel_file(folder / "cpu.max")))
        else:
            names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
            quota, period = (read_kernel_file(folder / name) for name in names)
            limits.append(_quota(f"{quota} {period}" if quota and period else None))
    return min((limit for limit in limits if limit is not None), default=None)


def throttled_s(root: Path = Path("/")) -> float:
    """Seconds that these groups have been stopped for having used up their limit; 0 where the kernel does not tell."""
    found = 0.0
    for folder, version in _groups(root):
        fields = dict(line.split(maxsplit=1) for line in (read_kernel_file(folder / "cpu.stat") or "").splitlines())
        if version == 2:
            found += int(fields.get("throttled_usec", 0)) / 1e6
        else:
            found += int(fields.get("throttled_time", 0)) / 1e9
    return found


def read_kernel_file(path: Path) -> str | None:
    """The stripped content of a file of the kernel, None when it is not there or not readable."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def _groups(root: Path) -> Iterator[tuple[Path, int]]:
    """(folder, version) of the groups this process is in and of all their parents; a limit on any of them holds."""
    for line in (read_kernel_file(root / "proc/self/cgroup") or "").splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            yield from ((folder, 2) for folder in _upwards(root / _V2_MOUNT, path))
        elif "cpu" in controllers.split(","):
            yield from ((folder, 1) for folder in _upwards(root / _V1_MOUNT, path))


def _upwards(mount: Path, path: str) -> list[Path]:
    group = mount / path.strip("/")
    return [group, *(parent for parent in group.parents if parent.is_relative_to(mount))]


def _quota(text: str | None) -> float | None:
    """CPUs of "quota period"; None for "max" or -1, which mean no limit."""
    if text is None:
        return None
    quota, period = text.split()
    return None if quota == "max" or int(quota) < 0 else int(quota) / int(period)
