"""What is timed: single runs in a row, starts from nothing, many runs at once, or requests at a given pace."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from compressor.errors import UsageError

ModeName = Literal["latency", "cold-start", "throughput", "paced"]
MODES: tuple[ModeName, ...] = get_args(ModeName)

_FASTEST_RATE = 100_000.0


@dataclass(frozen=True)
class Mode:
    """A way of measuring.

    Attributes:
        kind: "latency": one run after the other. "cold-start": from the start of a fresh process to its first output.
            "throughput": ``streams`` sessions that run all the time, each in its own thread. "paced": requests arrive
            ``rate`` times a second, whether the last one is answered or not, and ``streams`` sessions answer them.
        streams: sessions of one model that work at the same time.
        rate: requests a second, for "paced" only.
    """

    kind: ModeName = "latency"
    streams: int = 1
    rate: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in MODES:
            raise UsageError(f"unknown mode {self.kind!r}", fix=f"Known: {', '.join(MODES)}.")
        if not 1 <= self.streams <= 1024:
            raise UsageError(f"streams must lie between 1 and 1024, not {self.streams}")
        if self.streams > 1 and self.kind in ("latency", "cold-start"):
            raise UsageError(f"{self.kind} has one stream", fix="Ask for throughput or paced to have several.")
        if (self.rate is not None) != (self.kind == "paced"):
            what = "needs a rate" if self.kind == "paced" else "has no rate"
            raise UsageError(f"{self.kind} {what}", fix="Give --mode paced --rate REQUESTS_PER_SECOND.")
        if self.rate is not None and not 0 < self.rate <= _FASTEST_RATE:
            raise UsageError(f"the rate must lie between 0 and {_FASTEST_RATE:,.0f} a second, not {self.rate:g}")

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON-ready values."""
        return asdict(self)

    def timed(self, session: str, bound: str | None = None) -> str:
        """What a time covers, in words.

        Args:
            session: ``Session.timed``.
            bound: ``Session.bound_timed``.
        """
        streams = f"{self.streams} stream{'s' if self.streams > 1 else ''}"
        if self.kind == "latency":
            return session
        if self.kind == "cold-start":
            return "from the start of a fresh process to its first output, imports of the runtime included"
        if self.kind == "throughput":
            return f"time per run at full load, {streams}; {bound or session}"
        pace = f"{self.rate:g} requests a second, {streams}"
        return f"from a request's arrival to its answer, waiting included, {pace}; {bound or session}"


LATENCY = Mode()
