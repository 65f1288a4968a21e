"""What a gate answers: every finding, what they come to, and what a later gate needs of this candidate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from compressor.gate.facts import Facts
from compressor.gate.finding import EXIT_CODES, Finding, Status, gravest

VERSION = 1  # of the JSON


@dataclass(frozen=True)
class GateReport:
    """The answer of ``run_gate``.

    Attributes:
        baseline, candidate: how the two sides are called.
        facts: of the candidate.
        baseline_facts: of the baseline, None where they are not known.
        policy: name of the policy.
        demands: what it demands, defaults included.
        findings: in the order of the policy.
        environment: the machine and the libraries.
        seconds: that all of it took.
    """

    baseline: str
    candidate: str
    facts: Facts
    baseline_facts: Facts | None
    policy: str
    demands: dict[str, Any]
    findings: list[Finding]
    environment: dict[str, Any]
    seconds: float

    @property
    def status(self) -> Status:
        """A certain failure first, then what could not be carried out, then what cannot be known."""
        return gravest(self.findings)

    @property
    def exit_code(self) -> int:
        """0 pass, 1 fail, 3 environment, 4 inconclusive."""
        return EXIT_CODES[self.status]

    @property
    def warnings(self) -> list[str]:
        """Of all checks, each once."""
        return list(dict.fromkeys(text for finding in self.findings for text in finding.details.get("warnings", [])))

    def counts(self) -> dict[str, int]:
        """How many findings there are of each status."""
        return {status: sum(finding.status == status for finding in self.findings) for status in EXIT_CODES}

    def to_json(self, *, samples: bool = True) -> dict[str, Any]:
        """Everything as JSON-ready values; ``samples=False`` leaves raw times out, and with them what is kept."""
        findings = [finding.to_json() for finding in self.findings]
        measurements: dict[str, list[dict[str, Any]]] = {}
        for finding in self.findings:
            if finding.keep is not None and finding.keep not in measurements.setdefault(finding.check, []):
                measurements[finding.check].append(finding.keep)
        candidate = {"name": self.candidate, "facts": self.facts.to_json()}
        before = None if self.baseline_facts is None else self.baseline_facts.to_json()
        return {
            "kind": "gate",
            "version": VERSION,
            "status": self.status,
            "exit_code": self.exit_code,
            "baseline": {"name": self.baseline, "facts": before},
            "candidate": {**candidate, "measurements": measurements} if samples else candidate,
            "policy": {"name": self.policy, "checks": self.demands},
            "findings": findings if samples else [_without_samples(finding) for finding in findings],
            "environment": self.environment,
            "seconds": round(self.seconds, 3),
        }


def _without_samples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_samples(one) for key, one in value.items() if key != "samples_ns"}
    return [_without_samples(one) for one in value] if isinstance(value, list) else value
