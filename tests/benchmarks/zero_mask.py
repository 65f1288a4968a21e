"""Whether a pruned model equals its own original with the removed slices set to zero, for a pruner we know nothing of.

What was removed is read off the weights: every parameter of the pruned model must be a sub-block of the parameter that
the same node had before. A channel whose consumers have zero weights for it has no effect, whatever its value, so
the original with zeros in all removed slices is what the pruned model promises to be. (Where a normalisation runs over
removed channels it is not: nothing that removes such channels keeps the function.) Parameters that hold one number per
channel stay as they are: many of their values are equal, so that which of them stayed cannot always be told.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from compressor.backends.base import Array

_SAMPLES = 64  # elements that vote on the index that a slice had


class NotABlockError(Exception):
    """A parameter of the pruned model is no sub-block of the original's."""


def masked(original: onnx.ModelProto, pruned: onnx.ModelProto) -> onnx.ModelProto:
    """The original with zeros in what ``pruned`` lacks.

    Raises:
        NotABlockError: what was removed cannot be told.
    """
    result = onnx.ModelProto()
    result.CopyFrom(original)
    before, after = _tensors(original), _tensors(pruned)
    nodes = {name: node for node in pruned.graph.node for name in node.output}
    for number, node in enumerate(result.graph.node):
        twin = next((nodes[name] for name in node.output if name in nodes), None)
        if twin is None or twin.op_type != node.op_type:
            continue
        for slot, (old, new) in enumerate(zip(node.input, twin.input, strict=False)):
            if old not in before or new not in after or before[old].shape == after[new].shape:
                continue
            if sum(size > 1 for size in before[old].shape) < 2:
                continue  # a number per channel: the zeros in what sums over the channels are enough
            groups = _groups(node) if _groups(node) == _groups(twin) else 1
            zeroed = _zeroed_by_group(before[old], after[new], groups, old)
            # Under a name of its own: another user of this parameter may keep other slices.
            node.input[slot] = f"{old}/masked{number}_{slot}"
            result.graph.initializer.append(numpy_helper.from_array(zeroed, node.input[slot]))
    return result


def _tensors(model: onnx.ModelProto) -> dict[str, Array]:
    return {name: numpy_helper.to_array(tensor) for name, tensor in _constants(model) if _is_float(tensor)}


def _constants(model: onnx.ModelProto) -> Iterator[tuple[str, onnx.TensorProto]]:
    for tensor in model.graph.initializer:
        yield tensor.name, tensor
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            yield node.output[0], node.attribute[0].t


def _is_float(tensor: onnx.TensorProto) -> bool:
    return tensor.data_type in {onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE}


def _groups(node: onnx.NodeProto) -> int:
    return next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)


def _zeroed_by_group(old: Array, new: Array, groups: int, name: str) -> Array:
    """Every group of a grouped convolution may keep other positions; its weights lie group by group along axis 0."""
    if old.shape[0] % groups or new.shape[0] % groups:
        raise NotABlockError(f"{name}: {old.shape} became {new.shape} in {groups} groups")
    pairs = zip(np.split(old, groups), np.split(new, groups), strict=True)
    return np.concatenate([_zeroed(left, right, name) for left, right in pairs])


def _zeroed(old: Array, new: Array, name: str) -> Array:
    """``old`` with zeros outside the block that is ``new``."""
    if old.ndim != new.ndim or any(n > o for o, n in zip(old.shape, new.shape, strict=True)):
        raise NotABlockError(f"{name}: {old.shape} became {new.shape}")
    block = np.ix_(*(_indices(old, new, axis) for axis in range(old.ndim)))
    if not np.array_equal(old[block], new):
        raise NotABlockError(f"{name}: its values changed")
    result = np.zeros_like(old)
    result[block] = new
    return result


def _indices(old: Array, new: Array, axis: int) -> NDArray[np.intp]:
    """Of each slice of ``new`` along an axis: the slice of ``old`` that most of its values are found in."""
    if old.shape[axis] == new.shape[axis]:
        return np.arange(old.shape[axis])
    flat = old.ravel()
    order = np.argsort(flat, kind="stable")
    rng = np.random.default_rng(0)
    found = []
    for values in np.moveaxis(new, axis, 0).reshape(new.shape[axis], -1):
        picked = rng.choice(values, _SAMPLES) if values.size > _SAMPLES else values
        places = order[np.searchsorted(flat, picked, sorter=order).clip(max=flat.size - 1)]
        votes = np.bincount(np.unravel_index(places, old.shape)[axis], minlength=old.shape[axis])
        found.append(int(votes.argmax()))
    return np.array(found, np.intp)
