"""What holds for every check there is; a new one must come with a policy that passes and one that fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from compressor.gate.check import CHECKS
from compressor.gate.policy import parse_policy, policy_schema
from tests.gate.small import METRIC, add_op, edited, gated, saved_chain

pytestmark = pytest.mark.usefixtures("steady")

QUICK = {"backend": "null", "processes": 2, "seconds": 0.01}

# By check: a policy that a model keeps against itself, and one that a model with one op more breaks.
EXAMPLES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "drift": ({"max_abs": 0.0}, {"max_relative": 1e-9}),
    "latency": ({"max_ratio": 1.05, **QUICK}, {"max_ratio": 1.01, **QUICK}),
    "memory": ({"max_ratio": 3.0, "of": "process", "processes": 2}, {"max_bytes": 1}),
    "metric": (
        {"function": "metric.py:nodes", "max_loss": 0},
        {"function": "metric.py:nodes", "max_loss": 0, "higher_is_better": False},
    ),
    "ops": ({"allowed": ["MatMul", "Relu"]}, {"only_those_of_baseline": True}),
    "opset": ({"min": 18, "max": 18}, {"max": 17}),
    "params": ({"max_ratio": 1.0}, {"max_count": 3}),
    "runtime": ({"backends": ["onnxruntime-cpu", "null"]}, {"backends": "onnxruntime-cpu", "dims": {"N": 2}}),
    "size": ({"max_ratio": 1.0}, {"max_ratio": 1.0}),
}  # fmt: skip


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "metric.py").write_text(METRIC)
    return saved_chain(tmp_path / "a.onnx")


def test_every_check_has_its_examples() -> None:
    assert sorted(EXAMPLES) == CHECKS.names()


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_a_model_passes_against_itself(name: str, model: Path) -> None:
    report = gated(model, model, model.parent, **{name: EXAMPLES[name][0]})
    assert report.findings
    assert (report.status, report.exit_code) == ("pass", 0)
    for finding in report.findings:
        assert finding.check == name
        assert finding.reason
        assert "\n" not in finding.reason
    json.dumps(report.to_json(), allow_nan=False)
    json.dumps(report.to_json(samples=False), allow_nan=False)


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_a_worse_model_fails(name: str, model: Path) -> None:
    edit = add_op("Reciprocal" if name == "runtime" else "Sin")  # 1 / relu(...) is infinite somewhere
    worse = edited(model.parent / "b.onnx", model, edit)
    report = gated(model, worse, model.parent, **{name: EXAMPLES[name][1]})
    assert (report.status, report.exit_code) == ("fail", 1)


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_settings_are_in_the_schema_with_their_limits(name: str) -> None:
    schema = policy_schema()
    entry = schema["properties"][name]
    assert entry["description"]
    definition = schema["$defs"][CHECKS.get(name).settings.__name__]
    assert definition["additionalProperties"] is False
    assert set(definition["properties"]) == set(CHECKS.get(name).settings.model_fields)


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_policies_print_and_parse_again(name: str) -> None:
    first = parse_policy({name: EXAMPLES[name][0]})
    assert parse_policy(first.to_json()).checks == first.checks
