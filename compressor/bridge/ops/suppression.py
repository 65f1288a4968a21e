"""NonMaxSuppression."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from compressor.bridge.lowering import LOWERINGS, LowerContext
from compressor.bridge.ops.host_values import one


def non_max_suppression(
    boxes: Tensor, scores: Tensor, most: Any, most_overlap: Any, least_score: Any, centers: bool
) -> Tensor:
    """(batch, class, box) of the boxes that stay, class by class, the best first.

    Args:
        boxes: batch x boxes x 4: two opposite corners, y before x; or with ``centers`` x, y, width, height.
        scores: batch x classes x boxes.
        most: boxes that stay of each class.
        most_overlap: a box goes that shares more of its area (intersection over union) with a better one.
        least_score: boxes not better than this go, if given.
    """
    most, most_overlap, least_score = (one(value) for value in (most, most_overlap, least_score))
    found = []
    for batch in range(boxes.shape[0]):
        corners = _corners(boxes[batch], centers)
        for kind in range(scores.shape[1]):
            for box in _best(corners, scores[batch, kind], most, most_overlap, least_score):
                found.append([batch, kind, box])
    return torch.tensor(found, dtype=torch.int64, device=boxes.device).reshape(-1, 3)


def _best(corners: Tensor, scores: Tensor, most: int, most_overlap: float, least_score: float | None) -> list[int]:
    order = torch.argsort(scores, descending=True, stable=True)
    if least_score is not None:
        order = order[scores[order] > least_score]
    kept: list[int] = []
    while len(kept) < most and order.numel():
        kept.append(int(order[0]))
        order = order[1:]
        order = order[_overlap(corners[kept[-1]], corners[order]) <= most_overlap]
    return kept


def _corners(boxes: Tensor, centers: bool) -> Tensor:
    """Lower then upper corner of each box."""
    first, second = boxes[:, :2], boxes[:, 2:]
    if centers:
        return torch.cat([first - second / 2, first + second / 2], 1)
    return torch.cat([torch.minimum(first, second), torch.maximum(first, second)], 1)


def _overlap(box: Tensor, others: Tensor) -> Tensor:
    """Intersection over union of one box with each of the others; nothing overlaps a box without area."""
    inside = (torch.minimum(box[2:], others[:, 2:]) - torch.maximum(box[:2], others[:, :2])).clamp(min=0).prod(1)
    union = (box[2:] - box[:2]).prod() + (others[:, 2:] - others[:, :2]).prod(1) - inside
    return torch.where(union > 0, inside / union, torch.zeros_like(inside))


@LOWERINGS.register("NonMaxSuppression")
def _non_max_suppression(ctx: LowerContext) -> Any:
    most, most_overlap, least = (ctx.host(slot) if ctx.has(slot) else None for slot in (2, 3, 4))
    limits = (0 if most is None else most, 0.0 if most_overlap is None else most_overlap, least)
    return ctx.call(non_max_suppression, ctx.tensor(0), ctx.tensor(1), *limits, bool(ctx.attr("center_point_box", 0)))
