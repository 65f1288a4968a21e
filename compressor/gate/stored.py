"""Baselines from results: what ``compressor gate --output`` and ``compressor bench --output`` wrote."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from compressor.backends.comparison import VERSION as COMPARISON_VERSION
from compressor.errors import UsageError
from compressor.gate.facts import Facts, is_count
from compressor.gate.latency_stored import kept_of_bench
from compressor.gate.pair import Candidate, StoredBaseline
from compressor.gate.report import VERSION
from compressor.result_file import read_result

_FIX = "Give an .onnx file, or a result."


def baseline_of(path: Path) -> Candidate | StoredBaseline:
    """A model file, or a result where the name ends in .json.

    Raises:
        UsageError: a result that is none of ours, or of another version.
        EnvironmentProblem: the system does not let us read it.
    """
    if path.suffix.lower() != ".json":
        return Candidate(path)
    found = read_result(path, _FIX)
    kind, version = found.get("kind"), found.get("version")
    known = {"gate": VERSION, "comparison": COMPARISON_VERSION}
    if not isinstance(kind, str) or kind not in known or version != known[kind]:
        raise UsageError(
            f"is no result of a gate or a benchmark that this version reads (kind {kind!r}, version {version!r})"[:300],
            where=str(path), fix="Write it anew with `compressor gate --output` or `compressor bench --output`.",
        )  # fmt: skip
    if kind == "comparison":
        return StoredBaseline(path, None, {"latency": [kept_of_bench(found)]})
    return _from_gate(found, path)


def _from_gate(found: Mapping[str, Any], path: Path) -> StoredBaseline:
    try:
        facts = Facts(**found["candidate"]["facts"])
        measurements = found["candidate"]["measurements"]
    except (KeyError, TypeError) as error:
        raise UsageError("the result does not describe its candidate", where=str(path)) from error
    tables: tuple[Any, ...] = (facts.ops, facts.opsets)
    numbers = [facts.size_bytes, facts.params]
    lists = isinstance(measurements, dict) and all(
        isinstance(kept, list) and all(isinstance(one, dict) for one in kept) for kept in measurements.values()
    )
    counts = [*numbers, *(count for table in tables if isinstance(table, dict) for count in table.values())]
    if not (lists and all(map(is_count, counts)) and all(isinstance(table, dict) for table in tables)):
        raise UsageError("the result describes its candidate in another form", where=str(path))
    return StoredBaseline(path, facts, measurements)
