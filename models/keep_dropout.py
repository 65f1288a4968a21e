"""Dropout that survives an export in evaluation mode, whichever exporter is at work.

A module in evaluation mode calls its dropouts with ``training=False``, and both exporters leave such
calls out. Exporting in training mode instead would change whatever else the module does in training
(auxiliary heads, stochastic depth, batch statistics). So the module stays in evaluation mode and only
the calls to dropout are answered, through PyTorch's function modes, as if they were training.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

_ELEMENTS = (F.dropout, torch.dropout)
# Whole channels go: rank of a batch of theirs, in which axes 0 and 1 are sample and channel.
_CHANNELS = {F.dropout1d: 3, F.dropout2d: 4, F.dropout3d: 5}
_WITHOUT_OPERATOR = (F.alpha_dropout, F.feature_alpha_dropout)
_LEFT_OUT = "dropout is left out of the training form"


class KeepDropout(TorchFunctionMode):
    """While active, calls to dropout are traced as dropouts, with their ratio, although the module is not training.

    Attributes:
        notes: what could not be kept, one sentence each.
    """

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[str] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _ELEMENTS:
            x, ratio = _data_and_ratio(args, kwargs)
            return torch.dropout(x, ratio, True) if ratio else x
        if func in _CHANNELS:
            x, ratio = _data_and_ratio(args, kwargs)
            if not ratio:
                return x
            if x.ndim == _CHANNELS[func]:
                return x * torch.dropout(x.new_ones((*x.shape[:2], *[1] * (x.ndim - 2))), ratio, True)
            self._note(f"{func.__name__} of {x.ndim} axes has no ONNX form: this {_LEFT_OUT}")
        elif func in _WITHOUT_OPERATOR:
            self._note(f"{func.__name__} has no ONNX operator: this {_LEFT_OUT}")
        elif func is F.multi_head_attention_forward:
            return _attend(args, kwargs)
        return func(*args, **kwargs)

    def _note(self, sentence: str) -> None:
        if sentence not in self.notes:
            self.notes.append(sentence)


def recurrent_notes(module: nn.Module) -> list[str]:
    """One sentence for each recurrent layer with dropout between its levels, which no exporter can write."""
    return [
        f"{name or type(part).__name__}: ONNX has no dropout between levels of a recurrent layer: this {_LEFT_OUT}"
        for name, part in module.named_modules()
        if isinstance(part, nn.RNNBase) and part.dropout and part.num_layers > 1
    ]


def _data_and_ratio(args: Sequence[Any], kwargs: Any) -> tuple[Tensor, float]:
    """Of any dropout function: all call them ``input`` and ``p``, in this order."""
    x = args[0] if args else kwargs["input"]
    ratio = args[1] if len(args) > 1 else kwargs.get("p", 0.5)
    return x, float(ratio)


def _attend(args: Sequence[Any], kwargs: Any) -> Any:
    """``multi_head_attention_forward`` zeroes its ratio itself unless it is told to train.

    Asked for the weights it computes them openly, dropout and all; fused, dynamo's decomposition loses the dropout.
    """
    call = inspect.signature(F.multi_head_attention_forward).bind(*args, **kwargs)
    call.apply_defaults()
    wanted = call.arguments
    wanted["is_causal"] = bool(wanted["is_causal"])  # tracing makes a tensor of it, which attention refuses
    if not wanted["dropout_p"]:
        return F.multi_head_attention_forward(*call.args, **call.kwargs)
    weights_wanted = wanted["need_weights"]
    wanted["training"] = wanted["need_weights"] = True
    output, weights = F.multi_head_attention_forward(*call.args, **call.kwargs)
    return output, weights if weights_wanted else None
