"""A Markdown summary, as GitHub shows it for a step of a workflow."""

from __future__ import annotations

from compressor.gate.finding import Finding, Status
from compressor.gate.report import GateReport
from compressor.markdown_text import literal

SIGNS: dict[Status, str] = {"pass": "✅", "fail": "❌", "inconclusive": "❔", "environment": "⚠️"}
_TITLES: dict[Status, str] = {
    "pass": "The candidate passes",
    "fail": "The candidate fails",
    "inconclusive": "Not decided: the measurement cannot tell",
    "environment": "Not decided: something could not be carried out here",
}


def markdown(report: GateReport) -> str:
    """Headline, table, warnings and how it was measured. Names and messages are shown as they are, never as markup."""
    counts = ", ".join(f"{count} {status}" for status, count in report.counts().items() if count)
    rows = [_row(finding) for finding in report.findings]
    machine = report.environment
    parts = [
        f"## {SIGNS[report.status]} {_TITLES[report.status]}",
        f"Candidate {literal(report.candidate)} against {literal(report.baseline)}, "
        f"policy {literal(report.policy)}: {counts or 'nothing was checked'}.",
        "\n".join(["| | check | rule | measured | limit |", "|---|---|---|---|---|", *rows]),
        "\n".join(f"- {literal(warning)}" for warning in report.warnings),
        f"{literal(str(machine.get('cpu_model', '')))}, {literal(str(machine.get('os', '')))}; "
        f"{report.seconds:.1f} s; exit code {report.exit_code}",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _row(finding: Finding) -> str:
    limit = "" if finding.limit is None else f"{finding.limit:g}"
    cells = (literal(finding.check), literal(finding.rule), literal(finding.reason), literal(limit))
    return f"| {SIGNS[finding.status]} | {' | '.join(cells)} |"
