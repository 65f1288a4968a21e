"""The gate: every finding with its limit."""

from __future__ import annotations

from pathlib import PurePath

from compressor.report.blocks import Items, Section, Table
from compressor.report.figures import verdict_cell
from compressor.report.results import Results
from compressor.report.section import section


@section("gate", 20)
def decision(results: Results) -> Section | None:
    """A table for each gate."""
    found = Section("Gate", card=True)
    for gate in results.gates:
        rows = [
            (one.check, one.rule, one.reason, "" if one.limit is None else f"{one.limit:g}", verdict_cell(one.status))
            for one in gate.findings
        ]
        names = [PurePath(one.name).name for one in (gate.candidate, gate.baseline, gate.policy)]
        said = f"{gate.status}: {names[0]} against {names[1]}, policy {names[2]}."
        found.blocks += [Items([said]), Table(("check", "rule", "measured", "limit", "verdict"), list(rows), left=3)]
    return found
