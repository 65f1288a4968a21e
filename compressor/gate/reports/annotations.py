"""GitHub annotations: workflow commands that mark what does not pass.

Source: docs.github.com, "Workflow commands for GitHub Actions"; the escapes are those of actions/toolkit, command.ts.
"""

from __future__ import annotations

from compressor.gate.finding import Status
from compressor.gate.report import GateReport

_LEVELS: dict[Status, str] = {"fail": "error", "environment": "error", "inconclusive": "warning"}


def github_annotations(report: GateReport) -> list[str]:
    """One line for each finding that does not pass."""
    lines = []
    for finding in report.findings:
        level = _LEVELS.get(finding.status)
        if level is not None:
            title = _property(f"gate: {finding.check}, {finding.rule}")
            message = _data(f"{finding.status}: {finding.reason}")
            lines.append(f"::{level} file={_property(report.candidate)},title={title}::{message}")
    return lines


def _data(text: str) -> str:
    """What would end the command or the line is written in the way the runner undoes."""
    visible = "".join(c if c.isprintable() or c in "\r\n" else c.encode("unicode_escape").decode("ascii") for c in text)
    return visible.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
