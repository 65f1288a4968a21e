"""A processor's energy counters in a folder that stands for the root of the file system."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

WATTS = 20.0
RANGE_UJ = 262_143_328_850
_STEP_S = 0.0005


def domain(root: Path, folder: str, name: str, energy_uj: int = 0, range_uj: int = RANGE_UJ) -> Path:
    """One domain of powercap; returns its counter."""
    place = root / "sys/class/powercap" / folder
    place.mkdir(parents=True)
    (place / "name").write_text(f"{name}\n")
    (place / "max_energy_range_uj").write_text(f"{range_uj}\n")
    (place / "energy_uj").write_text(f"{energy_uj}\n")
    return place / "energy_uj"


@contextmanager
def running(counter: Path, watts: float = WATTS) -> Iterator[None]:
    """The counter goes up with the time, whatever runs: replaced whole, so that no reader sees half of it."""
    ended, start = threading.Event(), time.monotonic()

    def count() -> None:
        while not ended.wait(_STEP_S):
            new = counter.with_suffix(".new")
            new.write_text(f"{int((time.monotonic() - start) * watts * 1e6)}\n")
            new.replace(counter)

    thread = threading.Thread(target=count, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
