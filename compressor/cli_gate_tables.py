"""Tables of ``compressor gate``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from compressor.cli_tables import line

if TYPE_CHECKING:
    from rich.console import RenderableType

    from compressor.gate.finding import Status
    from compressor.gate.report import GateReport

_STYLES: dict[Status, str] = {"pass": "green", "fail": "red", "inconclusive": "yellow", "environment": "magenta"}
_WORDS: dict[Status, str] = {
    "pass": "pass: every demand is met",
    "fail": "fail",
    "inconclusive": "inconclusive: it cannot be known from this measurement",
    "environment": "not decided: something could not be carried out here",
}


def gate_tables(report: GateReport) -> list[RenderableType]:
    """A row for each finding, and the verdict."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("check", "rule", "verdict", "why"):
        table.add_column(column, overflow="fold")
    for finding in report.findings:
        verdict = line(finding.status, _STYLES[finding.status])
        table.add_row(line(finding.check), line(finding.rule), verdict, line(finding.reason))
    setup = f"{report.candidate} against {report.baseline}, policy {report.policy}; {report.seconds:.1f} s"
    return [table, line(setup), line(_WORDS[report.status], f"bold {_STYLES[report.status]}")]
