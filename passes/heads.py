"""Attention heads: labels of packed [.., heads * width] axes, and what ties queries, keys and values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compressor.passes.labels import Labels
from compressor.passes.op_rules import RuleContext
from compressor.passes.split_merge import merge, split


@dataclass(frozen=True)
class Heads:
    """Labels of one operand: per head, and per index inside a head."""

    head: Labels
    width: Labels

    @classmethod
    def packed(cls, ctx: RuleContext, axis: Labels, count: int) -> Heads:
        """Heads of an axis of ``count`` x width indices."""
        head, width = split(ctx.store, axis, [count, axis.size // count])
        return cls(head, width)

    def joined(self, ctx: RuleContext) -> Labels:
        """The packed axis."""
        return merge(ctx.store, [self.head, self.width])


def tie(ctx: RuleContext, query: Heads, key: Heads, value: Heads) -> Heads:
    """Scores contract the widths of query and key; each key/value head serves a run of query heads.

    Returns the heads of the result: the query's heads with the value's width.
    """
    ctx.unify(query.width, key.width)
    ctx.unify(key.head, value.head)
    group = query.head
    if query.head.size != key.head.size:
        group, _ = split(ctx.store, query.head, [key.head.size, query.head.size // key.head.size])
    ctx.unify(group, key.head)
    return Heads(query.head, value.width)


def kept_heads(mask: NDArray[np.bool_] | None, count: int) -> int:
    """How many of ``count`` heads of a packed axis keep any index."""
    return count if mask is None else int(mask.reshape(count, -1).any(axis=1).sum())
