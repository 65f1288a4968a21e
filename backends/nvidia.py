"""NVIDIA's driver and GPUs, by asking nvidia-smi: no library has to be loaded to know that there is none."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from functools import cache

_TIMEOUT_S = 20
MISSING = "no NVIDIA GPU with a driver was found (nvidia-smi lists none)"


@dataclass(frozen=True)
class Gpu:
    """One GPU: its name, and the version of the driver."""

    name: str
    driver: str

    def __str__(self) -> str:
        return f"{self.name} (driver {self.driver})"


@cache
def gpus() -> tuple[Gpu, ...]:
    """The GPUs in nvidia-smi's order; none where the tool is missing or fails."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ()
    query = [tool, "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return parse(done.stdout) if done.returncode == 0 else ()


def parse(text: str) -> tuple[Gpu, ...]:
    """The GPUs in nvidia-smi's answer, one "name, driver" a line."""
    rows = (line.rpartition(",") for line in text.splitlines() if "," in line)
    return tuple(Gpu(name.strip(), driver.strip()) for name, _, driver in rows)
