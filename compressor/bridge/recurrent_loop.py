"""RNN, GRU and LSTM step by step, with every option of ONNX. The way taken where PyTorch's own layers do not do."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

Activation: TypeAlias = "tuple[str, float, float]"  # lower-case name, alpha, beta
Gate: TypeAlias = "tuple[Activation, float]"  # and the clip before it, 0 for none

ACTIVATIONS: dict[str, Callable[[Tensor, float, float], Tensor]] = {
    "relu": lambda x, a, b: torch.relu(x),
    "tanh": lambda x, a, b: torch.tanh(x),
    "sigmoid": lambda x, a, b: torch.sigmoid(x),
    "affine": lambda x, a, b: a * x + b,
    "leakyrelu": lambda x, a, b: F.leaky_relu(x, a),
    "thresholdedrelu": lambda x, a, b: F.threshold(x, a, 0.0),
    "scaledtanh": lambda x, a, b: a * torch.tanh(b * x),
    "hardsigmoid": lambda x, a, b: F.hardtanh(a * x + b, 0.0, 1.0),
    "elu": lambda x, a, b: F.elu(x, a),
    "softsign": lambda x, a, b: F.softsign(x),
    "softplus": lambda x, a, b: F.softplus(x),
}
DEFAULTS: dict[str, tuple[float | None, float | None]] = {  # alpha and beta, None where the function has none
    "affine": (1.0, 0.0), "leakyrelu": (0.01, None), "thresholdedrelu": (1.0, None), "scaledtanh": (1.0, 1.0),
    "hardsigmoid": (0.2, 0.5), "elu": (1.0, None),
}  # fmt: skip


def _activate(x: Tensor, activation: Activation, clip: float) -> Tensor:
    name, alpha, beta = activation
    return ACTIVATIONS[name](x.clamp(-clip, clip) if clip else x, alpha, beta)


def rnn_step(
    x: Tensor, h: Tensor, c: Tensor, r: Tensor, bias: Tensor, peepholes: Tensor | None,
    activations: tuple[Activation, ...], clip: float, option: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """One step: inputs already multiplied by their weights, hidden and cell state, weights and bias of recurrence."""
    return _activate(x + F.linear(h, r, bias), activations[0], clip), c


def gru_step(
    x: Tensor, h: Tensor, c: Tensor, r: Tensor, bias: Tensor, peepholes: Tensor | None,
    activations: tuple[Activation, ...], clip: float, option: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Gates z, r, h; ``option`` is linear_before_reset."""
    size = h.shape[-1]
    gates = x[:, : 2 * size] + F.linear(h, r[: 2 * size], bias[: 2 * size])
    update, reset = _activate(gates, activations[0], clip).chunk(2, -1)
    weight, shift = r[2 * size :], bias[2 * size :]
    recurrent = reset * F.linear(h, weight, shift) if option else F.linear(reset * h, weight, shift)
    new = _activate(x[:, 2 * size :] + recurrent, activations[1], clip)
    return (1 - update) * new + update * h, c


def lstm_step(
    x: Tensor, h: Tensor, c: Tensor, r: Tensor, bias: Tensor, peepholes: Tensor | None,
    activations: tuple[Activation, ...], clip: float, option: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Gates i, o, f, c; ``option`` couples the input and forget gates."""
    enter, leave, forget, cell = (x + F.linear(h, r, bias)).chunk(4, -1)
    peep = None if peepholes is None else peepholes.chunk(3)
    if peep is not None:
        enter, forget = enter + peep[0] * c, forget + peep[2] * c
    enter = _activate(enter, activations[0], clip)
    forget = 1 - enter if option else _activate(forget, activations[0], clip)
    c = forget * c + enter * _activate(cell, activations[1], clip)
    leave = leave + peep[1] * c if peep is not None else leave
    return _activate(leave, activations[0], clip) * _activate(c, activations[2], 0.0), c


STEPS = {"RNN": rnn_step, "GRU": gru_step, "LSTM": lstm_step}


def _reversed(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Time turned round, within each sequence's length: [time, batch, ...]."""
    if lengths is None:
        return x.flip(0)
    times = torch.arange(x.shape[0], device=x.device).unsqueeze(1)
    index = torch.where(times < lengths, lengths - 1 - times, times)
    return x.gather(0, index.view(*index.shape, *[1] * (x.ndim - 2)).expand_as(x))


def unrolled(
    op: str, x: Tensor, w: Tensor, r: Tensor, b: Tensor | None, lengths: Tensor | None, h: Tensor, c: Tensor,
    peepholes: Tensor | None, activations: tuple[tuple[Activation, ...], ...], backward: tuple[bool, ...],
    clip: float, option: bool,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """All steps of all directions.

    Args:
        op: RNN, GRU or LSTM.
        x: [time, batch, input]; ``w`` and ``r``: [directions, gates hidden, ...]; ``b``: [directions, 2 gates hidden].
        lengths: [batch] or None; later outputs are zero, and states stay.
        h, c: [directions, batch, hidden].
        activations, backward: for each direction.

    Returns:
        [time, directions, batch, hidden], and the last hidden and cell states.
    """
    lengths = None if lengths is None else lengths.long()
    results = []
    for d, back in enumerate(backward):
        input_bias, bias = (None, torch.zeros_like(r[d, :, 0])) if b is None else b[d].chunk(2)
        ahead = F.linear(_reversed(x, lengths) if back else x, w[d], input_bias)
        peep = None if peepholes is None else peepholes[d]
        state, cell, outputs = h[d], c[d], []
        for time, step in enumerate(ahead):
            new, new_cell = STEPS[op](step, state, cell, r[d], bias, peep, activations[d], clip, option)
            if lengths is not None:
                alive = (time < lengths).unsqueeze(1)
                outputs.append(new.where(alive, torch.zeros_like(new)))
                new, new_cell = new.where(alive, state), new_cell.where(alive, cell)
            else:
                outputs.append(new)
            state, cell = new, new_cell
        stacked = torch.stack(outputs)
        results.append((_reversed(stacked, lengths) if back else stacked, state, cell))
    ys, hs, cs = zip(*results, strict=True)
    return torch.stack(ys, 1), torch.stack(hs), torch.stack(cs)
