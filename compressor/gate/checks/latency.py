"""``latency``: how long the candidate takes as a ratio to the baseline, measured so that one can trust the verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from compressor.backends.base import available_cpus
from compressor.backends.cgroup import cgroup_cpus
from compressor.backends.modes import Mode, ModeName
from compressor.backends.timing import compare
from compressor.errors import CompressorError, EnvironmentProblem
from compressor.gate.check import check
from compressor.gate.finding import Finding
from compressor.gate.latency_doubts import doubt_about, doubted
from compressor.gate.latency_rounds import LONGER, Round, in_rounds, judged
from compressor.gate.latency_stored import StoredLatency, kept_of, stored_times
from compressor.gate.pair import Feeds, Pair, checked_feeds
from compressor.gate.same_machine import require_same
from compressor.gate.settings_types import Backends, Dims, Positive, Processes, Ratio, Seconds, Share, Threads
from compressor.settings import Part

_COLD_PROCESSES = 12


class LatencySettings(Part):
    """Run times of both models.

    Attributes:
        max_ratio: the largest candidate / baseline allowed; 1.05 lets it be 5 % slower.
        min_effect: relative excess over ``max_ratio`` that nobody minds: 0.02 fails from 2 % above it on.
        backend: the runtime, or several.
        threads: threads per operator.
        batch, dims: sizes of symbolic dimensions.
        mode: "latency", "cold-start", "throughput" or "paced" (needs ``rate``).
        streams: sessions that work at once, for "throughput" and "paced".
        rate: requests a second, for "paced".
        processes: fresh processes in the first round; by default 5, and 12 cold starts. The next rounds have twice
            as many.
        seconds: measured time of each model in the first round; twice as much in the next ones.
        max_seconds: for all rounds of one backend; opening and warming up come on top.
    """

    max_ratio: Ratio
    min_effect: Share = 0.0
    backend: Backends = Field(default=["onnxruntime-cpu"])
    threads: Threads = 1
    batch: Positive = 1
    dims: Dims = Field(default={})
    mode: ModeName = "latency"
    streams: Threads = 1
    rate: Ratio | None = None
    processes: Processes | None = None
    seconds: Seconds = 2.0
    max_seconds: Seconds = 120.0

    @model_validator(mode="after")
    def _possible_mode(self) -> LatencySettings:
        try:
            self.as_mode()
        except CompressorError as error:
            raise ValueError(error.what) from error
        return self

    def as_mode(self) -> Mode:
        """What is timed."""
        return Mode(self.mode, self.streams, self.rate)


@check("latency", LatencySettings)
def latency(settings: LatencySettings, pair: Pair) -> Iterator[Finding]:
    """Rounds on each backend."""
    _require_cpus(settings.threads * settings.streams)
    for name in settings.backend:
        feeds = checked_feeds(pair, name, settings.threads, batch=settings.batch, dims=settings.dims)
        labels = dict(pair.models)
        stored = _stored(settings, pair, name, feeds) if len(labels) == 1 else None
        if stored is not None and doubt_about(stored) is not None:  # no second round would tell more
            rounds = [_measured(settings, pair, name, feeds, labels, stored, 0)]
            decision = rounds[0].decision
        else:
            decision, rounds = in_rounds(lambda number: _measured(settings, pair, name, feeds, labels, stored, number))  # noqa: B023
        yield _finding(settings, name, decision.outcome, decision.reason, rounds)


def _require_cpus(threads: int) -> None:
    """Refuse to measure what this machine cannot run side by side."""
    cpus, limit = available_cpus(), cgroup_cpus()
    usable = cpus if limit is None else min(cpus, limit)
    if threads > usable:
        fix = "Ask for fewer threads and streams, or run the gate on a larger machine."
        raise EnvironmentProblem(f"{threads} threads cannot be timed on {usable:g} CPUs", fix=fix)


def _stored(settings: LatencySettings, pair: Pair, backend: str, feeds: Feeds) -> StoredLatency:
    wanted = {
        "backend": backend, "threads": settings.threads, "mode": settings.as_mode().to_json(),
        "inputs": {name: [str(value.dtype), list(value.shape)] for name, value in feeds.items()},
    }  # fmt: skip
    return stored_times(pair.baseline.kept("latency"), wanted, pair.baseline.name)


def _measured(
    settings: LatencySettings, pair: Pair, backend: str, feeds: Feeds, labels: Mapping[str, Path],
    stored: StoredLatency | None, number: int,
) -> Round:  # fmt: skip
    more, mode = LONGER if number else 1, settings.as_mode()
    processes = settings.processes or (_COLD_PROCESSES if mode.kind == "cold-start" else 5)
    comparison = compare(
        labels, feeds, backend=backend, threads=settings.threads, processes=processes * more,
        min_time_s=settings.seconds * more, max_time_s=settings.max_seconds * more / (1 + 2 * LONGER),
        seed=pair.seed + 1_000_003 * number, mode=mode,
    )  # fmt: skip
    if stored is not None:
        require_same(stored.fingerprint, comparison.fingerprint, "latency", stored.where)
    found = judged(
        comparison, "candidate", limit=settings.max_ratio, min_effect=settings.min_effect,
        stored=None if stored is None else stored.times,
    )  # fmt: skip
    return doubted(found, "candidate", stored)


def _finding(
    settings: LatencySettings, backend: str, outcome: Any, reason: str, rounds: list[Round]
) -> Finding:  # fmt: skip
    last = rounds[-1]
    comparison, plural = last.comparison, "s" if settings.threads > 1 else ""
    baseline = comparison.timings.get("baseline")
    warnings = list(dict.fromkeys(text for each in rounds for text in each.comparison.warnings))
    return Finding(
        "latency", f"max_ratio ({backend}, {settings.threads} thread{plural}, {settings.mode})", outcome, reason, "ms",
        baseline=None if baseline is None else baseline.median_ms, candidate=comparison.timings["candidate"].median_ms,
        value=last.ratio.ratio, limit=settings.max_ratio, low=last.ratio.low, high=last.ratio.high,
        details={
            "warnings": warnings,
            "noise_floor": last.noise.spread(),
            "confidence": last.ratio.confidence,
            "detectable": comparison.detectable.get("candidate"),
            "rounds": [_round(each) for each in rounds],
        },
        keep=kept_of(comparison),
    )  # fmt: skip


def _round(each: Round) -> dict[str, Any]:
    decision = {"outcome": each.decision.outcome, "reason": each.decision.reason}
    ratios = {"ratio": each.ratio.to_json(), "noise": each.noise.to_json()}
    return {**decision, **ratios, "comparison": each.comparison.to_json()}
