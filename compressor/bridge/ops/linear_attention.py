"""Ops of recurrent language models: LinearAttention, CausalConvWithState, TensorScatter; and FlexAttention."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from compressor.bridge.attention import merge_heads, split_heads
from compressor.bridge.lowering import LOWERINGS, LowerContext
from compressor.bridge.tensor_types import torch_type


@LOWERINGS.register("LinearAttention")
def lower_linear_attention(ctx: LowerContext) -> Any:
    """The recurrence, token by token."""
    return ctx.outputs(
        linear_attention, 2, ctx.tensor(0), ctx.tensor(1), ctx.tensor(2), ctx.maybe(3), ctx.maybe(4), ctx.maybe(5),
        ctx.attr("q_num_heads"), ctx.attr("kv_num_heads"), ctx.attr("scale", 0.0),
    )  # fmt: skip


def linear_attention(
    q: Tensor, k: Tensor, v: Tensor, past: Tensor | None, decay: Tensor | None, beta: Tensor | None, heads: int,
    kv_heads: int, scale: float,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """A state [batch, kv_heads, d_k, d_v] decays, is corrected where ``beta`` is given, and takes in each token."""
    work = torch.promote_types(q.dtype, torch.float32)
    queries = split_heads(q, heads).to(work) * (scale or 1 / math.sqrt(q.shape[-1] // heads))
    keys, values = split_heads(k, kv_heads).to(work), split_heads(v, kv_heads).to(work)
    keep = None if decay is None else split_heads(decay, kv_heads).to(work).exp()
    rate = None if beta is None else beta.to(work).transpose(1, 2)  # [batch, kv_heads or 1, time]
    first = values.new_zeros(keys.shape[0], kv_heads, keys.shape[-1], values.shape[-1])
    state = first if past is None else past.to(work)
    results = []
    for time in range(queries.shape[2]):
        key, value = keys[:, :, time], values[:, :, time]
        if keep is not None:
            state = state * keep[:, :, time].unsqueeze(-1)
        if rate is not None:
            known = (state * key.unsqueeze(-1)).sum(-2)
            value = rate[:, :, time].unsqueeze(-1) * (value - known)
        state = state + key.unsqueeze(-1) * value.unsqueeze(-2)
        read = state.repeat_interleave(heads // kv_heads, 1)
        results.append((read * queries[:, :, time].unsqueeze(-1)).sum(-2))
    return merge_heads(torch.stack(results, 2)).to(q.dtype), state.to(q.dtype if past is None else past.dtype)


@LOWERINGS.register("CausalConvWithState")
def lower_causal_conv(ctx: LowerContext) -> Any:
    """A convolution over the past and present of each channel."""
    silu = ctx.attr("activation", "none") in ("silu", "swish")
    return ctx.outputs(causal_conv, 2, ctx.tensor(0), ctx.tensor(1), ctx.maybe(2), ctx.maybe(3), silu)


def causal_conv(
    x: Tensor, weight: Tensor, bias: Tensor | None, past: Tensor | None, silu: bool
) -> tuple[Tensor, Tensor]:
    """``x``: [batch, channels, time]; the state is the last inputs, one fewer than the kernel has taps."""
    before = weight.shape[2] - 1
    whole = F.pad(x, (before, 0)) if past is None else torch.cat((past, x), 2)
    result = torch.conv1d(whole, weight, bias, groups=x.shape[1])
    return F.silu(result) if silu else result, whole.narrow(2, whole.shape[2] - before, before)


@LOWERINGS.register("TensorScatter")
def lower_tensor_scatter(ctx: LowerContext) -> Any:
    """A cache with new entries written in."""
    axis, circular = ctx.attr("axis", -2), ctx.attr("mode", "linear") == "circular"
    return ctx.call(tensor_scatter, ctx.tensor(0), ctx.tensor(1), ctx.maybe(2), axis, circular)


def tensor_scatter(cache: Tensor, update: Tensor, starts: Tensor | None, axis: int, circular: bool) -> Tensor:
    """``update`` along ``axis`` of ``cache``, for each sample of the batch from its own start."""
    axis = axis % cache.ndim
    places = torch.arange(update.shape[axis], device=cache.device).unsqueeze(0)
    if starts is not None:
        places = places + starts.view(-1, 1)
    if circular:
        places = places % cache.shape[axis]
    shape = [places.shape[0] if i == 0 else -1 if i == axis else 1 for i in range(cache.ndim)]
    return cache.scatter(axis, places.view(shape).expand_as(update), update)


@LOWERINGS.register("ai.onnx.preview::FlexAttention")
def lower_flex_attention(ctx: LowerContext) -> Any:
    """Attention whose scores and weights go through graphs of their own."""
    kind = ctx.attr("softmax_precision")
    precision = torch_type(kind, f"node {ctx.node.name!r}") if kind else None
    bodies: list[Any] = []
    for name in ("score_mod", "prob_mod"):
        graph = ctx.attr(name)
        found = (None, []) if graph is None else ctx.builder.body(graph, f"{ctx.node.name or ctx.node.op}.{name}")
        bodies += found
    inputs = [ctx.tensor(slot) for slot in range(3)]
    return ctx.call(flex_attention, *inputs, *bodies, ctx.attr("scale"), precision)


def flex_attention(
    q: Tensor, k: Tensor, v: Tensor, score_mod: Any, score_captured: list[Tensor], prob_mod: Any,
    prob_captured: list[Tensor], scale: float | None, precision: torch.dtype | None,
) -> Tensor:  # fmt: skip
    """The modifiers take a tensor and what they capture, and give a tuple of one tensor."""
    if q.shape[1] != k.shape[1]:
        k, v = (x.repeat_interleave(q.shape[1] // x.shape[1], 1) for x in (k, v))
    work = precision or torch.promote_types(q.dtype, torch.float32)
    scores = (q.to(work) @ k.to(work).mT) * (1 / math.sqrt(q.shape[-1]) if scale is None else scale)
    if score_mod is not None:
        (scores,) = score_mod(scores, *score_captured)
    weights = torch.softmax(scores, -1)
    if prob_mod is not None:
        (weights,) = prob_mod(weights, *prob_captured)
    return (weights @ v.to(work)).to(q.dtype)
