"""Models, policies and reports for the tests of the gate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import helper

from compressor.backends.decision import QUIET_CONFIDENCE
from compressor.backends.load import Conditions
from compressor.gate import latency_rounds
from compressor.gate.facts import Facts
from compressor.gate.finding import Finding
from compressor.gate.policy import parse_policy
from compressor.gate.report import GateReport
from compressor.gate.run import run_gate
from tests.backends.small_models import chain

METRIC = """
import numpy as np, onnx

def nodes(path):
    return len(onnx.load(path).graph.node)

def share(path):
    return 1 - nodes(path) / 100

def minus_share(path):
    return -share(path)

def by_sample(path):
    return np.arange(100) % 7 == 0

def worse_by_nodes(path):
    rng = np.random.default_rng(0)
    return rng.random(400) - 0.01 * len(onnx.load(path).graph.node)

def text(path):
    return "good"

def table(path):
    return np.ones((2, 2))

def nothing(path):
    return []

def nan(path):
    return float("nan")

def raises(path):
    raise RuntimeError("no data")

def all_right(path):
    return np.ones(20)

def few(path):
    return np.linspace(0.1, 0.9, 12)

def varying(path):
    return np.ones(len(onnx.load(path).graph.node))
"""


def never_starved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decide as on a quiet machine."""
    monkeypatch.setattr(Conditions, "disturbances", lambda conditions: [])
    monkeypatch.setattr(latency_rounds, "confidence_for", lambda kinds, waited_share: QUIET_CONFIDENCE)


def saved_chain(path: Path, length: int = 4, width: int = 16) -> Path:
    onnx.save(chain(length, width), str(path))
    return path


def edited(path: Path, source: Path, edit: Any) -> Path:
    """A copy of a model file after ``edit(proto)``."""
    proto = onnx.load(str(source))
    edit(proto)
    onnx.save(proto, str(path))
    return path


def rename_input(proto: onnx.ModelProto) -> None:
    proto.graph.input[0].name = proto.graph.node[0].input[0] = "z"


def add_op(op: str, domain: str = "") -> Any:
    """Put one op at the end, before the output."""

    def edit(proto: onnx.ModelProto) -> None:
        last, name = proto.graph.node[-1], proto.graph.output[0].name
        last.output[0] = "before_last"
        proto.graph.node.append(helper.make_node(op, ["before_last"], [name], "added", domain=domain))

    return edit


def gated(baseline: Path, candidate: Path, folder: Path | None = None, **checks: Any) -> GateReport:
    return run_gate(baseline, candidate, parse_policy(checks, folder=folder))


def statuses(report: GateReport) -> dict[str, str]:
    """Status by "check rule"."""
    return {f"{finding.check} {finding.rule}": finding.status for finding in report.findings}


def report_of(*findings: Finding, candidate: str = "b.onnx", baseline: str = "a.onnx") -> GateReport:
    """A report without running anything."""
    facts = Facts(1000, 250, {"": 17}, {"Conv": 1}, "sha256:0")
    return GateReport(
        baseline, candidate, facts, None, "gate.yaml", {}, list(findings), {"cpu_model": "a CPU", "os": "Linux"}, 1.5
    )
