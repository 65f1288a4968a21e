"""compressor: a hardware-aware compression compiler for ONNX models."""

from __future__ import annotations

from compressor import _checkout

__version__ = "0.1.0"

_checkout.install()
