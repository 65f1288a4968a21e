"""Mutations of ONNX models that leave them protobuf messages."""

from __future__ import annotations

import random
from collections.abc import Callable

import onnx
from onnx import helper

Change = Callable[[onnx.ModelProto, random.Random], object]
_SIZES = (0, -1, 2**31, 2**62, -(2**63), 7, 10**9)
_OPS = ("Reshape", "Loop", "Einsum", "Unheard", "BatchNormalization", "Conv", "", "If", "LSTM", "Constant", "Identity")


def onnx_file(data: bytes, rng: random.Random) -> bytes:
    """A model with one to three changes, or with bodies in bodies beyond what protobuf reads."""
    if rng.randrange(25) == 0:
        return data + _deep(rng.choice((40, 400, 20_000)))
    model = onnx.load_from_string(data)
    for _ in range(rng.choice((1, 1, 2, 3))):
        rng.choice(CHANGES)(model, rng)
    changed: bytes = model.SerializeToString()
    return changed


def _deep(levels: int) -> bytes:
    """A graph whose only node has such a graph for an attribute, and so on: fields 1, 5 and 6 of ONNX's messages."""
    inner = b""
    for _ in range(levels):
        for field in (6, 5, 1):
            inner = bytes([field << 3 | 2]) + _varint(len(inner)) + inner
        if len(inner) > 1 << 20:
            break
    return bytes([7 << 3 | 2]) + _varint(len(inner)) + inner


def _varint(number: int) -> bytes:
    digits = bytearray()
    while number > 127:
        digits.append(number & 127 | 128)
        number >>= 7
    return bytes([*digits, number])


def _node(model: onnx.ModelProto, rng: random.Random) -> onnx.NodeProto:
    found: onnx.NodeProto = rng.choice(list(model.graph.node)) if model.graph.node else model.graph.node.add()
    return found


def _tensor(model: onnx.ModelProto, rng: random.Random) -> onnx.TensorProto:
    tensors = model.graph.initializer
    found: onnx.TensorProto = rng.choice(list(tensors)) if tensors else tensors.add()
    return found


def _dims(model: onnx.ModelProto, rng: random.Random) -> None:
    tensor = _tensor(model, rng)
    if tensor.dims and rng.randrange(2):
        tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice(_SIZES)
    else:
        tensor.dims.extend([rng.choice(_SIZES)] * rng.choice((1, 1, 300)))


def _same_size(model: onnx.ModelProto, rng: random.Random) -> None:
    """The right number of values in another shape."""
    tensor = _tensor(model, rng)
    sizes = list(tensor.dims)
    rng.shuffle(sizes)
    tensor.dims[:] = rng.choice(([*sizes, 1], sizes, sizes[::-1]))


def _type(model: onnx.ModelProto, rng: random.Random) -> None:
    _tensor(model, rng).data_type = rng.choice((0, 2, 7, 8, 10, 16, 23, 99))


def _op(model: onnx.ModelProto, rng: random.Random) -> None:
    node = _node(model, rng)
    if rng.randrange(2):
        node.op_type = rng.choice(_OPS)
    else:
        node.domain = rng.choice(("com.microsoft", "nobody.knows", "ai.onnx.ml"))


def _wires(model: onnx.ModelProto, rng: random.Random) -> None:
    names = [name for node in model.graph.node for name in (*node.input, *node.output)] or ["x"]
    node = _node(model, rng)
    side = rng.choice((node.input, node.output))
    if side and rng.randrange(3):
        side[rng.randrange(len(side))] = rng.choice((*names, "", "nowhere", "a\n\x00b"))
    elif rng.randrange(2):
        side.append(rng.choice(names))
    else:
        del side[:]


def _nodes(model: onnx.ModelProto, rng: random.Random) -> None:
    nodes = list(model.graph.node)
    kind = rng.randrange(3)
    if kind == 0:
        rng.shuffle(nodes)
    elif kind == 1 and nodes:
        nodes.pop(rng.randrange(len(nodes)))
    elif nodes:
        nodes.append(rng.choice(nodes))
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _attribute(model: onnx.ModelProto, rng: random.Random) -> None:
    node = _node(model, rng)
    values = (3, -1, 2**60, 1.5, "text", [1, 2], [-1], [10**12, 10**12], [0.5], ["a"], b"\xff\xfe")
    names = [one.name for one in node.attribute] or ["pads", "group", "axis"]
    made = helper.make_attribute(rng.choice(names), rng.choice(values))
    if node.attribute and rng.randrange(3):
        node.attribute[rng.randrange(len(node.attribute))].CopyFrom(made)
    else:
        node.attribute.append(made)


def _interface(model: onnx.ModelProto, rng: random.Random) -> None:
    infos = rng.choice((model.graph.input, model.graph.output))
    if not infos:
        return
    info = rng.choice(list(infos))
    kind = rng.randrange(4)
    if kind == 0:
        info.type.tensor_type.elem_type = rng.choice((0, 7, 8, 99))
    elif kind == 1:
        info.type.tensor_type.shape.dim.add().dim_value = rng.choice(_SIZES)
    elif kind == 2:
        info.name = rng.choice(("", "nowhere", "x" * 300, "../x"))
    else:
        infos.append(info)


def _versions(model: onnx.ModelProto, rng: random.Random) -> None:
    if rng.randrange(2):
        model.ir_version = rng.choice((0, 3, 99, 2**40))
    elif model.opset_import:
        model.opset_import[0].version = rng.choice((0, 1, 8, 99, -5, 2**40))
    else:
        model.opset_import.add()


def _outside(model: onnx.ModelProto, rng: random.Random) -> None:
    """Weights in another file: of the user's, of nobody's, of endless size."""
    tensor = _tensor(model, rng)
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    place = rng.choice(("../model.onnx", "/etc/passwd", "/dev/zero", "nowhere.bin", "", "model.onnx", ".."))
    for key, value in (("location", place), ("offset", str(rng.choice(_SIZES))), ("length", str(rng.choice(_SIZES)))):
        tensor.external_data.add(key=key, value=value)


def _nested(model: onnx.ModelProto, rng: random.Random) -> None:
    graph = onnx.GraphProto(name="inner")
    for _ in range(rng.choice((1, 10, 30))):
        outer = onnx.GraphProto(name="outer")
        node = helper.make_node("If", ["x"], ["y"])
        node.attribute.append(helper.make_attribute("then_branch", graph))
        outer.node.append(node)
        graph = outer
    model.graph.node.extend(graph.node)


def _shared_names(model: onnx.ModelProto, rng: random.Random) -> None:
    tensors = list(model.graph.initializer)
    if len(tensors) > 1:
        tensors[0].name = tensors[-1].name
    else:
        model.graph.initializer.extend(tensors)


def _function(model: onnx.ModelProto, rng: random.Random) -> None:
    """A function that calls itself."""
    own = helper.make_function(
        "own", "f", ["a"], ["b"], [helper.make_node("f", ["a"], ["b"], domain="own")], [helper.make_opsetid("own", 1)]
    )
    model.functions.append(own)
    model.opset_import.add(domain="own", version=1)
    node = _node(model, rng)
    node.op_type, node.domain = "f", "own"


CHANGES: tuple[Change, ...] = (
    _dims, _same_size, _type, _op, _wires, _nodes, _attribute, _attribute, _interface, _versions, _outside, _nested,
    _shared_names, _function,
)  # fmt: skip
