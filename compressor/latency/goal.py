"""What latency is wanted, and where."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from compressor.errors import UsageError
from compressor.latency.setting import Setting

TOLERANCE = 0.03
"""How far a measured ratio may be from the one asked for, relative to it."""


@dataclass(frozen=True)
class LatencyGoal:
    """A latency to come down to, on one runtime.

    Attributes:
        ratio: of the original's; or
        ms: in milliseconds: exactly one of them.
        setting: runtime, threads and sizes of inputs.
        table: file of a latency table to take as it is, made here or on another machine; None uses the cache's, and
            measures what it lacks.
        minutes: of measuring for the table, at most.
        of: what is measured and compared: the time of a run, or the energy that it takes (``ratio`` only); which
            cut to try next is told by times in either case.
    """

    ratio: float | None = None
    ms: float | None = None
    setting: Setting = field(default_factory=Setting)
    table: Path | None = None
    minutes: float = 5.0
    of: Literal["time", "energy"] = "time"

    def __post_init__(self) -> None:
        if (self.ratio is None) == (self.ms is None):
            raise UsageError("give one of --latency and --latency-ms", fix="For example --latency 0.5.")
        if self.of == "energy" and self.ratio is None:
            raise UsageError("an energy is asked for as a share", fix="For example --energy 0.5.")
        if self.ratio is not None and not 0 < self.ratio < 1:
            option, more = (
                ("--energy", "") if self.of == "energy" else ("--latency", "; --latency-ms takes milliseconds")
            )
            raise UsageError(
                f"{option} {self.ratio:g} is not between 0 and 1",
                fix=f"Give the share of the original's {self.of}, for example 0.5{more}.",
            )
        if self.ms is not None and not (self.ms > 0 and math.isfinite(self.ms)):
            raise UsageError(f"--latency-ms {self.ms:g} is not positive", fix="Give milliseconds, for example 8.")
        if not (self.minutes >= 0 and math.isfinite(self.minutes)):
            raise UsageError(f"--table-minutes {self.minutes:g} is not a time", fix="Give for example 5.")
