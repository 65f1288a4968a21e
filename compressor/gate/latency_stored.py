"""Times of a model that is the baseline of a later gate: kept, found again, and refused where they prove nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from compressor.backends.comparison import Comparison
from compressor.backends.load import Conditions
from compressor.backends.statistics import Ratio
from compressor.errors import UsageError
from compressor.gate.facts import is_count
from compressor.gate.latency_rounds import Stored
from compressor.gate.same_machine import machine_now, require_same

_SETTINGS = ("backend", "threads", "mode", "inputs")


@dataclass(frozen=True)
class StoredLatency:
    """The baseline's times, and how they came about.

    Attributes:
        times: what the ratio is made of.
        conditions: what else happened on the machine then.
        drift: relative change of all run times over that run, None if none was certain.
        overloaded: whether it did not keep up with the pace.
        fingerprint: of machine and libraries, as JSON.
        where: the result's path, for messages.
    """

    times: Stored
    conditions: Conditions
    drift: float | None
    overloaded: bool
    fingerprint: Mapping[str, Any]
    where: str


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
        what = "the result has no raw times, or not in the form of this version"
        raise UsageError(what, fix="Write it with `compressor bench --output`.") from error


def _kept(found: Mapping[str, Any], label: str) -> dict[str, Any]:
    return {
        **{key: found[key] for key in (*_SETTINGS, "noise", "conditions", "drift", "fingerprint")},
        "overloaded": label in found["overloaded"],
        "samples_ns": found["samples_ns"][label],
    }


def stored_times(kept: Sequence[Mapping[str, Any]], wanted: Mapping[str, Any], where: str) -> StoredLatency:
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
            _require_here(one.get("fingerprint"), wanted["backend"], where)
            return _stored(one, where)
    shown = ", ".join(f"{key} {wanted[key]}" for key in nearest or _SETTINGS)
    fix = "Store the baseline with the same policy, or give its file."
    raise UsageError(f"the stored latency was not measured with {shown}", where=where, fix=fix)


def _require_here(stored: Any, backend: str, where: str) -> None:
    """As far as it is known before anything is measured: the provider shows only then."""
    runtime = stored.get("runtime") if isinstance(stored, Mapping) else None
    provider = runtime.get("provider") if isinstance(runtime, Mapping) else None
    require_same(stored, machine_now(backend, provider), "latency", where)


def _stored(one: Mapping[str, Any], where: str) -> StoredLatency:
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
        drift = one["drift"]
        if drift is not None and not _is_number(drift):
            raise ValueError("a drift that is no number")
        if not isinstance(one["overloaded"], bool):
            raise ValueError("a mark that is neither true nor false")
        return StoredLatency(
            Stored(samples, noise), _conditions(one["conditions"]), drift, one["overloaded"], one["fingerprint"], where
        )
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        fix = "Write it anew with this version, or give the baseline's file."
        raise UsageError(f"the stored latency cannot be read: {error}"[:300], where=where, fix=fix) from error


def _conditions(found: Any) -> Conditions:
    conditions = Conditions(**found)
    if not all(_is_number(value) and value >= 0 for value in asdict(conditions).values()):
        raise ValueError("conditions that are no seconds")
    return conditions


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e30
