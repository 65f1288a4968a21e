"""compressor: a hardware-aware compression compiler for ONNX models.

The Python API is a few functions, loaded when first used: ``import compressor`` itself reads no
runtime and no framework.

    compressor.inspect("model.onnx")
    compressor.compress("model.onnx", "small.onnx", macs=0.5)
    compressor.verify("model.onnx", "small.onnx", "plan.json")
    compressor.bench(["model.onnx", "small.onnx"])
    compressor.finetune("small.onnx", "tuned.onnx", compressor.Finetuning(compressor.Trainer(), data="train.npz"))
    compressor.run_gate("model.onnx", "small.onnx", compressor.read_policy("gate.yaml")).status
    compressor.export(module, (example,), "model.onnx", dynamic="batch")
    compressor.run_recipe("recipe.yaml", "out")
    compressor.make_report(["out/run.json"], "report.html", card="card.md")
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
    "run_recipe": ("compressor.recipe.carrying_out", "run_recipe"),
    "sparsify": ("compressor.sparsifying", "sparsify"),
    "Finetuning": ("compressor.finetuning", "Finetuning"),
    "Trainer": ("compressor.training", "Trainer"),
    "Options": ("compressor.passes.selection", "Options"),
    "Scheduling": ("compressor.scheduling", "Scheduling"),
    "make_report": ("compressor.report.report", "make_report"),
    "run_gate": ("compressor.gate.run", "run_gate"),
    "read_policy": ("compressor.gate.policy", "read_policy"),
    "CompressorError": ("compressor.errors", "CompressorError"),
}
__all__ = [
    "CompressorError",
    "Finetuning",
    "Options",
    "Scheduling",
    "Trainer",
    "__version__",
    "bench",
    "compress",
    "export",
    "finetune",
    "inspect",
    "make_report",
    "read_policy",
    "replay",
    "run_gate",
    "run_recipe",
    "sparsify",
    "verify",
]

if TYPE_CHECKING:
    from compressor.benchmark import bench
    from compressor.errors import CompressorError
    from compressor.exporting import export
    from compressor.finetuning import Finetuning
    from compressor.finetuning import finetune_file as finetune
    from compressor.gate.policy import read_policy
    from compressor.gate.run import run_gate
    from compressor.inspection import inspect_model as inspect
    from compressor.passes.selection import Options
    from compressor.pipeline import compress, replay
    from compressor.proof import verify_files as verify
    from compressor.recipe.carrying_out import run_recipe
    from compressor.report.report import make_report
    from compressor.scheduling import Scheduling
    from compressor.sparsifying import sparsify
    from compressor.training import Trainer


def __getattr__(name: str) -> Any:
    if name not in _API:
        raise AttributeError(f"module 'compressor' has no attribute {name!r}")
    module, attribute = _API[name]
    return getattr(importlib.import_module(module), attribute)
