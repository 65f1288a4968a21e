"""Numbers of the candidate for github-action-benchmark, tool "customSmallerIsBetter".

Source: github.com/benchmark-action/github-action-benchmark, README, "customBiggerIsBetter, customSmallerIsBetter".
"""

from __future__ import annotations

import json
import math
from typing import Any

from compressor.gate.finding import Finding
from compressor.gate.report import GateReport
from compressor.plain_text import plain

# Of these, less is better; of an opset or an agreement it is not.
_SMALLER_IS_BETTER = ("latency", "memory")
_DRIFT = ("max_abs", "max_relative")


def benchmark_json(report: GateReport) -> str:
    """A JSON list: size, parameters, latencies, memory and drift of the candidate."""
    facts = report.facts
    entries: list[dict[str, Any]] = [
        {"name": "size", "unit": "bytes", "value": facts.size_bytes},
        {"name": "parameters", "unit": "parameters", "value": facts.params},
    ]
    for finding in report.findings:
        counts = finding.check in _SMALLER_IS_BETTER or (finding.check == "drift" and finding.rule in _DRIFT)
        if counts and finding.candidate is not None and math.isfinite(finding.candidate):
            entries.append(_entry(finding))
    return json.dumps(entries, indent=1, allow_nan=False) + "\n"


def _entry(finding: Finding) -> dict[str, Any]:
    name = f"{finding.check}: {finding.rule.removeprefix('max_ratio ').strip('()')}"
    entry: dict[str, Any] = {"name": plain(name), "unit": finding.unit or "1", "value": finding.candidate}
    if finding.check == "latency" and None not in (finding.low, finding.high, finding.value) and finding.value:
        half = ((finding.high or 0) - (finding.low or 0)) / 2 / finding.value
        entry["range"] = f"± {half:.1%} of the ratio"
    return {**entry, "extra": plain(f"{finding.status}: {finding.reason}")}
