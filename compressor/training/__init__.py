"""Fine-tuning after pruning: data, losses, the ready-made ``Trainer``, evaluation. All but data needs PyTorch.

def finetune(module, context):  # what a user's own function looks like
    ...

compressor.compress("model.onnx", "small.onnx", macs=0.5, finetune=finetune)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_API = {
    "Evaluation": "compressor.training.evaluate",
    "FinetuneContext": "compressor.training.context",
    "Mixture": "compressor.training.objective",
    "Trainer": "compressor.training.trainer",
    "evaluate_file": "compressor.training.evaluate",
    "evaluate_module": "compressor.training.evaluate",
}
__all__ = ["Evaluation", "FinetuneContext", "Mixture", "Trainer", "evaluate_file", "evaluate_module"]

if TYPE_CHECKING:
    from compressor.training.context import FinetuneContext
    from compressor.training.evaluate import Evaluation, evaluate_file, evaluate_module
    from compressor.training.objective import Mixture
    from compressor.training.trainer import Trainer


def __getattr__(name: str) -> Any:
    if name not in _API:
        raise AttributeError(f"module 'compressor.training' has no attribute {name!r}")
    from compressor.extras import require_torch

    require_torch("fine-tuning")
    return getattr(importlib.import_module(_API[name]), name)
