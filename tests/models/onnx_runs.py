"""Runs an exported model in ONNX Runtime, for tests that compare it with PyTorch."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray


def run(model: onnx.ModelProto | str, *inputs: NDArray[np.generic]) -> list[NDArray[np.float32]]:
    """The outputs of a model, or of the file at a path, for inputs in the model's order."""
    source = model if isinstance(model, str) else model.SerializeToString()
    session = onnxruntime.InferenceSession(source, providers=["CPUExecutionProvider"])
    feeds = {entry.name: array for entry, array in zip(session.get_inputs(), inputs, strict=True)}
    outputs: list[NDArray[np.float32]] = session.run(None, feeds)
    return outputs
