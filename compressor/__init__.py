"""compressor: a hardware-aware compression compiler for ONNX models.

The Python API is a function for each command, loaded when first used: ``import compressor`` itself reads no
runtime and no framework. docs/reference.md lists all of it.

    compressor.inspect("model.onnx")
    compressor.compress("model.onnx", "small.onnx", macs=0.5)
    compressor.verify("model.onnx", "small.onnx", "plan.json")
    compressor.bench(["model.onnx", "small.onnx"])
    compressor.finetune("small.onnx", "tuned.onnx", compressor.Finetuning(compressor.Trainer(), data="train.npz"))
    compressor.run_gate("model.onnx", "small.onnx", compressor.read_policy("gate.yaml")).status
    compressor.export(module, (example,), "model.onnx", dynamic="batch")
    compressor.run_recipe("recipe.yaml", "out")
    compressor.make_report(["out/run.json"], "report.html", card="card.md")

Some commands have other names here, since theirs are those of modules: ``gate`` is ``run_gate``, ``run`` is
``run_recipe``, ``init`` is ``write_recipe``, ``report`` is ``make_report``, ``study run`` is ``run_study``, ``demo`` is
``run_demo``, ``doctor`` is ``examine``, ``check`` is ``check_file``, ``table`` ``make_table`` and ``why`` ``explain``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from compressor import _checkout

__version__ = "0.1.0"

_checkout.install()

_API = {
    "inspect": ("compressor.inspection", "inspect_model"),
    "compress": ("compressor.pipeline", "compress"),
    "replay": ("compressor.pipeline", "replay"),
    "verify": ("compressor.proof", "verify_files"),
    "bench": ("compressor.benchmark", "bench"),
    "export": ("compressor.exporting", "export"),
    "finetune": ("compressor.finetuning", "finetune_file"),
    "pareto": ("compressor.latency.pareto", "pareto"),
    "make_table": ("compressor.latency.make_table", "make_table"),
    "explain": ("compressor.why.explain", "explain"),
    "check_file": ("compressor.file_check", "check_file"),
    "examine": ("compressor.doctor", "examine"),
    "run_demo": ("compressor.demo", "run_demo"),
    "run_study": ("compressor.study.running", "run_study"),
    "verify_structure": ("compressor.structure_proof", "verify_structure"),
    "write_recipe": ("compressor.recipe.writing", "write_recipe"),
    "run_recipe": ("compressor.recipe.carrying_out", "run_recipe"),
    "sparsify": ("compressor.sparsifying", "sparsify"),
    "Finetuning": ("compressor.finetuning", "Finetuning"),
    "Trainer": ("compressor.training", "Trainer"),
    "Options": ("compressor.passes.selection", "Options"),
    "LatencyGoal": ("compressor.latency.goal", "LatencyGoal"),
    "MemoryGoal": ("compressor.memory_goal", "MemoryGoal"),
    "Setting": ("compressor.latency.setting", "Setting"),
    "Mode": ("compressor.backends.modes", "Mode"),
    "ExportRequest": ("compressor.recipe.writing", "ExportRequest"),
    "Scheduling": ("compressor.scheduling", "Scheduling"),
    "make_report": ("compressor.report.report", "make_report"),
    "run_gate": ("compressor.gate.run", "run_gate"),
    "read_policy": ("compressor.gate.policy", "read_policy"),
    "parse_policy": ("compressor.gate.policy", "parse_policy"),
    "CompressorError": ("compressor.errors", "CompressorError"),
}
__all__ = [
    "CompressorError",
    "ExportRequest",
    "Finetuning",
    "LatencyGoal",
    "MemoryGoal",
    "Mode",
    "Options",
    "Scheduling",
    "Setting",
    "Trainer",
    "__version__",
    "bench",
    "check_file",
    "compress",
    "examine",
    "explain",
    "export",
    "finetune",
    "inspect",
    "make_report",
    "make_table",
    "pareto",
    "parse_policy",
    "read_policy",
    "replay",
    "run_demo",
    "run_gate",
    "run_recipe",
    "run_study",
    "sparsify",
    "verify",
    "verify_structure",
    "write_recipe",
]

if TYPE_CHECKING:
    from compressor.backends.modes import Mode
    from compressor.benchmark import bench
    from compressor.demo import run_demo
    from compressor.doctor import examine
    from compressor.errors import CompressorError
    from compressor.exporting import export
    from compressor.file_check import check_file
    from compressor.finetuning import Finetuning
    from compressor.finetuning import finetune_file as finetune
    from compressor.gate.policy import parse_policy, read_policy
    from compressor.gate.run import run_gate
    from compressor.inspection import inspect_model as inspect
    from compressor.latency.goal import LatencyGoal
    from compressor.latency.make_table import make_table
    from compressor.latency.pareto import pareto
    from compressor.latency.setting import Setting
    from compressor.memory_goal import MemoryGoal
    from compressor.passes.selection import Options
    from compressor.pipeline import compress, replay
    from compressor.proof import verify_files as verify
    from compressor.recipe.carrying_out import run_recipe
    from compressor.recipe.writing import ExportRequest, write_recipe
    from compressor.report.report import make_report
    from compressor.scheduling import Scheduling
    from compressor.sparsifying import sparsify
    from compressor.structure_proof import verify_structure
    from compressor.study.running import run_study
    from compressor.training import Trainer
    from compressor.why.explain import explain


def __getattr__(name: str) -> Any:
    if name not in _API:
        raise AttributeError(f"module 'compressor' has no attribute {name!r}")
    module, attribute = _API[name]
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
