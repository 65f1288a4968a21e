"""If, Loop, Scan: bodies are part of the graph; what enters and leaves them is tied."""

from __future__ import annotations

import onnx_graphsurgeon as gs

from compressor.passes.labels import fixed
from compressor.passes.op_rules import OP_RULES, AxisLabels, RuleContext


def _labels(ctx: RuleContext, tensor: gs.Tensor) -> AxisLabels:
    """Labels of a body's output; an initializer handed straight out stays whole."""
    found = ctx.state.tensors.get(tensor.name)
    return list(found) if found is not None else [fixed(size) for size in tensor.shape]


def _tie(ctx: RuleContext, one: AxisLabels, other: AxisLabels) -> None:
    # Where sizes differ the node's output has no known shape, and no rule runs.
    for a, b in zip(one, other, strict=True):
        ctx.unify(a, b)


@OP_RULES.register("If")
def if_op(ctx: RuleContext) -> None:
    """Both branches give the same axes."""
    then, other = ctx.attr("then_branch"), ctx.attr("else_branch")
    ctx.run_body(then)
    ctx.run_body(other)
    for slot, (a, b) in enumerate(zip(then.outputs, other.outputs, strict=True)):
        labels = _labels(ctx, a)
        _tie(ctx, labels, _labels(ctx, b))
        ctx.output(labels, slot)


@OP_RULES.register("Loop")
def loop(ctx: RuleContext) -> None:
    """Carried values keep their axes from turn to turn; what is collected gets a turn axis in front."""
    body = ctx.attr("body")
    carried = [ctx.labels(slot) for slot in range(2, len(ctx.node.inputs))]
    number: AxisLabels = []
    condition: AxisLabels = []
    for tensor, labels in zip(body.inputs, [number, condition, *carried], strict=True):
        ctx.state.tensors[tensor.name] = list(labels)
    ctx.run_body(body)
    for slot, labels in enumerate(carried):
        _tie(ctx, labels, _labels(ctx, body.outputs[1 + slot]))
        ctx.output(list(labels), slot)
    for slot in range(len(carried), len(ctx.node.outputs)):
        turns = ctx.out_shape(slot)[0]
        ctx.output([fixed(turns), *_labels(ctx, body.outputs[1 + slot])], slot)


@OP_RULES.register("Scan")
def scan(ctx: RuleContext) -> None:
    """States as in Loop; each scanned input loses its axis in the body, each collected output gains one."""
    body, count = ctx.attr("body"), ctx.attr("num_scan_inputs")
    states = len(ctx.node.inputs) - count
    in_axes = ctx.attr("scan_input_axes", [0] * count)
    out_axes = ctx.attr("scan_output_axes", [0] * (len(ctx.node.outputs) - states))
    carried = [ctx.labels(slot) for slot in range(states)]
    for tensor, labels in zip(body.inputs[:states], carried, strict=True):
        ctx.state.tensors[tensor.name] = list(labels)
    for tensor, slot, given in zip(body.inputs[states:], range(states, states + count), in_axes, strict=True):
        labels, axis = ctx.labels(slot), ctx.axis(given, slot)
        ctx.pin(labels[axis], "Scan runs along this axis")
        ctx.state.tensors[tensor.name] = [own for i, own in enumerate(labels) if i != axis]
    ctx.run_body(body)
    for slot, labels in enumerate(carried):
        _tie(ctx, labels, _labels(ctx, body.outputs[slot]))
        ctx.output(list(labels), slot)
    for slot, given in zip(range(states, len(ctx.node.outputs)), out_axes, strict=True):
        labels = _labels(ctx, body.outputs[slot])
        axis = given % (len(labels) + 1)
        labels.insert(axis, fixed(ctx.out_shape(slot)[axis]))
        ctx.output(labels, slot)
