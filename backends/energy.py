"""Energy as the machine itself counts it: which meters there are, which of them cover a runtime, and reading them.

Meters count all that their part of the machine takes: idle power and other programs are in it. Ratios of models that
take turns are told by the same statistics as times.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from compressor.errors import BackendError

ROOT = Path("/")
"""Where the kernel's files are; another one in tests."""
_TURN = 20  # updates of a meter that a turn should last at least
_J = 1e-6  # joules in a microjoule
_GPU_KINDS = ("-cuda", "-tensorrt", "-cuda-graph")


def _unreadable() -> int:
    raise BackendError("this meter cannot be read")


@dataclass(frozen=True)
class Meter:
    """A counter of energy.

    Attributes:
        name: as the system has it: "package-0", "GPU 0".
        part: of the machine, and ``index`` of the GPU among its kind.
        covers: what it counts, in words.
        interval_s: between two updates.
        read: microjoules since some start.
        range_uj: where the counter begins anew; None where it does not.
        reason: why it cannot be read, None where it can; ``fix`` is what to do about it.
    """

    name: str
    part: Literal["cpu", "gpu"]
    covers: str
    interval_s: float = 0.0
    read: Callable[[], int] = _unreadable
    range_uj: int | None = None
    index: int = 0
    reason: str | None = None
    fix: str | None = None

    def to_json(self) -> dict[str, Any]:
        """What ``doctor`` tells, as JSON-ready values."""
        return {"name": self.name, "covers": self.covers, "reason": self.reason, "fix": self.fix}


class Gauge:
    """Several meters read as one."""

    def __init__(self, meters: Sequence[Meter]) -> None:
        self.meters = list(meters)

    @property
    def least_turn_s(self) -> float:
        """How long a turn should last at least, so that the meters' updates do not blur it."""
        return _TURN * max(meter.interval_s for meter in self.meters)

    def now(self) -> list[int]:
        """Readings in microjoules; BackendError where a meter has gone."""
        return [meter.read() for meter in self.meters]

    def joules_since(self, before: Sequence[int]) -> float:
        """Joules since earlier readings; a counter that has begun anew since is taken to have done so once."""
        total = 0
        for meter, first, last in zip(self.meters, before, self.now(), strict=True):
            total += last - first if last >= first or meter.range_uj is None else last - first + meter.range_uj
        return total * _J


def meters(root: Path | None = None) -> list[Meter]:
    """All meters of this machine, each with the reason why it cannot be read, if so; never raises.

    Args:
        root: of the file system; None is ``ROOT``.
    """
    from compressor.backends.nvml import nvml_meters
    from compressor.backends.rapl import rapl_meters

    return [*rapl_meters(ROOT if root is None else root), *nvml_meters()]


def gauge_for(backend: str, root: Path | None = None) -> Gauge:
    """What counts the energy of the device that a backend runs on.

    Raises:
        BackendError: nothing does, or it cannot be read; says why.
    """
    part, index = _device(backend)
    found = [meter for meter in meters(root) if meter.part == part and (part == "cpu" or meter.index in (index, -1))]
    usable = [meter for meter in found if meter.reason is None]
    if part is None or not found:
        raise BackendError("nothing counts the energy of what it runs on", where=backend)
    if not usable:
        why = "; ".join(dict.fromkeys(f"{meter.name}: {meter.reason}" for meter in found))
        fix = next((meter.fix for meter in found if meter.fix), None)
        raise BackendError(f"its energy cannot be measured: {why}", where=backend, fix=fix)
    return Gauge(usable)


def require_meter(backend: str) -> None:
    """As ``gauge_for``, before any work."""
    gauge_for(backend)


def _device(backend: str) -> tuple[Literal["cpu", "gpu"] | None, int]:
    """The part of the machine that a backend computes on, and the number of its GPU as the driver counts."""
    kind, _, index = backend.partition(":")
    if kind.endswith(_GPU_KINDS):
        return "gpu", _driver_index(int(index or 0))
    return ("cpu", 0) if kind.endswith("-cpu") or kind == "null" else (None, 0)


def _driver_index(index: int) -> int:
    """CUDA counts only the devices that it is shown."""
    shown = [part.strip() for part in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")]
    return int(shown[index]) if index < len(shown) and shown[index].isdecimal() else index
