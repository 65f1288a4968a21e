"""RAPL: what the processor's packages and their memory take, from the kernel's powercap files.

Source: Documentation/power/powercap/powercap.rst of Linux. AMD's processors are found under the same names.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from compressor.backends.cgroup import read_kernel_file
from compressor.backends.energy import Meter
from compressor.errors import BackendError

_FOLDER = "sys/class/powercap"
_INTERVAL_S = 1e-3
_NONE = "the kernel shows no intel-rapl under /sys/class/powercap (virtual machines and many containers hide it)"
_LOCKED = "only root may read energy_uj"
_UNLOCK = "Run as root, or let root run: chmod a+r /sys/class/powercap/intel-rapl*/energy_uj"


def rapl_meters(root: Path = Path("/")) -> list[Meter]:
    """Packages, and memory where it is counted apart; one that says why where there are none.

    "core" and "uncore" are parts of their package, and "psys" holds the packages: they would count twice.
    """
    folders = sorted((root / _FOLDER).glob("intel-rapl:*"))
    names = {folder: read_kernel_file(folder / "name") or "" for folder in folders}
    found = []
    for folder, name in names.items():
        if name.startswith("package"):
            found.append(_meter(folder, name, "all of a processor"))
        elif name == "dram":
            package = names.get(folder.with_name(folder.name.rpartition(":")[0]), "a package")
            found.append(_meter(folder, f"dram of {package}", "memory of a processor"))
    return found or [Meter("RAPL", "cpu", "processor", reason=_NONE)]


def _meter(folder: Path, name: str, covers: str) -> Meter:
    counter, most = folder / "energy_uj", read_kernel_file(folder / "max_energy_range_uj")
    readable = os.access(counter, os.R_OK)
    return Meter(
        name, "cpu", covers, _INTERVAL_S, partial(_microjoules, counter),
        range_uj=int(most) if most and most.isdecimal() else None,
        reason=None if readable else _LOCKED, fix=None if readable else _UNLOCK,
    )  # fmt: skip


def _microjoules(counter: Path) -> int:
    text = read_kernel_file(counter)
    if text is None or not text.isdecimal():
        raise BackendError("the energy counter cannot be read any more", where=str(counter), fix=_UNLOCK)
    return int(text)
