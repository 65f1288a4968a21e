"""Policies: what is refused and how it is said, and the published schema."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from compressor.errors import CompressorError, UsageError
from compressor.gate.policy import parse_policy, policy_schema, read_policy
from tests.house.source_tree import ROOT

SCHEMA = ROOT / "docs" / "gate-policy.schema.json"
LATENCY = {"max_ratio": 1.05}
# Each line is a list of ten of the line before: a billion values in the end.
BOMB = "a: &a [0]\n" + "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 10)}]\n" for a, b in pairwise("abcdefghij"))


def read(tmp_path: Path, text: str, name: str = "gate.yaml") -> Any:
    path = tmp_path / name
    path.write_text(text)
    return read_policy(path)


def test_a_policy_is_read_with_its_folder_and_order(tmp_path: Path) -> None:
    found = read(
        tmp_path, "version: 1\nsize: {max_ratio: 1}\nlatency:\n  max_ratio: 1.05\n  backend: onnxruntime-cpu\n"
    )
    assert list(found.checks) == ["size", "latency"]
    assert found.folder == tmp_path
    assert found.to_json()["latency"]["backend"] == ["onnxruntime-cpu"]
    assert read(tmp_path, json.dumps({"latency": LATENCY}), "gate.json").checks["latency"].max_ratio == 1.05


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ({"latncy": LATENCY}, "did you mean 'latency'?"),
        ({"latency": {"max_ration": 1.05}}, "did you mean 'max_ratio'?"),
        ({"latency": {}}, "max_ratio"),
        ({"latency": {"max_ratio": "fast"}}, "latency.max_ratio"),
        ({"latency": {"max_ratio": True}}, "a number is needed, not true or false"),
        ({"latency": {"max_ratio": -1}}, "latency.max_ratio"),
        ({"latency": {"max_ratio": 0}}, "latency.max_ratio"),
        ({"latency": {"max_ratio": float("nan")}}, "latency.max_ratio"),
        ({"latency": {"max_ratio": float("inf")}}, "latency.max_ratio"),
        ({"latency": {"max_ratio": 10**400}}, "latency.max_ratio"),
        ({"latency": {"max_ratio": "1e999"}}, "latency.max_ratio"),
        ({"latency": [1.05]}, "latency"),
        ({"latency": 1.05}, "latency"),
        ({"latency": None}, "checks nothing"),
        ({}, "checks nothing. Give one or more of drift, latency,"),
        ({"version": 1}, "checks nothing"),
        ({"version": 2, "latency": LATENCY}, "version"),
        ({1: 2}, "unknown key 1"),
        ({"latency": {**LATENCY, "threads": 10**30}}, "latency.threads"),
        ({"latency": {**LATENCY, "threads": 1.5}}, "latency.threads"),
        ({"latency": {**LATENCY, "seconds": 1e9}}, "latency.seconds"),
        ({"latency": {**LATENCY, "processes": 1}}, "latency.processes"),
        ({"latency": {**LATENCY, "backend": "onnxruntime-cpi"}}, "Did you mean 'onnxruntime-cpu'?"),
        ({"latency": {**LATENCY, "backend": []}}, "latency.backend"),
        ({"latency": {**LATENCY, "mode": "fast"}}, "latency.mode"),
        ({"latency": {**LATENCY, "mode": "paced"}}, "paced needs a rate"),
        ({"latency": {**LATENCY, "streams": 4}}, "latency has one stream"),
        ({"latency": {**LATENCY, "dims": {"n": 0}}}, "latency.dims.n"),
        ({"size": {}}, "give max_bytes, max_ratio or both"),
        ({"params": {"max_count": -5}}, "params.max_count"),
        ({"memory": {"of": "disk", "max_ratio": 1}}, "memory.of"),
        ({"opset": {}}, "give min, max or both"),
        ({"opset": {"min": 18, "max": 13}}, "min 18 is above max 13"),
        ({"ops": {}}, "give allowed, forbidden"),
        ({"ops": {"allowed": []}}, "ops.allowed"),
        ({"ops": {"allowed": [["Conv"]]}}, "ops.allowed"),
        ({"drift": {"samples": 4}}, "give one or more of max_abs"),
        ({"drift": {"min_cosine": 1.5}}, "drift.min_cosine"),
        ({"metric": {"function": "a.py:f"}}, "give max_loss, min_value"),
        ({"runtime": {"backends": {}}}, "runtime.backends"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(found: Any, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_policy(found, "gate.yaml")
    assert says in caught.value.one_line()
    assert caught.value.one_line().startswith("gate.yaml: ")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- size",
        "size",
        "size: {max_ratio: 1",
        "\x00",
        "size: !!python/object/apply:os.system [id]",
        "size: {max_ratio: 1}\nsize: {max_ratio: 9}",
        "a: &a [x]\nsize: {max_ratio: *a}",
        "a: &a {max_ratio: 1}\nb: &b [*a, *a]\nsize: *b",
        "&a size: *a",
        "size: &s\n  max_ratio: *s",
        "x: &x {y: *x}",
        "[" * 5000 + "]" * 5000,
        "size: {max_ratio: " + "9" * 6000 + "}",
        "size: {max_ratio: 2001-99-99}",
        "size: {max_ratio: .inf}",
        "size: {max_ratio: .nan}",
        "? [a]\n: b",
        "<<: {size: {max_ratio: 1}}",
BOMB,
        "#" * 300_000,
    ],
)  # fmt: skip
def test_malformed_files_are_one_line_and_never_pass(text: str, tmp_path: Path) -> None:
    with pytest.raises(CompressorError) as caught:
        read(tmp_path, text)
    assert caught.value.exit_code == 2
    assert "\n" not in caught.value.one_line()
    assert len(caught.value.one_line()) < 2000


def test_bytes_that_are_no_text_and_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "gate.yaml").write_bytes(b"\xff\xfe\x00size")
    for path in (tmp_path / "gate.yaml", tmp_path / "none.yaml", tmp_path):
        with pytest.raises(UsageError):
            read_policy(path)


def test_the_published_schema_is_current() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == json.dumps(policy_schema(), indent=1) + "\n", (
        "run: python -m compressor gate --schema > docs/gate-policy.schema.json"
    )


def test_the_policy_in_the_docs_is_one(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "gate.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert list(read(tmp_path, block).checks) == [
        "size", "params", "ops", "opset", "runtime", "drift", "metric", "latency", "memory",
    ]  # fmt: skip


def test_the_python_api_reads_and_carries_out(tmp_path: Path) -> None:
    import compressor
    from tests.gate.small import saved_chain

    (tmp_path / "gate.yaml").write_text("size: {max_ratio: 1}")
    model = saved_chain(tmp_path / "a.onnx")
    assert compressor.run_gate(model, model, compressor.read_policy(str(tmp_path / "gate.yaml"))).status == "pass"


def test_the_schema_tells_what_the_policy_refuses() -> None:
    schema = policy_schema()
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert schema["additionalProperties"] is False
    latency = schema["$defs"]["LatencySettings"]
    assert latency["required"] == ["max_ratio"]
    assert latency["properties"]["max_ratio"]["exclusiveMinimum"] == 0
    kinds = {option.get("type") for option in latency["properties"]["backend"]["anyOf"]}
    assert kinds == {"string", "array"}
