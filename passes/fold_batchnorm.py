"""Batch norms into the layer before them: at inference they are a scale and a shift for each output channel.

    BN(W x + b) = (s W) x + (s (b - mean) + beta)    with s = gamma / sqrt(variance + epsilon)

(Jacob et al. 2018, arXiv:1712.05877, section 3.2.) Computed in float64 and rounded once to the layer's own type. What
cannot be shown to compute the same is left, with the reason.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import onnx_graphsurgeon as gs
from numpy.typing import NDArray

from compressor.graph_copy import copy_graph
from compressor.graph_edit import detach, replace_input
from compressor.passes.folding import STANDARD, Folding, NotFoldedError, is_floating, reads
from compressor.passes.nested import tensor_names
from compressor.passes.rewrite_rules import NameMaker
from compressor.tensor_values import peek

Floats = NDArray[np.float64]

LAYERS = ("Conv", "ConvTranspose", "Gemm")
_EPSILON = 1e-5  # ONNX's default
_PARAMETERS = ("scale", "shift", "mean", "variance")


@dataclass(frozen=True)
class _Fold:
    """A batch norm and the layer that it goes into; all four parameters are float64 [channels]."""

    norm: gs.Node
    layer: gs.Node
    scale: Floats
    shift: Floats  # what is added after scaling the layer's output


def fold_batchnorms(graph: gs.Graph) -> Folding:
    """A copy in which the batch norms are part of the Conv, ConvTranspose or Gemm before them.

    A layer keeps the names of its weights; a bias that it gains is called like the batch norm's, where that is free.
    Batch norms inside bodies of If, Loop and Scan stay.
    """
    norms = [node for node in graph.nodes if node.op == "BatchNormalization" and node.domain in STANDARD]
    if not norms:
        return Folding(graph)
    copied = copy_graph(graph)
    names, counts = NameMaker(tensor_names(copied)), reads(copied)
    folded, left = [], {}
    for node in list(copied.nodes):
        if node.op != "BatchNormalization" or node.domain not in STANDARD:
            continue
        try:
            fold = _fold_of(node, counts)
            weight, bias = _new_values(fold, counts)
        except NotFoldedError as why:
            left[node.name or node.outputs[0].name] = str(why)
            continue
        _carry_out(fold, weight, bias, counts, names)
        folded.append(node.name or fold.layer.outputs[0].name)
        gone = node
        copied.nodes = [other for other in copied.nodes if other is not gone]
    return Folding(copied if folded else graph, folded, left)


def _fold_of(norm: gs.Node, counts: Counter[str]) -> _Fold:
    if norm.attrs.get("training_mode", 0):
        raise NotFoldedError("it is in training mode")
    if any(tensor.name and counts[tensor.name] for tensor in norm.outputs[1:]):
        raise NotFoldedError("its statistics are read")
    layer = norm.inputs[0].inputs[0] if len(norm.inputs[0].inputs) == 1 else None
    if layer is None or layer.op not in LAYERS or layer.domain not in STANDARD:
        raise NotFoldedError("no convolution or matrix product stands right before it")
    if counts[layer.outputs[0].name] > 1:
        raise NotFoldedError("what it normalises is read elsewhere too")
    if len(norm.inputs) != 5 or len(layer.inputs) < 2:
        raise NotFoldedError("it or its layer lacks inputs")
    given = [_constant(tensor, what) for tensor, what in zip(norm.inputs[1:], _PARAMETERS, strict=True)]
    if len({value.shape for value in given}) > 1 or given[0].ndim != 1:
        raise NotFoldedError("its parameters have not one number a channel")
    scale, shift, mean, variance = given
    with np.errstate(all="ignore"):
        factor = scale / np.sqrt(variance + float(norm.attrs.get("epsilon", _EPSILON)))
        offset = shift - mean * factor
    if not (np.isfinite(factor).all() and np.isfinite(offset).all()):
        raise NotFoldedError("its parameters give no finite scale")
    return _Fold(norm, layer, factor, offset)


def _constant(tensor: gs.Tensor, what: str) -> Floats:
    if not isinstance(tensor, gs.Constant):
        raise NotFoldedError(f"its {what} is computed")
    if not is_floating(tensor.dtype):
        raise NotFoldedError(f"its {what} is {tensor.dtype}")
    return np.asarray(peek(tensor)).astype(np.float64)


def _new_values(fold: _Fold, counts: Counter[str]) -> tuple[Floats, Floats]:
    """The layer's weight and bias with the batch norm in them, float64."""
    weight = _constant(fold.layer.inputs[1], "layer's weight")
    if counts[fold.layer.inputs[1].name] > 1:
        raise NotFoldedError("its layer's weight serves another node too")
    channels = fold.scale.shape
    factors = _factors(fold, weight.shape)
    bias = np.zeros(channels)
    if len(fold.layer.inputs) > 2 and fold.layer.inputs[2].name:
        given = _constant(fold.layer.inputs[2], "layer's bias")
        bias = float(fold.layer.attrs.get("beta", 1.0)) * _flat(given, channels)
    with np.errstate(all="ignore"):
        found = weight * factors, bias * fold.scale + fold.shift
        kind = np.dtype(fold.layer.inputs[1].dtype)
        if not all(np.isfinite(value.astype(kind).astype(np.float64)).all() for value in found):
            raise NotFoldedError(f"folded values exceed {kind.name}")
    return found


