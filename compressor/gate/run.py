"""``run_gate``: carries out every check of a policy."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from compressor.backends.fingerprint import fingerprint
from compressor.errors import EXIT_ENVIRONMENT, EXIT_USAGE, CompressorError
from compressor.gate.check import CHECKS
from compressor.gate.finding import Finding, Status
from compressor.gate.pair import Candidate, Pair, StoredBaseline
from compressor.gate.policy import Policy
from compressor.gate.report import GateReport
from compressor.gate.stored import baseline_of
from compressor.settings import Part
from compressor.targets import PathLike

Progress: TypeAlias = Callable[[str, int, int], None]


def run_gate(
    baseline: PathLike, candidate: PathLike, policy: Policy, *, seed: int = 0, progress: Progress | None = None
) -> GateReport:
    """Hold a candidate against a baseline.

    Args:
        baseline: a model file, or the stored result of an earlier gate or benchmark (.json).
        candidate: a model file.
        policy: what is demanded.
        seed: of everything random.
        progress: called with (name of a check, checks done, checks).

    Raises:
        UsageError: the policy asks for what the baseline cannot give, names functions that are not there, and the like.
        ModelFileError: one of the files is no sound ONNX file.
        EnvironmentProblem: the system does not let us read one of them.
    """
    start = time.monotonic()
    pair = Pair(baseline_of(Path(baseline)), Candidate(Path(candidate)), policy.folder, seed)
    facts, before = pair.candidate.facts, _facts(pair.baseline)
    findings: list[Finding] = []
    for number, (name, settings) in enumerate(policy.checks.items()):
        if progress is not None:
            progress(name, number, len(policy.checks))
        findings += _carried_out(name, settings, pair)
    return GateReport(
        baseline=pair.baseline.name,
        candidate=pair.candidate.name,
        facts=facts,
        baseline_facts=before,
        policy=policy.name,
        demands=policy.to_json(),
        findings=findings,
        environment=fingerprint().to_json(),
        seconds=time.monotonic() - start,
    )


def _facts(baseline: Candidate | StoredBaseline) -> Any:
    return baseline.facts if isinstance(baseline, Candidate) else baseline.stored_facts


def _carried_out(name: str, settings: Part, pair: Pair) -> list[Finding]:
    """What a check found before it ended, and how it ended if not well."""
    found: list[Finding] = []
    try:
        found.extend(CHECKS.get(name).function(settings, pair))
    except CompressorError as error:
        if error.exit_code == EXIT_USAGE:
            raise
        status: Status = "environment" if error.exit_code == EXIT_ENVIRONMENT else "fail"
        found.append(Finding(name, "carried out", status, error.one_line()))
    return found
