"""If, Loop and Scan: bodies are modules of their own, called by a Python branch or loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from compressor.bridge.lowering import LOWERINGS, LowerContext
from compressor.bridge.ops.element_types import run_time_type
from compressor.bridge.ops.host_values import one
from compressor.bridge.tensor_types import torch_type
from compressor.tensor_values import onnx_type


def branch(condition: Any, yes: nn.Module, yes_inputs: Sequence[Any], no: nn.Module, no_inputs: Sequence[Any]) -> Any:
    """One of two modules."""
    return yes(*yes_inputs) if one(condition) else no(*no_inputs)


def repeat(
    body: nn.Module, count: Any, condition: Any, state: Sequence[Any], captured: Sequence[Any], empty: Sequence[Any]
) -> tuple[Any, ...]:
    """ONNX's Loop: the last state, and what every iteration adds to each list, stacked.

    Args:
        body: takes the iteration's number, the condition, the state and what is captured.
        count: most iterations; None sets no limit.
        condition: whether to begin; None means yes.
        state: what goes from iteration to iteration.
        captured: values from around the loop.
        empty: for each list, what it is if nothing is added.
    """
    proceed = True if condition is None else one(condition)
    limit = None if count is None else one(count)
    added: list[list[Any]] = [[] for _ in empty]
    i = 0
    while proceed and (limit is None or i < limit):
        proceed, *results = body(i, proceed, *state, *captured)
        proceed = bool(proceed)
        state = results[: len(state)]
        for items, item in zip(added, results[len(state) :], strict=True):
            items.append(item)
        i += 1
    stacked = (torch.stack(items) if items else nothing for items, nothing in zip(added, empty, strict=True))
    return (*state, *stacked)


def scan(
    body: nn.Module,
    state: Sequence[Tensor],
    inputs: Sequence[Tensor],
    captured: Sequence[Any],
    read: Sequence[tuple[int, bool]],
    write: Sequence[tuple[int, bool]],
) -> tuple[Any, ...]:
    """ONNX's Scan: the last state, and the outputs of all steps, stacked.

    Args:
        body: takes the state, one slice of each input and what is captured.
        state: what goes from step to step.
        inputs: all of the same size along their axes.
        captured: values from around the loop.
        read: (axis, backwards?) of each input.
        write: (axis, backwards?) of each output.
    """
    added: list[list[Tensor]] = [[] for _ in write]
    parts = [x.unbind(axis)[:: -1 if back else 1] for x, (axis, back) in zip(inputs, read, strict=True)]
    for step in zip(*parts, strict=True):
        results = body(*state, *step, *captured)
        state = results[: len(state)]
        for items, item in zip(added, results[len(state) :], strict=True):
            items.append(item)
    stacked = [torch.stack(x[:: -1 if back else 1], axis) for x, (axis, back) in zip(added, write, strict=True)]
    return (*state, *stacked)


@LOWERINGS.register("If")
def _if(ctx: LowerContext) -> Any:
    condition, name = one(ctx.host(0)), ctx.node.name or ctx.node.outputs[0].name
    yes, no = ctx.attr("then_branch"), ctx.attr("else_branch")
    if not isinstance(condition, fx.Node):
        return tuple(ctx.builder.inline(yes if condition else no))
    bodies = (*ctx.builder.body(yes, f"{name}.then"), *ctx.builder.body(no, f"{name}.else"))
    return ctx.outputs(branch, len(ctx.node.outputs), condition, *bodies)


@LOWERINGS.register("Loop")
def _loop(ctx: LowerContext) -> Any:
    body, name = ctx.attr("body"), ctx.node.name or ctx.node.outputs[0].name
    module, captured = ctx.builder.body(body, name, host_inputs=(0, 1), host_outputs=(0,))
    count, condition = (ctx.host(slot) if ctx.has(slot) else None for slot in (0, 1))
    state = [ctx.tensor(slot) for slot in range(2, ctx.count())]
    empty = [_nothing(ctx, tensor) for tensor in body.outputs[1 + len(state) :]]
    return ctx.outputs(repeat, len(ctx.node.outputs), module, count, condition, state, captured, empty)


def _nothing(ctx: LowerContext, element: Any) -> Any:
    """What a list of such elements is without any: axes of unknown size are empty too."""
    sizes = [size if isinstance(size, int) else 0 for size in element.shape or ()]
    kind = None if element.dtype is None else torch_type(onnx_type(element.dtype), element.name)
    return ctx.call(torch.zeros, (0, *sizes), dtype=run_time_type(ctx, kind or ctx.builder.main_type()))


@LOWERINGS.register("Scan")
def _scan(ctx: LowerContext) -> Any:
    body, name = ctx.attr("body"), ctx.node.name or ctx.node.outputs[0].name
    module, captured = ctx.builder.body(body, name)
    read = ctx.attr("num_scan_inputs")
    states = ctx.count() - read
    write = len(ctx.node.outputs) - states
    values = ctx.tensors()
    reading = _directions(ctx, "input", read), _directions(ctx, "output", write)
    return ctx.outputs(scan, states + write, module, values[:states], values[states:], captured, *reading)


def _directions(ctx: LowerContext, which: str, count: int) -> list[tuple[int, bool]]:
    """(axis, backwards?) of scanned inputs or outputs."""
    axes = ctx.attr(f"scan_{which}_axes") or [0] * count
    backwards = ctx.attr(f"scan_{which}_directions") or [0] * count
    return list(zip(axes, map(bool, backwards), strict=True))
