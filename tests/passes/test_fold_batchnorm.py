"""Batch norms go into the layer before them where that computes the same, and stay, with a reason, where not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from compressor.model_io import from_proto, to_proto
from compressor.models.export import export
from compressor.models.registry import MODELS, build, example_inputs
from compressor.normalize import normalize
from compressor.passes.fold_batchnorm import fold_batchnorms
from compressor.passes.folding import Folding
from compressor.verification import difference, opened
from tests.passes.graphs import Weights, model

NORM = "y = BatchNormalization<epsilon=0.01>(h, s, b, m, v)"


def statistics(channels: int, seed: int = 1) -> Weights:
    rng = np.random.default_rng(seed)
    given = {name: rng.standard_normal(channels).astype(np.float32) for name in "sbm"}
    return {**given, "v": rng.uniform(0.2, 3, channels).astype(np.float32)}


def folded(body: str, weights: Weights, **more: Any) -> Folding:
    """What came of it, after both graphs were held against each other."""
    graph = from_proto(model(body, weights, **more))
    before = to_proto(graph).SerializeToString()
    result = fold_batchnorms(graph)
    assert to_proto(graph).SerializeToString() == before
    same_outputs(graph, result.graph)
    return result


def same_outputs(one: Any, other: Any, seed: int = 3) -> None:
    rng = np.random.default_rng(seed)
    with opened(one) as left, opened(other) as right:
        feeds = {
            spec.name: rng.standard_normal([size if isinstance(size, int) else 3 for size in spec.shape]).astype(
                spec.dtype
            )
            for spec in left.inputs
        }
        for name, value in left.run(feeds).items():
            error, _ = difference(right.run(feeds)[name], value, name)
            assert error < (5e-6 if value.dtype == np.float32 else 5e-3)


@pytest.mark.parametrize(
    ("layer", "weights", "inputs", "channels"),
    [
        ("h = Conv<kernel_shape=[3, 3], pads=[1, 1, 1, 1]>(x, W)", {"W": (8, 3, 3, 3)}, "float[N, 3, 5, 5] x", 8),
        ("h = Conv<group=2>(x, W, c)", {"W": (8, 3, 1), "c": (8,)}, "float[N, 6, 5] x", 8),
        ("h = Conv<group=6>(x, W, c)", {"W": (6, 1, 3, 3), "c": (6,)}, "float[N, 6, 5, 5] x", 6),
        ("h = ConvTranspose<strides=[2, 2]>(x, W, c)", {"W": (4, 6, 3, 3), "c": (6,)}, "float[N, 4, 5, 5] x", 6),
        ("h = ConvTranspose<group=2>(x, W)", {"W": (4, 3, 3, 3)}, "float[N, 4, 5, 5] x", 6),
        ("h = Gemm(x, W, c)", {"W": (6, 5), "c": (5,)}, "float[N, 6] x", 5),
        ("h = Gemm<transB=1>(x, W)", {"W": (5, 6)}, "float[N, 6] x", 5),
        ("h = Gemm<alpha=0.5, beta=2.0>(x, W, c)", {"W": (6, 5), "c": (1, 5)}, "float[N, 6] x", 5),
        ("h = Gemm<beta=0.25>(x, W, c)", {"W": (6, 5), "c": np.float32(2)}, "float[N, 6] x", 5),
    ],
)
def test_every_kind_of_layer(layer: str, weights: Weights, inputs: str, channels: int) -> None:
    result = folded(f"{layer}\n{NORM}", {**weights, **statistics(channels)}, inputs=inputs)
    assert (result.folded, result.left) == (["y"], {})
    (node,) = result.graph.nodes
    assert node.outputs[0].name == "y"
    assert [tensor.name for tensor in node.inputs] == ["x", "W", "c" if "c" in weights else "b"]


@pytest.mark.parametrize(
    ("body", "weights", "why"),
    [
        ("h = Relu(x)", {}, "no convolution"),
        ("h = Conv<kernel_shape=[1]>(x, W)\nz = Relu(h)", {"W": (6, 6, 1)}, "read elsewhere"),
        ("h = Conv<kernel_shape=[1]>(x, W)\nz = Conv<kernel_shape=[1]>(x, W)", {"W": (6, 6, 1)}, "serves another"),
        ("w = Neg(W)\nh = Conv<kernel_shape=[1]>(x, w)\nz = Relu(x)", {"W": (6, 6, 1)}, "weight is computed"),
        ("h = Conv<kernel_shape=[1]>(x, W)", {"W": (6, 6, 1), "v": np.full(6, -1, np.float32)}, "no finite scale"),
        ("h = Conv<kernel_shape=[1]>(x, W)", {"W": (6, 6, 1), "s": np.full(6, 1e38, np.float32),
                                              "v": np.full(6, 1e-5, np.float32)}, "exceed float32"),
    ],
)  # fmt: skip
def test_what_is_left_and_why(body: str, weights: Weights, why: str) -> None:
    norm = NORM.replace("0.01", "0.0") if why == "exceed float32" else NORM
    outputs = "float y, float z" if "z =" in body else "float y"
    proto = model(f"{body}\n{norm}", {**statistics(6), **weights}, inputs="float[N, 6, 4] x", outputs=outputs)
    graph = from_proto(proto)
    result = fold_batchnorms(graph)
    assert result.graph is graph
    assert result.folded == []
    assert why in result.left["y"]


def test_the_norms_input_as_output_of_the_model_stays() -> None:
    body = f"h = Conv<kernel_shape=[1]>(x, W)\n{NORM}"
    weights = {"W": (6, 6, 1), **statistics(6)}
    result = folded(body, weights, inputs="float[N, 6, 4] x", outputs="float h, float y")
    assert "read elsewhere" in result.left["y"]


def test_a_bias_that_two_layers_share_becomes_two() -> None:
    body = """
        h = Conv<kernel_shape=[1]>(x, W, c)
        n = BatchNormalization(h, s, b, m, v)
        g = Conv<kernel_shape=[1]>(n, V, c)
        y = BatchNormalization(g, s, b, m, v)
    """
    weights = {"W": (6, 6, 1), "V": (6, 6, 1), "c": (6,), **statistics(6)}
    result = folded(body, weights, inputs="float[N, 6, 4] x")
    names = [node.inputs[2].name for node in result.graph.nodes]
    assert len(result.folded) == 2
    assert len(set(names)) == 2


def test_half_precision_is_rounded_once() -> None:
    weights = {"W": (6, 6, 1), **statistics(6)}
    halves = {
        name: np.random.default_rng(5).standard_normal(given).astype(np.float16)
        if isinstance(given, tuple) else given.astype(np.float16)
        for name, given in weights.items()
    }  # fmt: skip
    body = f"h = Conv<kernel_shape=[1]>(x, W)\n{NORM}"
    result = folded(body, halves, inputs="float16[N, 6, 4] x", outputs="float16 y")
    scale = halves["s"].astype(np.float64) / np.sqrt(halves["v"].astype(np.float64) + np.float32(0.01))
    wanted = (halves["W"].astype(np.float64) * scale[:, None, None]).astype(np.float16)
    assert np.array_equal(result.graph.nodes[0].inputs[1].values, wanted)


@pytest.mark.parametrize("name", MODELS.names())
def test_exported_networks_keep_no_norm_behind_a_layer(name: str) -> None:
    network = build(name)
    norms = [part for part in network.modules() if isinstance(part, torch.nn.modules.batchnorm._BatchNorm)]
    if not norms:
        pytest.skip("has no batch norm")
    proto = export(network, example_inputs(name), exporter="torchscript", dynamic="batch", form="training")
    graph = normalize(from_proto(proto))
    before = sum(node.op == "BatchNormalization" for node in graph.nodes)
    result = fold_batchnorms(graph)
    after = sum(node.op == "BatchNormalization" for node in result.graph.nodes)
    assert before == len(result.folded) + len(result.left)
    assert after == len(result.left)
    assert all("no convolution" in why or "read elsewhere" in why for why in result.left.values()), result.left
    same_outputs(graph, result.graph)
