"""BatchNormalization: running statistics are buffers; ``module.train()`` makes it use and update them."""

from __future__ import annotations

from typing import Any

import onnx_graphsurgeon as gs
import torch
import torch.nn.functional as F
from torch import Tensor

from compressor.bridge.lowering import LOWERINGS, LowerContext


@LOWERINGS.register("BatchNormalization", "SpatialBN")
def batch_norm(ctx: LowerContext) -> Any:
    """ONNX's momentum is the share that stays, PyTorch's the share that is new."""
    eps, momentum = ctx.attr("epsilon", 1e-5), 1 - ctx.attr("momentum", 0.9)
    if ctx.opset < 9 and not ctx.attr("spatial", 1):
        raise ctx.error("spatial=0 has no counterpart in PyTorch")
    x, scale, bias, mean, variance = ctx.tensors()
    if ctx.attr("training_mode", 0):
        return ctx.outputs(batch_norm_in_training, 3, x, scale, bias, mean, variance, momentum, eps)
    training = ctx.training() if _owns_statistics(ctx) else False
    return ctx.call(F.batch_norm, x, mean, variance, scale, bias, training, momentum, eps)


def _owns_statistics(ctx: LowerContext) -> bool:
    """Whether both statistics are initializers that only batch norms read, so that training may change them."""
    return all(
        isinstance(tensor, gs.Constant) and all(reader.op == "BatchNormalization" for reader in tensor.outputs)
        for tensor in ctx.node.inputs[3:5]
    )


def batch_norm_in_training(
    x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, variance: Tensor, momentum: float, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """What ``training_mode=1`` says: batch statistics, and the running ones as further outputs.

    ONNX's running variance takes the population variance, PyTorch's the sample variance.
    """
    axes = [axis for axis in range(x.ndim) if axis != 1]
    batch_variance, batch_mean = torch.var_mean(x.to(mean.dtype), axes, correction=0)
    result = F.batch_norm(x, None, None, scale, bias, True, 0.0, eps)
    return result, torch.lerp(mean, batch_mean, momentum), torch.lerp(variance, batch_variance, momentum)
