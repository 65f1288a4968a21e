"""Attention written out in matrix products becomes the one kernel it was before the export.

The kernel never holds the matrix of scores, so memory grows with the number of tokens and not with its square.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from compressor.bridge.fused_linear import replace_call
from compressor.bridge.lowering import is_host
from compressor.bridge.ops.combining import softmax_or_zero
from compressor.bridge.ops.elementwise import divide

_LOOK_BACK = 400  # nodes


def attention(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    """softmax(scale * query @ keys + mask) @ values; ``keys`` is [..., width, tokens]."""
    return F.scaled_dot_product_attention(query, keys.transpose(-1, -2), values, mask, scale=scale)


def fuse_attention(graph: fx.Graph, attribute: Callable[[str], Any]) -> None:
    """Rewrite ``softmax(scale * q @ k + mask) @ v`` in place, where nothing else reads what lies between.

    A mask with trainable numbers (relative positions) stays written out: PyTorch has no such kernel for it. A row that
    may see nothing gives zeros where the written-out form gives NaN, from which no training recovers.

    Args:
        graph: not linted again; left-over nodes are dead.
        attribute: gives the parameter or buffer with a dotted name.
    """
    for node in graph.find_nodes(op="call_function", target=torch.matmul):
        weights, values = node.args
        if not (_only_read_here(weights) and _is_last_axis(weights)):
            continue
        scores, mask = weights.args[0], None
        if isinstance(scores, fx.Node) and scores.target is torch.add and not scores.kwargs:
            scores, mask = _scores_and_mask(scores, attribute)
            if mask is None or _is_trainable(mask, attribute):
                continue
        scores, scale = _unscaled(scores, attribute)
        if not _only_read_here(scores) or scores.target is not torch.matmul:
            continue
        (query, by), (keys, again) = (_unscaled(operand, attribute) for operand in scores.args)
        replace_call(graph, node, attention, query, keys, values, mask, scale * by * again)


def _only_read_here(value: Any) -> bool:
    return isinstance(value, fx.Node) and value.op == "call_function" and len(value.users) == 1


def _is_last_axis(node: fx.Node) -> bool:
    return node.target in (torch.softmax, softmax_or_zero) and node.args[1:] == (-1,)


def _scores_and_mask(total: fx.Node, attribute: Callable[[str], Any]) -> tuple[Any, fx.Node | None]:
    """The two operands of the sum, if one is a product that nothing else reads and the other a tensor."""
    for scores, mask in (total.args, total.args[::-1]):
        product, _ = _unscaled(scores, attribute)
        if _only_read_here(product) and product.target is torch.matmul and isinstance(mask, fx.Node):
            return scores, mask if len(total.users) == 1 else None
    return total, None


def _unscaled(value: Any, attribute: Callable[[str], Any]) -> tuple[Any, float]:
    """What is multiplied or divided by a known number, and the factor."""
    if _only_read_here(value) and len(value.args) == 2:
        number = _known_number(value.args[1], attribute)
        if number is not None and value.target is torch.mul:
            return value.args[0], number
        if number and value.target in (torch.div, divide):
            return value.args[0], 1 / number
    return value, 1.0


def _known_number(value: Any, attribute: Callable[[str], Any]) -> float | None:
    if isinstance(value, (int, float)):
        return float(value)
    known = attribute(str(value.target)) if isinstance(value, fx.Node) and value.op == "get_attr" else None
    if isinstance(known, Tensor) and not isinstance(known, nn.Parameter) and known.shape in ((), (1,)):
        return float(known)
    return None


def _is_trainable(mask: fx.Node, attribute: Callable[[str], Any]) -> bool:
    """Whether a parameter goes into the mask (or may: where it is too far to tell)."""
    wanted, seen = [mask], {mask}
    while wanted:
        node = wanted.pop()
        if node.op == "get_attr" and isinstance(attribute(str(node.target)), nn.Parameter):
            return True
        if len(seen) > _LOOK_BACK:
            return True
        fresh = [source for source in node.all_input_nodes if source not in seen and not is_host(source)]
        seen.update(fresh)
        wanted += fresh
    return False
