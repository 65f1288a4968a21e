"""Makes the models of this example: ``python make_models.py [FOLDER]``. Yours come out of training instead.

baseline    a network that is twice as wide as it need be
improved    the same function at half the width
unchanged   the baseline with another description, as after a commit that touches only words
regressed   half as wide again as the baseline, and its last layer is noisy: slower, larger and less accurate
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
from evaluate import FEATURES, KINDS, samples
from onnx import helper, numpy_helper

WIDTH = 512

Weights = list[np.ndarray]


def trained() -> Weights:
    """Two layers of random features, and a last one fitted by least squares."""
    rng = np.random.default_rng(1)
    first = rng.standard_normal((FEATURES, WIDTH)) / np.sqrt(FEATURES)
    second = rng.standard_normal((WIDTH, WIDTH)) * np.sqrt(2 / WIDTH)
    vectors, labels = samples(8000, seed=1)
    hidden = np.maximum(np.maximum(vectors @ first, 0) @ second, 0)
    square = hidden.T @ hidden + 100 * np.eye(WIDTH)
    return [first, second, np.linalg.solve(square, hidden.T @ np.eye(KINDS)[labels])]


def widened(weights: Weights, times: int) -> Weights:
    """The same function with every channel there several times (Net2Net, arXiv:1511.05641)."""
    first, second, last = weights
    return [np.tile(first, (1, times)), np.tile(second, (times, times)) / times, np.tile(last, (times, 1)) / times]


def noisy(weights: Weights) -> Weights:
    """The last layer is off by as much as it is large."""
    *others, last = weights
    return [*others, last + last.std() * np.random.default_rng(3).standard_normal(last.shape)]


def model(weights: Weights, description: str) -> onnx.ModelProto:
    """vectors [n, 64] -> MatMul -> Relu -> MatMul -> Relu -> MatMul -> scores [n, 10]."""
    tensors = [numpy_helper.from_array(one.astype(np.float32), f"w{index}") for index, one in enumerate(weights)]
    nodes = [
        helper.make_node("MatMul", ["vectors", "w0"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("MatMul", ["b", "w1"], ["c"]),
        helper.make_node("Relu", ["c"], ["d"]),
        helper.make_node("MatMul", ["d", "w2"], ["scores"]),
    ]
    vectors = helper.make_tensor_value_info("vectors", onnx.TensorProto.FLOAT, ["n", FEATURES])
    scores = helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, ["n", KINDS])
    graph = helper.make_graph(nodes, "kinds", [vectors], [scores], tensors)
    return helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
        producer_name="example",
        doc_string=description,
    )


def main(folder: Path) -> None:
    """Write the four models."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = trained()
    made = {
        "baseline": model(widened(weights, 2), "released"),
        "improved": model(weights, "half the width"),
        "unchanged": model(widened(weights, 2), "released; tells ten kinds of vectors apart"),
        "regressed": model(noisy(widened(weights, 3)), "wider"),
    }
    for name, proto in made.items():
        onnx.save(proto, str(folder / f"{name}.onnx"))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "models"))
