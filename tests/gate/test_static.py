"""Checks that read the files, and whether the candidate runs at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from compressor.backends.null import NullBackend, NullSession
from compressor.errors import EnvironmentProblem, MachineError, ModelFileError, UsageError
from compressor.gate import facts
from compressor.gate.facts import facts_of
from compressor.gate.limits import ratio_at_most
from compressor.gate.policy import parse_policy
from compressor.gate.run import run_gate
from tests.backends.small_models import model, value
from tests.gate.small import add_op, edited, gated, rename_input, saved_chain, statuses


@pytest.fixture
def chain_file(tmp_path: Path) -> Path:
    return saved_chain(tmp_path / "a.onnx", 2)


def with_body(path: Path) -> Path:
    """An If whose branches hold ops, a constant and a weight; a function; another domain."""
    weight = numpy_helper.from_array(np.ones((3, 5), np.float32), "inner")
    constant = helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(np.ones(7, np.float32)))
    branches = [
        helper.make_graph([constant, helper.make_node("Neg", ["c"], ["o"])], "then", [], [value("o", [7])]),
        helper.make_graph([helper.make_node("Abs", ["inner"], ["o"])], "else", [], [value("o", [3, 5])], [weight]),
    ]
    node = helper.make_node("If", ["x"], ["y"], then_branch=branches[0], else_branch=branches[1])
    other = helper.make_node("Gelu", ["y"], ["z"], domain="com.microsoft")
    proto = model([node, other], [value("x", [], onnx.TensorProto.BOOL)], [value("z", None)])  # type: ignore[arg-type]
    proto.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.save(proto, str(path))
    return path


def test_a_ratio_of_just_the_limit_is_kept() -> None:
    """0.57 * 100 is a little less than 57."""
    assert ratio_at_most("size", "max_ratio", 100, 57, 0.57).status == "pass"
    assert ratio_at_most("size", "max_ratio", 100, 58, 0.57).status == "fail"
    assert ratio_at_most("size", "max_ratio", 0, 0, 0.57).status == "pass"
    assert ratio_at_most("size", "max_ratio", 0, 1, 0.57).status == "fail"


def test_facts_look_into_bodies_and_other_domains(tmp_path: Path) -> None:
    found = facts_of(with_body(tmp_path / "a.onnx"))
    assert found.ops == {"Abs": 1, "Constant": 1, "If": 1, "Neg": 1, "com.microsoft::Gelu": 1}
    assert found.params == 15 + 7
    assert found.opsets == {"": 18, "com.microsoft": 1}


def test_calls_of_the_models_own_functions_are_no_ops(chain_file: Path, tmp_path: Path) -> None:
    def as_function(proto: onnx.ModelProto) -> None:
        body = [helper.make_node("Relu", ["a"], ["b"])]
        proto.functions.append(helper.make_function("own", "Act", ["a"], ["b"], body, list(proto.opset_import)))
        proto.opset_import.append(helper.make_opsetid("own", 1))
        for node in proto.graph.node:
            if node.op_type == "Relu":
                node.op_type, node.domain = "Act", "own"

    same = edited(tmp_path / "b.onnx", chain_file, as_function)
    assert facts_of(same).ops == {"MatMul": 2, "Relu": 1}
    assert gated(chain_file, same, ops={"only_those_of_baseline": True}).status == "pass"


def test_facts_count_weights_and_files_beside_the_model(tmp_path: Path, chain_file: Path) -> None:
    found = facts_of(chain_file)
    assert found.params == 2 * 16 * 16
    assert found.size_bytes == chain_file.stat().st_size
    onnx.save_model(
        onnx.load(str(chain_file)), str(tmp_path / "b.onnx"), save_as_external_data=True, size_threshold=0, location="w"
    )
    both = (tmp_path / "b.onnx").stat().st_size + (tmp_path / "w").stat().st_size
    assert facts_of(tmp_path / "b.onnx").size_bytes == both


def test_limits_hold_exactly(chain_file: Path, tmp_path: Path) -> None:
    longer, size = saved_chain(tmp_path / "b.onnx", 3), chain_file.stat().st_size
    report = gated(chain_file, chain_file, size={"max_bytes": size}, params={"max_count": 512, "max_ratio": 1})
    assert set(statuses(report).values()) == {"pass"}
    report = gated(chain_file, longer, size={"max_bytes": size}, params={"max_count": 767, "max_ratio": 1.5})
    assert statuses(report) == {"size max_bytes": "fail", "params max_count": "fail", "params max_ratio": "pass"}
    assert report.findings[2].value == 1.5
    assert (report.findings[2].baseline, report.findings[2].candidate) == (512, 768)


def test_a_baseline_without_parameters_allows_none(tmp_path: Path, chain_file: Path) -> None:
    bare = tmp_path / "bare.onnx"
    onnx.save(model([helper.make_node("Relu", ["x"], ["y"])], [value("x", [1])], [value("y", [1])]), str(bare))
    assert gated(bare, bare, params={"max_ratio": 1}).status == "pass"
    report = gated(bare, chain_file, params={"max_ratio": 100})
    assert report.status == "fail"
    assert report.to_json()["findings"][0]["value"] is None  # infinite


def test_ops(tmp_path: Path, chain_file: Path) -> None:
    body = with_body(tmp_path / "body.onnx")
    report = gated(
        chain_file, body,
        ops={
            "allowed": ["If", "Abs", "Neg", "ai.onnx::Constant"], "forbidden": "com.microsoft::Gelu",
            "only_those_of_baseline": True,
        },
    )  # fmt: skip
    assert set(statuses(report).values()) == {"fail"}
    assert [finding.details["ops"] for finding in report.findings[:2]] == [["com.microsoft::Gelu"]] * 2
    assert "1 Abs" in report.findings[2].reason
    assert gated(body, body, ops={"forbidden": ["Loop"]}).status == "pass"


def test_many_wrong_ops_are_named_in_part(tmp_path: Path, chain_file: Path) -> None:
    def edit(proto: onnx.ModelProto) -> None:
        for op in ("Abs", "Acos", "Asin", "Atan", "Ceil", "Cos", "Elu", "Erf", "Exp", "Floor", "Neg", "Sin"):
            add_op(op)(proto)
            proto.graph.node[-1].input[0] = proto.graph.node[-2].output[0] = f"{op}_in"

    report = gated(chain_file, edited(tmp_path / "b.onnx", chain_file, edit), ops={"only_those_of_baseline": True})
    assert "and 2 more kinds" in report.findings[0].reason


def test_opset_of_a_domain(tmp_path: Path, chain_file: Path) -> None:
    body = with_body(tmp_path / "body.onnx")
    assert gated(body, body, opset={"domain": "com.microsoft", "max": 1}).status == "pass"
    assert gated(body, body, opset={"domain": "com.microsoft", "min": 2}).status == "fail"
    absent = gated(chain_file, chain_file, opset={"domain": "com.microsoft", "min": 2})
    assert "uses no operators of com.microsoft" in absent.findings[0].reason
    assert statuses(gated(body, body, opset={"min": 19, "max": 20})) == {"opset min": "fail", "opset max": "pass"}


def test_a_runtime_that_refuses_the_candidate_is_a_failure(tmp_path: Path, chain_file: Path) -> None:
    foreign = edited(tmp_path / "b.onnx", chain_file, add_op("NoSuchOp", "my.domain"))
    onnx_model = onnx.load(str(foreign))
    onnx_model.opset_import.append(helper.make_opsetid("my.domain", 1))
    onnx.save(onnx_model, str(foreign))
    report = gated(chain_file, foreign, runtime={"backends": ["onnxruntime-cpu"]}, size={"max_ratio": 2})
    assert statuses(report) == {"runtime onnxruntime-cpu": "fail", "size max_ratio": "pass"}
    assert "onnxruntime-cpu refuses the candidate" in report.findings[0].reason
    checks: dict[str, Any] = {"drift": {"max_abs": 1}, "latency": {"max_ratio": 1}, "memory": {"max_ratio": 1}}
    for name, settings in checks.items():
        assert gated(chain_file, foreign, None, **{name: settings}).status == "fail"
        # As the baseline it is a problem of the place where the gate runs.
        assert gated(foreign, chain_file, None, **{name: settings}).status == "environment"


def test_another_interface_is_a_failure(tmp_path: Path, chain_file: Path) -> None:
    renamed = edited(tmp_path / "b.onnx", chain_file, rename_input)
    report = gated(chain_file, renamed, drift={"max_abs": 1})
    assert report.status == "fail"
    assert "missing ['z'], unknown ['x']" in report.findings[0].reason


def test_a_runtime_that_is_not_there_is_the_environment(chain_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from compressor.backends.base import Availability

    gone = Availability(False, None, "none", reason="null is not installed", install="pip install null")
    monkeypatch.setattr(NullBackend, "probe", lambda self: gone)
    report = gated(chain_file, chain_file, runtime={"backends": "null"}, size={"max_ratio": 1})
    assert (report.status, report.exit_code) == ("environment", 3)
    assert "Run: pip install null" in report.findings[0].reason
    assert statuses(report)["size max_ratio"] == "pass"
    # A certain failure outweighs it.
    worse = gated(chain_file, chain_file, runtime={"backends": "null"}, params={"max_count": 1})
    assert worse.exit_code == 1


@pytest.mark.parametrize("where", [(NullBackend, "open"), (NullSession, "run")])
def test_what_the_machine_cannot_do_is_not_the_candidates_fault(
    where: tuple[type, str], chain_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raising(*given: object, **options: object) -> Any:
        raise MachineError("asked for 8 threads, this machine has 2 CPUs", fix="Ask for at most 2.")

    monkeypatch.setattr(*where, raising)
    for name in ("latency", "memory"):
        report = gated(chain_file, chain_file, None, **{name: {"max_ratio": 1, "backend": "null"}})
        assert (report.status, report.exit_code) == ("environment", 3)
        assert "Ask for at most 2." in report.findings[0].reason
    report = gated(chain_file, chain_file, runtime={"backends": ["null", "onnxruntime-cpu"]})
    assert statuses(report) == {"runtime null": "environment", "runtime onnxruntime-cpu": "pass"}
    assert "Ask for at most 2." in report.findings[0].reason


def test_sizes_that_a_model_does_not_have_are_wrong_use(chain_file: Path) -> None:
    with pytest.raises(UsageError, match="Dynamic dimensions"):
        gated(chain_file, chain_file, runtime={"backends": "onnxruntime-cpu", "dims": {"length": 3}})


def test_files_that_cannot_be_read(chain_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = parse_policy({"size": {"max_ratio": 1}})
    with pytest.raises(ModelFileError, match="no such file"):
        run_gate(tmp_path / "none.onnx", chain_file, policy)
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(ModelFileError, match="not an ONNX file"):
        run_gate(chain_file, tmp_path / "text.onnx", policy)

    def denied(path: Path) -> object:
        cause = PermissionError(13, "Permission denied")
        raise ModelFileError("cannot be read: Permission denied", where=str(path)) from cause

    monkeypatch.setattr(facts, "read", denied)
    with pytest.raises(EnvironmentProblem, match="Permission denied") as caught:
        run_gate(chain_file, chain_file, policy)
    assert caught.value.exit_code == 3
