"""A Markdown summary, as GitHub shows it for a step of a workflow."""

from __future__ import annotations

import html
import re

from compressor.gate.finding import Finding, Status
from compressor.gate.report import GateReport
from compressor.plain_text import plain

SIGNS: dict[Status, str] = {"pass": "✅", "fail": "❌", "inconclusive": "❔", "environment": "⚠️"}
_TITLES: dict[Status, str] = {
    "pass": "The candidate passes",
    "fail": "The candidate fails",
    "inconclusive": "Not decided: the measurement cannot tell",
    "environment": "Not decided: something could not be carried out here",
}
_MARKUP = "\\`*_{}[]!|~:@$^"


def markdown(report: GateReport) -> str:
    """Headline, table, warnings and how it was measured. Names and messages are shown as they are, never as markup."""
    counts = ", ".join(f"{count} {status}" for status, count in report.counts().items() if count)
    rows = [_row(finding) for finding in report.findings]
    machine = report.environment
    parts = [
        f"## {SIGNS[report.status]} {_TITLES[report.status]}",
        f"Candidate {_literal(report.candidate)} against {_literal(report.baseline)}, "
        f"policy {_literal(report.policy)}: {counts or 'nothing was checked'}.",
        "\n".join(["| | check | rule | measured | limit |", "|---|---|---|---|---|", *rows]),
        "\n".join(f"- {_literal(warning)}" for warning in report.warnings),
        f"{_literal(str(machine.get('cpu_model', '')))}, {_literal(str(machine.get('os', '')))}; "
        f"{report.seconds:.1f} s; exit code {report.exit_code}",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _row(finding: Finding) -> str:
    limit = "" if finding.limit is None else f"{finding.limit:g}"
    cells = (_literal(finding.check), _literal(finding.rule), _literal(finding.reason), _literal(limit))
    return f"| {SIGNS[finding.status]} | {' | '.join(cells)} |"


def _literal(text: str) -> str:
    """Text that neither Markdown nor HTML takes for markup."""
    shown = html.escape("".join(f"\\{c}" if c in _MARKUP else c for c in plain(text)), quote=False)
    return re.sub(r"^(\s*)([-+=#]|\d+(?=[.)](?:\s|$)))", _no_block, shown)


def _no_block(start: re.Match[str]) -> str:
    """The first characters of a text that would begin a list or a heading."""
    mark = start[2]
    return f"{start[1]}{mark}\\" if mark.isdigit() else f"{start[1]}\\{mark}"