def _factors(fold: _Fold, shape: tuple[int, ...]) -> Floats:
    """The scale, in a shape that multiplies a weight of this shape."""
    channels, rest = fold.scale.size, [1] * (len(shape) - 2)
    attrs = fold.layer.attrs
    if fold.layer.op == "ConvTranspose":  # [in, out / group, ...]: outputs of a group come from its inputs
        groups = int(attrs.get("group", 1))
        if len(shape) < 3 or shape[0] % groups or shape[1] * groups != channels:
            raise NotFoldedError("its size is not the layer's")
        each = np.repeat(fold.scale.reshape(groups, -1), shape[0] // groups, axis=0)  # [in, out / group]
        return each.reshape(*each.shape, *rest)
    last = fold.layer.op == "Gemm" and not attrs.get("transB", 0)
    if len(shape) < 2 or shape[1 if last else 0] != channels:
        raise NotFoldedError("its size is not the layer's")
    return fold.scale if last else fold.scale.reshape(-1, 1, *rest)


def _flat(bias: Floats, channels: tuple[int, ...]) -> Floats:
    """A bias for each channel: a Gemm's may be one number, or a row."""
    if bias.size not in (1, channels[0]) or bias.ndim > 2 or (bias.ndim == 2 and bias.shape[0] != 1):
        raise NotFoldedError("its layer's bias is not one number a channel")
    return np.broadcast_to(bias.reshape(-1), channels)


def _carry_out(fold: _Fold, weight: Floats, bias: Floats, counts: Counter[str], names: NameMaker) -> None:
    layer, result = fold.layer, fold.norm.outputs[0]
    old, beta = layer.inputs[1], fold.norm.inputs[2]
    kind = np.dtype(old.dtype)
    replace_input(layer, 1, gs.Constant(old.name, weight.astype(kind)))
    own = layer.inputs[2] if len(layer.inputs) > 2 and layer.inputs[2].name else None
    if own is not None and counts[own.name] == 1:
        name = own.name
    else:
        name = beta.name if counts[beta.name] == 1 else names.new(f"{old.name}_bias")
        counts[name] = 1
    if len(layer.inputs) < 3:
        layer.inputs.append(gs.Variable.empty())
    replace_input(layer, 2, gs.Constant(name, bias.astype(kind)))
    if "beta" in layer.attrs:
        layer.attrs["beta"] = 1.0
    detach(fold.norm)
    layer.outputs.clear()
    layer.outputs.append(result)
