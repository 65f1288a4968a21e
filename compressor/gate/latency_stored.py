"""Times of a model that is the baseline of a later gate: kept, found again, and refused where they prove nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from compressor.backends.comparison import Comparison
from compressor.backends.fingerprint import fingerprint
from compressor.backends.statistics import Ratio
from compressor.errors import EnvironmentProblem, UsageError
from compressor.gate.facts import is_count
from compressor.gate.latency_rounds import Stored

_SETTINGS = ("backend", "threads", "mode", "inputs")


def kept_of(comparison: Comparison) -> dict[str, Any]:
    """The candidate's times, as ``Finding.keep``."""
    return _kept(comparison.to_json(), "candidate")


def kept_of_bench(found: Mapping[str, Any]) -> dict[str, Any]:
    """The first model's times in the JSON of ``compressor bench --output``, in the same form.

    Raises:
        UsageError: they are not there.
    """
    try:
        return _kept(found, found["baseline"])
    except (KeyError, TypeError) as error:
        raise UsageError("the result has no raw times", fix="Write it with `compressor bench --output`.") from error


def _kept(found: Mapping[str, Any], label: str) -> dict[str, Any]:
    return {
        **{key: found[key] for key in (*_SETTINGS, "noise", "fingerprint")},
        "samples_ns": found["samples_ns"][label],
    }


def stored_times(kept: Sequence[Mapping[str, Any]], wanted: Mapping[str, Any], where: str) -> Stored:
    """The times that were measured as ``wanted`` says, on this machine.

    Args:
        kept: what ``kept_of`` and ``kept_of_bench`` gave.
        wanted: "backend", "threads", "mode" and "inputs".
        where: the result's path, for messages.

    Raises:
        UsageError: none was measured so.
        EnvironmentProblem: it was on another machine, or with other versions.
    """
    nearest: list[str] | None = None
    for one in kept:
        other = [key for key in _SETTINGS if one.get(key) != wanted[key]]
        nearest = other if nearest is None or len(other) < len(nearest) else nearest
        if not other:
            _check_machine(one.get("fingerprint"), where)
            return _stored(one, where)
    shown = ", ".join(f"{key} {wanted[key]}" for key in nearest or _SETTINGS)
    fix = "Store the baseline with the same policy, or give its file."
    raise UsageError(f"the stored latency was not measured with {shown}", where=where, fix=fix)


def _check_machine(stored: Any, where: str) -> None:
    runtime = stored.get("runtime") if isinstance(stored, Mapping) else None
    if not isinstance(stored, Mapping) or not isinstance(runtime, dict):
        raise UsageError("the stored latency does not say where it was measured", where=where)
    here = fingerprint(runtime=runtime).to_json()
    if here["digest"] == stored.get("digest"):
        return
    differ = [key for key in here if key != "digest" and here[key] != stored.get(key)]
    raise EnvironmentProblem(
        f"the stored latency comes from another machine or other versions: {', '.join(differ) or 'digest'}",
        where=where, fix="Give the baseline's file: both are then measured here, in turns.",
    )  # fmt: skip


def _stored(one: Mapping[str, Any], where: str) -> Stored:
    try:
        noise = Ratio(**{key: float(value) for key, value in one["noise"].items()})
        if not 0 < noise.low <= noise.high < math.inf:
            raise ValueError("a noise that is no interval")
        samples = one["samples_ns"]
        runs = [run for process in samples for block in process for run in block]
        if not runs or not all(is_count(run) and run > 0 for run in runs):
            raise ValueError("a time that is no positive whole number, or none")
        if not all(isinstance(block, list) and block for process in samples for block in process):
            raise ValueError("an empty block")
        return Stored(samples, noise)
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise UsageError(f"the stored latency cannot be read: {error}", where=where) from error
