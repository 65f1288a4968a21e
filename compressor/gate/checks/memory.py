"""``memory``: the most that a fresh process had resident while it opened and ran a model."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, model_validator

from compressor.backends import feed_files
from compressor.backends.processes import ask
from compressor.errors import UsageError
from compressor.gate.check import check
from compressor.gate.facts import is_count
from compressor.gate.finding import Finding, Status
from compressor.gate.pair import Feeds, Pair, checked_feeds
from compressor.gate.same_machine import machine_now, require_same
from compressor.gate.settings_types import Backends, Count, Dims, Positive, Processes, Ratio, Threads
from compressor.settings import Part
from compressor.units import size as shown

WORKER = "compressor.gate.memory_worker"


class MemorySettings(Part):
    """Peak of resident memory.

    Attributes:
        max_bytes: the most that the candidate's process may have.
        max_ratio: the most for each byte of the baseline.
        of: what the ratio compares: "model": what came on top of the interpreter and the runtime; "process": all.
        backend: the runtime.
        threads: threads per operator.
        batch, dims: sizes of symbolic dimensions.
        processes: fresh processes for each model.
        runs: runs in each.
    """

    max_bytes: Count | None = None
    max_ratio: Ratio | None = None
    of: Literal["model", "process"] = "model"
    backend: Backends = Field(default=["onnxruntime-cpu"])
    threads: Threads = 1
    batch: Positive = 1
    dims: Dims = Field(default={})
    processes: Processes = 3
    runs: Positive = 3

    @model_validator(mode="after")
    def _some_limit(self) -> MemorySettings:
        if self.max_bytes is None and self.max_ratio is None:
            raise ValueError("give max_bytes, max_ratio or both")
        return self


@check("memory", MemorySettings)
def memory(settings: MemorySettings, pair: Pair) -> Iterator[Finding]:
    """Both models in turns, each in fresh processes; the whole range decides."""
    for name in settings.backend:
        feeds = checked_feeds(pair, name, settings.threads, batch=settings.batch, dims=settings.dims)
        inputs = {key: [str(value.dtype), list(value.shape)] for key, value in feeds.items()}
        measured_with = {"backend": name, "threads": settings.threads, "inputs": inputs}
        here = machine_now(name)
        before = None
        if len(pair.models) == 1 and settings.max_ratio is not None:
            before = _stored(pair.baseline.kept("memory"), measured_with, here, pair.baseline.name)
        peaks = _measured(settings, pair, feeds, measured_with, before)
        keep = {**measured_with, "fingerprint": here, "peaks": peaks["candidate"]}
        if settings.max_bytes is not None:
            processes = [peak["peak_bytes"] for peak in peaks["candidate"]]
            yield _finding(f"max_bytes ({name})", None, processes, settings.max_bytes, keep)
        if settings.max_ratio is not None:
            baseline, candidate = ([_bytes(peak, settings.of) for peak in peaks[role]] for role in _ROLES)
            yield _finding(f"max_ratio ({name}, {settings.of})", baseline, candidate, settings.max_ratio, keep)


_ROLES = ("baseline", "candidate")


def _measured(
    settings: MemorySettings, pair: Pair, feeds: Feeds, measured_with: Mapping[str, Any],
    stored: list[dict[str, int]] | None,
) -> dict[str, list[dict[str, int]]]:  # fmt: skip
    """Peaks by role; those of a stored baseline are the stored ones."""
    found: dict[str, list[dict[str, int]]] = {"baseline": list(stored or ()), "candidate": []}
    models, rng = pair.models, np.random.default_rng(pair.seed)
    with tempfile.TemporaryDirectory(prefix="compressor-") as folder:
        feed_files.save(feeds, Path(folder))
        for _ in range(settings.processes):
            for index in rng.permutation(len(models)):
                role, path = models[index]
                job = {"backend": measured_with["backend"], "threads": settings.threads, "runs": settings.runs}
                files = {"model": str(path.resolve()), "feeds": folder}
                found[role].append(ask(WORKER, {**job, **files})["memory"])
    return found


def _stored(
    kept: list[dict[str, Any]], measured_with: Mapping[str, Any], here: Mapping[str, Any], where: str
) -> list[dict[str, int]]:
    for one in kept:
        peaks = one.get("peaks")
        if all(one.get(key) == wanted for key, wanted in measured_with.items()) and isinstance(peaks, list) and peaks:
            keys = ("peak_bytes", "before_bytes")
            if all(isinstance(peak, dict) and all(is_count(peak.get(key)) for key in keys) for peak in peaks):
                require_same(one.get("fingerprint"), here, "memory", where)
                return peaks
    words = ", ".join(f"{key} {wanted}" for key, wanted in measured_with.items())
    fix = "Store the baseline with the same policy, or give its file."
    raise UsageError(f"the stored memory was not measured with {words}", where=where, fix=fix)


def _bytes(peak: dict[str, int], of: str) -> int:
    """At least a page, so that a ratio exists."""
    return max(4096, peak["peak_bytes"] - (peak["before_bytes"] if of == "model" else 0))


def _finding(
    rule: str, baseline: list[int] | None, candidate: list[int], limit: float, keep: dict[str, Any]
) -> Finding:  # fmt: skip
    divisors = baseline or [1]
    low, high = min(candidate) / max(divisors), max(candidate) / min(divisors)
    value = statistics.median(candidate) / statistics.median(divisors)
    status: Status = "pass" if high <= limit else "fail" if low > limit else "inconclusive"
    if baseline is None:
        words = f"{shown(int(value))} ({shown(int(low))} to {shown(int(high))}), at most {shown(int(limit))} allowed"
    else:
        words = f"{value:.3f} ({low:.3f} to {high:.3f}) times the baseline's, at most {limit:g} allowed"
    return Finding(
        "memory", rule, status, words, "bytes", candidate=statistics.median(candidate), value=value, limit=limit,
        baseline=None if baseline is None else statistics.median(baseline), low=low, high=high, keep=keep,
        details={"candidate_bytes": candidate, "baseline_bytes": baseline or []},
    )  # fmt: skip
