"""RNN, GRU and LSTM: PyTorch's own where the options allow it, with the gates put in its order; else step by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from compressor.bridge.lowering import LOWERINGS, LowerContext
from compressor.bridge.recurrent_loop import ACTIVATIONS, DEFAULTS, Activation, unrolled

_DEFAULT_ACTIVATIONS = {"RNN": ["tanh"], "GRU": ["sigmoid", "tanh"], "LSTM": ["sigmoid", "tanh", "tanh"]}
_GATE_ORDER = {"RNN": (0,), "GRU": (1, 0, 2), "LSTM": (0, 2, 3, 1)}  # PyTorch's: r z n; i f g o


@LOWERINGS.register("RNN", "GRU", "LSTM")
def recurrent(ctx: LowerContext) -> Any:
    """Outputs Y, Y_h and, of an LSTM, Y_c."""
    op, direction = ctx.node.op, ctx.attr("direction", "forward")
    backward = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}[direction]
    activations = _activations(ctx, len(backward))
    clip, by_batch = float(ctx.attr("clip") or 0.0), bool(ctx.attr("layout", 0))
    option = bool(ctx.attr("linear_before_reset" if op == "GRU" else "input_forget", 0))
    x, w, r, b, lengths, h = ctx.tensor(0), ctx.tensor(1), ctx.tensor(2), ctx.maybe(3), ctx.maybe(4), ctx.maybe(5)
    c, peepholes = ctx.maybe(6), ctx.maybe(7)  # of an LSTM only
    native = _native_name(op, activations, option) if lengths is None and peepholes is None and not clip else None
    if native:
        found = ctx.outputs(native_recurrent, 3, native, op, x, w, r, b, h, c, backward, by_batch)
    else:
        found = ctx.outputs(
            looped, 3, op, x, w, r, b, lengths, h, c, peepholes, activations, backward, clip, option, by_batch
        )
    return found if op == "LSTM" else found[:2]


def _activations(ctx: LowerContext, directions: int) -> tuple[tuple[Activation, ...], ...]:
    """Of each direction; alphas and betas go, in order, to those functions that have one."""
    standard = _DEFAULT_ACTIVATIONS[ctx.node.op]
    names = [name.lower() for name in ctx.attr("activations") or standard * directions]
    alphas, betas = iter(ctx.attr("activation_alpha") or ()), iter(ctx.attr("activation_beta") or ())
    found: list[Activation] = []
    for name in names:
        if name not in ACTIVATIONS:
            raise ctx.error(f"unknown activation {name!r}")
        alpha, beta = DEFAULTS.get(name, (None, None))
        a = 0.0 if alpha is None else next(alphas, alpha)
        found.append((name, a, 0.0 if beta is None else next(betas, beta)))
    count = len(standard)
    return tuple(tuple(found[d * count : (d + 1) * count]) for d in range(directions))


def _native_name(op: str, activations: Sequence[Sequence[Activation]], option: bool) -> str | None:
    """PyTorch's function that computes the same, or None."""
    names = [[activation[0] for activation in one] for one in activations]
    if op == "RNN":
        return f"rnn_{names[0][0]}" if names[0][0] in ("tanh", "relu") and names.count(names[0]) == len(names) else None
    if any(one != _DEFAULT_ACTIVATIONS[op] for one in names):
        return None
    # PyTorch resets after the product; it has no coupled gates.
    return op.lower() if option == (op == "GRU") else None


def _zeros(x: Tensor, r: Tensor) -> Tensor:
    return x.new_zeros(r.shape[0], x.shape[1], r.shape[2])


def native_recurrent(
    function: str, op: str, x: Tensor, w: Tensor, r: Tensor, b: Tensor | None, h: Tensor | None, c: Tensor | None,
    backward: tuple[bool, ...], by_batch: bool,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """One call for all steps."""
    if by_batch:
        x, h, c = x.transpose(0, 1), _swapped(h), _swapped(c)
    directions, _, hidden = r.shape
    weights = _torch_weights(op, w, r, b)
    reverse = backward == (True,)
    start = _zeros(x, r) if h is None else h
    state: Any = (start, _zeros(x, r) if c is None else c) if op == "LSTM" else start
    learns = torch.is_grad_enabled()  # cuDNN has no backward pass without its "train"
    result = getattr(torch, function)(
        x.flip(0) if reverse else x, state, weights, b is not None, 1, 0.0, learns, directions == 2, False
    )
    y = result[0].flip(0) if reverse else result[0]
    y = y.view(*y.shape[:2], directions, hidden).transpose(1, 2)
    return _arranged(y, result[1], result[-1], by_batch)


def _torch_weights(op: str, w: Tensor, r: Tensor, b: Tensor | None) -> list[Tensor]:
    """For each direction the weights of input and recurrence and their biases, gates in PyTorch's order."""
    order = _GATE_ORDER[op]

    def put(matrix: Tensor) -> Tensor:
        gates = matrix.chunk(len(order))
        return torch.cat([gates[i] for i in order]) if len(order) > 1 else matrix

    found = []
    for d in range(w.shape[0]):
        biases = [] if b is None else list(b[d].chunk(2))
        found += [put(matrix) for matrix in (w[d], r[d], *biases)]
    return found


def _swapped(state: Tensor | None) -> Tensor | None:
    return None if state is None else state.transpose(0, 1).contiguous()


def _arranged(y: Tensor, h: Tensor, c: Tensor, by_batch: bool) -> tuple[Tensor, Tensor, Tensor]:
    """[time, directions, batch, hidden] and states; or, by batch, [batch, time, directions, hidden] and states."""
    if by_batch:
        return y.permute(2, 0, 1, 3), h.transpose(0, 1), c.transpose(0, 1)
    return y, h, c


def looped(
    op: str, x: Tensor, w: Tensor, r: Tensor, b: Tensor | None, lengths: Tensor | None, h: Tensor | None,
    c: Tensor | None, peepholes: Tensor | None, activations: tuple[tuple[Activation, ...], ...],
    backward: tuple[bool, ...], clip: float, option: bool, by_batch: bool,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Step by step."""
    if by_batch:
        x, h, c = x.transpose(0, 1), _swapped(h), _swapped(c)
    h, c = (_zeros(x, r) if state is None else state for state in (h, c))
    results = unrolled(op, x, w, r, b, lengths, h, c, peepholes, activations, backward, clip, option)
    return _arranged(*results, by_batch)
