"""ONNX graph -> torch.nn.Module and back: fine-tuning starts from the graph and ends in it.

module = bridge.from_onnx("model.onnx")
...  # train it as any module
bridge.to_onnx(module, "model.onnx", "tuned.onnx")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_API = {
    "OnnxModule": "compressor.bridge.onnx_module",
    "from_onnx": "compressor.bridge.convert",
    "to_onnx": "compressor.bridge.write_back",
}
__all__ = ["OnnxModule", "from_onnx", "to_onnx"]

if TYPE_CHECKING:
    from compressor.bridge.convert import from_onnx
    from compressor.bridge.onnx_module import OnnxModule
    from compressor.bridge.write_back import to_onnx


def __getattr__(name: str) -> Any:
    if name not in _API:
        raise AttributeError(f"module 'compressor.bridge' has no attribute {name!r}")
    from compressor.extras import require_torch

    require_torch("the torch bridge")
    return getattr(importlib.import_module(_API[name]), name)
