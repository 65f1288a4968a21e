"""Where and with what: hardware, versions, seeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from compressor.report.blocks import Section, Table
from compressor.report.results import Results
from compressor.report.section import section
from compressor.units import size

_NAMES = {
    "cpu_model": "CPU", "cpus": "CPUs", "affinity": "CPUs for this process", "cgroup_cpus": "CPUs of the container",
    "memory_bytes": "memory", "os": "system", "python": "Python", "seed": "seed",
}  # fmt: skip
_BYTES = "memory_bytes"
_INNER = ("libraries", "runtime")


@section("environment", 100)
def environment(results: Results) -> Section | None:
    """Every fact once; facts that differ between results all stand."""
    facts: dict[str, list[str]] = {}
    for found in _environments(results):
        for name, value in _flat(found):
            if value not in facts.setdefault(name, []):
                facts[name].append(value)
    rows = [(name, "; ".join(values)) for name, values in facts.items()]
    return Section("Environment", [Table(("what", "is"), list(rows), left=2)], card=True) if rows else None


def _environments(results: Results) -> Iterator[Mapping[str, Any]]:
    for run in results.runs:
        yield {**run.hardware, "seed": run.seed, "libraries": {"compressor": run.compressor, **run.libraries}}
    yield from (one.environment for one in results.every_compression())
    yield from ({**times.fingerprint, "seed": times.seed} for times in results.comparisons)
    yield from (gate.environment for gate in results.gates)


def _flat(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, name in _NAMES.items():
        value = found.get(key)
        if isinstance(value, str | int | float):
            sized = key == _BYTES and isinstance(value, int) and 0 <= value < 1 << 63
            yield name, size(int(value)) if sized else str(value)
    for key in _INNER:
        inner = found.get(key)
        for name, value in inner.items() if isinstance(inner, dict) else ():
            if isinstance(value, str | int | float):
                yield _NAMES.get(str(name), str(name)), str(value)
