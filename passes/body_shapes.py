"""Shapes through If, Loop and Scan: what enters a body, and what comes out of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx
import onnx_graphsurgeon as gs

from compressor.passes.contrib_shapes import Shape

if TYPE_CHECKING:
    from compressor.passes.shape_engine import ShapeEngine


def visit_bodies(engine: ShapeEngine, node: gs.Node) -> None:
    """Shapes inside the bodies of a control-flow node and of its outputs; unknown stays unknown."""
    if node.op == "If":
        _if(engine, node)
    elif node.op == "Loop":
        _loop(engine, node)
    elif node.op == "Scan":
        _scan(engine, node)


def _run(engine: ShapeEngine, body: gs.Graph) -> None:
    try:
        for inner in body.nodes:
            engine.visit(inner)
    except onnx.shape_inference.InferenceError:
        return  # a branch that these sizes never take need not fit them
    for tensor in body.outputs:
        if isinstance(tensor, gs.Constant):
            engine.note_constant(tensor)


def _enter(engine: ShapeEngine, tensor: gs.Tensor, like: str, shape: Shape | None) -> None:
    """A body's input has another tensor's type and the given shape; its value varies."""
    if like in engine.facts.dtypes:
        engine.facts.dtypes[tensor.name] = engine.facts.dtypes[like]
        if shape is not None:
            engine.facts.shapes[tensor.name] = shape


def _leave(engine: ShapeEngine, out: gs.Tensor, inner: gs.Tensor, shape: Shape | None) -> None:
    if out.name and inner.name in engine.facts.dtypes:
        engine.facts.dtypes[out.name] = engine.facts.dtypes[inner.name]
        if shape is not None:
            engine.facts.shapes[out.name] = shape


def _if(engine: ShapeEngine, node: gs.Node) -> None:
    then, other = node.attrs["then_branch"], node.attrs["else_branch"]
    _run(engine, then)
    _run(engine, other)
    for out, a, b in zip(node.outputs, then.outputs, other.outputs, strict=True):
        shape = engine.facts.shapes.get(a.name)
        _leave(engine, out, a, shape if shape == engine.facts.shapes.get(b.name) else None)


def _loop(engine: ShapeEngine, node: gs.Node) -> None:
    body, shapes = node.attrs["body"], engine.facts.shapes
    for tensor, kind in zip(body.inputs[:2], (onnx.TensorProto.INT64, onnx.TensorProto.BOOL), strict=True):
        engine.facts.dtypes[tensor.name], shapes[tensor.name] = int(kind), ()
    initial = node.inputs[2:]
    for tensor, start in zip(body.inputs[2:], initial, strict=True):
        _enter(engine, tensor, start.name, shapes.get(start.name))
    _run(engine, body)
    turns = engine.facts.values.get(node.inputs[0].name) if node.inputs[0].name else None
    for position, out in enumerate(node.outputs):
        inner = body.outputs[1 + position]
        shape = shapes.get(inner.name)
        if position < len(initial):
            _leave(engine, out, inner, shape if shape == shapes.get(initial[position].name) else None)
        else:  # a loop that may stop early collects an unknown number
            known = shape is not None and turns is not None and _runs_through(engine, body)
            _leave(
                engine,
                out,
                inner,
                (int(turns.item()), *shape) if known and shape is not None and turns is not None else None,
            )


def _runs_through(engine: ShapeEngine, body: gs.Graph) -> bool:
    """Whether the condition that a body hands on is its own input, or always true."""
    made_by = {tensor.name: node for node in body.nodes for tensor in node.outputs}
    name = body.outputs[0].name
    while name in made_by and made_by[name].op in ("Identity", "Cast"):
        name = made_by[name].inputs[0].name
    value = engine.facts.values.get(name)
    return name == body.inputs[1].name or (value is not None and bool(value))


def _scan(engine: ShapeEngine, node: gs.Node) -> None:
    body, shapes = node.attrs["body"], engine.facts.shapes
    count = node.attrs["num_scan_inputs"]
    states = len(node.inputs) - count
    axes = node.attrs.get("scan_input_axes", [0] * count)
    turns = None
    for tensor, start in zip(body.inputs[:states], node.inputs[:states], strict=True):
        _enter(engine, tensor, start.name, shapes.get(start.name))
    for tensor, whole, axis in zip(body.inputs[states:], node.inputs[states:], axes, strict=True):
        shape = shapes.get(whole.name)
        if shape is not None:
            axis %= len(shape)
            turns = shape[axis]
            shape = shape[:axis] + shape[axis + 1 :]
        _enter(engine, tensor, whole.name, shape)
    _run(engine, body)
    out_axes = node.attrs.get("scan_output_axes", [0] * (len(node.outputs) - states))
    for position, out in enumerate(node.outputs):
        inner = body.outputs[position]
        shape = shapes.get(inner.name)
        if position >= states and shape is not None and turns is not None:
            axis = out_axes[position - states] % (len(shape) + 1)
            shape = (*shape[:axis], turns, *shape[axis:])
        _leave(engine, out, inner, shape)
