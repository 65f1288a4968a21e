"""Does a network attend? Softmax over products of activations, or an op that does all of it."""

from __future__ import annotations

import onnx_graphsurgeon as gs

from compressor.passes.nested import all_nodes

_WHOLE = {"Attention", "MultiHeadAttention", "GroupQueryAttention", "LinearAttention"}
_PRODUCTS = {"MatMul", "FusedMatMul", "Einsum", "Gemm"}
_ON_THE_WAY = {
    "Cast",
    "Dropout",
    "Identity",
    "Mul",
    "Div",
    "Where",
    "Transpose",
    "Reshape",
    "Unsqueeze",
    "Squeeze",
    "Add",
}
_FARTHEST = 8


def has_attention(graph: gs.Graph) -> bool:
    """Whether some softmax weighs activations that are then summed, as in a transformer.

    A classifier's softmax at the end weighs nothing, and a gate (a sigmoid, or a softmax that only multiplies) sums
    nothing.
    """
    return any(
        node.op in _WHOLE or (node.op == "Softmax" and _weighs(node.outputs[0], _FARTHEST)) for node in all_nodes(graph)
    )


def _weighs(tensor: gs.Tensor, far: int) -> bool:
    """Does a product of two activations read this tensor, by way of ops that keep it what it is?"""
    for reader in tensor.outputs:
        if reader.op in _PRODUCTS and not any(isinstance(other, gs.Constant) for other in reader.inputs[:2]):
            return True
        if far and reader.op in _ON_THE_WAY and any(_weighs(output, far - 1) for output in reader.outputs):
            return True
    return False
