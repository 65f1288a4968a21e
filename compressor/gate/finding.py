"""What a check of the gate found: one row of every report."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from compressor.errors import EXIT_ENVIRONMENT, EXIT_FAILED, EXIT_INCONCLUSIVE

Status: TypeAlias = Literal["pass", "fail", "inconclusive", "environment"]

EXIT_CODES: dict[Status, int] = {
    "pass": 0, "fail": EXIT_FAILED, "environment": EXIT_ENVIRONMENT, "inconclusive": EXIT_INCONCLUSIVE,
}  # fmt: skip
# What is certain comes first: a candidate that fails one check is not saved by another that could not be carried out.
_GRAVEST: tuple[Status, ...] = ("fail", "environment", "inconclusive", "pass")


@dataclass(frozen=True)
class Finding:
    """One rule of the policy, and whether the candidate keeps it.

    Attributes:
        check: name of the check, as in the policy.
        rule: what was held against the limit: "max_ratio (onnxruntime-cpu, 1 thread)".
        status: "pass"; "fail"; "inconclusive": it cannot be known; "environment": it could not be found out here.
        reason: one sentence.
        unit: of the numbers: "bytes", "ms", "" for none.
        baseline, candidate: what was measured of each, None where there is nothing of the kind.
        value: what is held against ``limit``; for a ratio, that.
        limit: as in the policy, None where it is no number.
        low, high: interval of ``value``, None where it is exact.
        details: everything else, JSON-ready.
        keep: what a later gate needs to compare with this candidate, JSON-ready; None if nothing.
    """

    check: str
    rule: str
    status: Status
    reason: str
    unit: str = ""
    baseline: float | None = None
    candidate: float | None = None
    value: float | None = None
    limit: float | None = None
    low: float | None = None
    high: float | None = None
    details: dict[str, Any] = field(default_factory=dict)
    keep: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON-ready values, without ``keep``; what is not finite becomes None."""
        numbers = ("baseline", "candidate", "value", "limit", "low", "high")
        return {
            "check": self.check, "rule": self.rule, "status": self.status, "reason": self.reason, "unit": self.unit,
            **{name: _finite(getattr(self, name)) for name in numbers},
            "details": self.details,
        }  # fmt: skip


def gravest(findings: list[Finding]) -> Status:
    """What they come to together; no finding at all is a pass."""
    found = {finding.status for finding in findings}
    return next((status for status in _GRAVEST if status in found), "pass")


def _finite(value: float | None) -> float | None:
    return value if value is None or math.isfinite(value) else None
