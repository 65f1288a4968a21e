"""Results with hostile names, of every kind that reports show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

EVIL = '"><img src=x onerror=alert(1)></script><script>alert(2)</script>{{7*7}}|`*_\x1b[31m\u202e\nnew line</title>'
LONG = "w" * 5000
Rename = Callable[[str], str]


def evil(name: str) -> str:
    """A name that tries everything, and is too long."""
    return f"{name}{EVIL}{LONG}"


def same(name: str) -> str:
    """A harmless name."""
    return name


def counts(share: float) -> dict[str, int]:
    """Sizes of a model."""
    return {name: int(share * 100_000) for name in ("params", "macs", "channels", "size_bytes")}


def compression(rename: Rename = same, share: float = 0.5, *, latency: bool = True) -> dict[str, Any]:
    """What ``compress --json`` prints."""
    ratio = 0.3 + share / 2
    found = {
        "goal_ratio": ratio, "ratio": ratio, "predicted_ratio": ratio, "measured": True,
        "interval": [ratio - 0.01, ratio + 0.02], "noise_floor": 0.01, "original_ms": 2.0, "candidate_ms": 2.0 * ratio,
        "rounds": [{"budget_ratio": ratio, "predicted_ratio": ratio, "measured_ratio": ratio}],
    }  # fmt: skip
    return {
        "kind": "compression", "version": 1, "model": rename("net.onnx"), "output": rename(f"small-{share}.onnx"),
        "plan": None, "made_with": {"metric": "macs", "keep": share, "criterion": rename("l1"), "seed": 0},
        "before": counts(1.0), "after": counts(share), "spaces_cut": 3, "spaces": 4,
        "verification": {"inputs": 3, "max_error": 1e-7, "tolerance": 1e-4, "seed": 0, "sizes": []},
        "latency": found if latency else None,
        "evaluation": {"original": {rename("accuracy"): 0.9}, "final": {rename("accuracy"): 0.8 * share + 0.4}},
        "advice": [rename("Try another.")], "seconds": {rename("load"): 0.1},
        "environment": {"cpu_model": rename("CPU")},
        "steps": [{"step": 1, "metric": rename("macs"), "target_share": 0.5, "reached_share": 0.5, "channels_taken": 7,
                   "epochs": 2, "validation": {rename("loss"): 0.5}, "seconds": 1.5}],
    }  # fmt: skip


def pareto(rename: Rename = same) -> dict[str, Any]:
    """What ``compress --pareto --json`` prints."""
    points = [{"ratio": share, "problem": None, "result": compression(rename, share)} for share in (0.8, 0.5, 0.3)]
    return {"kind": "pareto", "version": 1,
            "points": [*points, {"ratio": 0.01, "problem": rename("Out of reach."), "result": None}]}  # fmt: skip


def comparison(rename: Rename = same) -> dict[str, Any]:
    """What ``bench -o`` writes."""
    one, two = rename("a.onnx"), rename("b.onnx")
    ratio = {"ratio": 0.6, "low": 0.59, "high": 0.62, "confidence": 0.95}
    runs = [[[1_000_000 + 1000 * (run % 7) for run in range(40)] for _ in range(10)] for _ in range(3)]
    return {
        "kind": "comparison", "version": 2, "baseline": one, "backend": rename("onnxruntime-cpu"),
        "provider": rename("CPUExecutionProvider"), "threads": 1, "timed": rename("whole runs"), "processes": 3,
        "blocks": 10, "seed": 0, "noise": ratio, "noise_floor": 0.01,
        "timings": {name: {"median_ms": 1.0, "percentiles_ms": {"p90": 1.1}, "runs": 1200} for name in (one, two)},
        "ratios": {two: ratio}, "verdicts": {two: "faster"}, "detectable": {two: 0.02},
        "mode": {"kind": "latency", "streams": 1, "rate": None}, "inputs": {rename("x"): ["float32", [1, 3]]},
        "warnings": [rename("Other programs ran.")], "fingerprint": {"libraries": {rename("numpy"): rename("2.0")}},
        "samples_ns": {one: runs, two: [[[run * 6 // 10 for run in block] for block in part] for part in runs],
                       "(A/A)": runs},
    }  # fmt: skip


def gate(rename: Rename = same) -> dict[str, Any]:
    """What ``gate -o`` writes."""
    finding = {
        "check": "latency", "rule": rename("max_ratio"), "status": "inconclusive", "reason": rename("noise"),
        "limit": 1.05, "details": {"warnings": [rename("Busy.")], "rounds": [{"comparison": comparison(rename)}]},
    }  # fmt: skip
    sides = [{"name": rename(name), "facts": {"size_bytes": 10, "params": 5}} for name in ("a.onnx", "b.onnx")]
    return {
        "kind": "gate", "version": 1, "status": "inconclusive", "exit_code": 4, "baseline": sides[0],
        "candidate": sides[1], "policy": {"name": rename("gate.yaml"), "checks": {}}, "findings": [finding],
        "environment": {"os": rename("Linux")}, "seconds": 1.0,
    }  # fmt: skip


def why(rename: Rename = same) -> dict[str, Any]:
    """What ``why --json`` prints."""
    row = {
        "tensor": rename("t"), "node": rename("conv"), "op": rename("Conv"), "fused": [rename("Relu")], "added": False,
        "before_widths": [3, 64], "after_widths": [3, 40], "before_ms": 0.5, "after_ms": 0.25, "before_macs": 1000,
        "after_macs": 500,
    }  # fmt: skip
    return {"kind": "why", "version": 1, "models": {"before": rename("a.onnx"), "after": rename("b.onnx")},
            "backend": rename("onnxruntime-cpu"), "threads": 1, "whole_ms": {"before": 1.0, "after": 0.5},
            "rows": [row] * 60, "advice": [rename("Cut there.")], "warnings": []}  # fmt: skip


def inspection(rename: Rename = same) -> dict[str, Any]:
    """What ``inspect --json`` prints."""
    axis = {"parameter": rename("head.weight"), "axis": 0, "count": 10, "size": 10, "group": rename("is an output"),
            "chain": [rename("step")]}  # fmt: skip
    return {"kind": "inspection", "version": 1, "model": rename("net.onnx"), "params": 10, "macs": 20,
            "weights_reached": 0.9, "spaces": [{"name": rename("w[0]"), "size": 8, "params": 5, "macs": 6}],
            "fixed": [axis, axis]}  # fmt: skip


def run(rename: Rename = same) -> dict[str, Any]:
    """What a run.json holds."""
    one = {"name": rename("fold"), "changed": True, "nodes": 5, "max_error": 1e-7, "seconds": 0.1,
           "verify_seconds": 0.2, "peak_bytes": 1 << 20}  # fmt: skip
    pruned = {key: value for key, value in compression(rename).items() if key not in ("model", "output", "plan")}
    records: dict[str, dict[str, Any]] = {
        "prune": pruned,
        "recover": {"kept": True, "samples": 64, "output_error_before": 2.0, "output_error_after": 0.1},
        "verify": {"evaluation": {"original": {rename("top1"): 0.9}, "final": {rename("top1"): 0.8}}},
        "gate": gate(rename),
    }  # fmt: skip
    stages = [
        {"stage": name, "lines": [rename("done")], "record": record, "seconds": 1.5, "peak_bytes": 1 << 27,
         "passes": [one]}
        for name, record in records.items()
    ]  # fmt: skip
    return {"kind": "run", "version": 1, "recipe": {"model": rename("net.onnx"), rename("key"): [rename("value")]},
            "seed": 7, "stages": stages, "files": {}, "compressor": "0", "libraries": {rename("onnx"): rename("1")},
            "hardware": {"cpu_model": rename("CPU")}}  # fmt: skip


EVERY: dict[str, Callable[[Rename], dict[str, Any]]] = {
    "compression": compression, "pareto": pareto, "comparison": comparison, "gate": gate, "why": why,
    "inspection": inspection, "run": run,
}  # fmt: skip
