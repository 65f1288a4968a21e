"""Masks of single weights: unstructured, or N of every M along the inputs of a product. No size changes.

A weight is an initializer that a Conv, ConvTranspose, Gemm or MatMul multiplies an activation by. To add a criterion of
weights: a function in a file of ``passes/sparsity_criteria`` under ``@weight_criterion("name")``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import onnx_graphsurgeon as gs
from numpy.typing import NDArray

from compressor.errors import GraphError, NothingToPruneError, UsageError
from compressor.graph_copy import copy_graph
from compressor.graph_edit import replace_input
from compressor.passes.analysis import Analysis
from compressor.passes.criteria.lamp import share_of_survivors
from compressor.passes.nested import all_nodes
from compressor.passes.products import Product, products_of
from compressor.passes.scores import needs_data
from compressor.passes.shape_values import Array
from compressor.passes.statistics import Statistics
from compressor.registry import Registry
from compressor.tensor_values import peek

KeepMask: TypeAlias = NDArray[np.bool_]
SparsityScope: TypeAlias = Literal["tensor", "global"]
Ranking: TypeAlias = Callable[[Product, Array, "NDArray[np.float64] | None"], Array]
"""(product, its weight, mean of x^2 of each input channel or None) -> a number for each weight, of its shape."""


@dataclass(frozen=True)
class Pattern:
    """``zeros`` of every ``block`` weights along the inputs go, as in 2:4; or, without a block, a share of all.

    Attributes:
        share: of the weights that become zero.
        block: M of N:M; None for unstructured.
        kept: N of N:M.
    """

    share: float
    block: int | None = None
    kept: int = 0

    @classmethod
    def of(cls, text: str | None, share: float | None) -> Pattern:
        """From "N:M" or a share, exactly one of them.

        Raises:
            UsageError: both, none, or out of range.
        """
        if (text is None) == (share is None):
            raise UsageError(
                "give one of --pattern and --sparsity", fix="For example --pattern 2:4, or --sparsity 0.5."
            )
        if share is not None:
            if not 0 < share < 1:
                raise UsageError(f"--sparsity {share:g} is not between 0 and 1", fix="Give the share to set to zero.")
            return cls(share)
        kept, colon, block = str(text).partition(":")
        if not (colon and kept.isascii() and block.isascii() and kept.isdigit() and block.isdigit()):
            raise UsageError(f"--pattern {text!r} is not N:M", fix="Give for example 2:4: two of every four stay.")
        if not 0 < int(kept) < int(block):
            raise UsageError(f"--pattern {text} does not keep some and drop some", fix="Give for example 2:4.")
        return cls(1 - int(kept) / int(block), int(block), int(kept))

    def __str__(self) -> str:
        return f"{self.share:g}" if self.block is None else f"{self.kept}:{self.block}"


@dataclass(frozen=True)
class WeightCriterion:
    """A registered criterion of single weights; ``needs_activations`` says whether it looks at data."""

    name: str
    rank: Ranking
    needs_activations: bool = False


WEIGHT_CRITERIA: Registry[WeightCriterion] = Registry("weight criterion", "compressor.passes.sparsity_criteria")
"""What a single weight is worth, one file each."""


def weight_criterion(name: str, *, needs_activations: bool = False) -> Callable[[Ranking], WeightCriterion]:
    """Decorator that registers a ranking of weights."""

    def add(rank: Ranking) -> WeightCriterion:
        return WEIGHT_CRITERIA.register(name)(WeightCriterion(name, rank, needs_activations))

    return add


@dataclass(frozen=True)
class Masks:
    """What stays.

    Attributes:
        kept: initializer name -> True where a weight stays.
        whole: initializer name -> why it is left as it is.
    """

    kept: Mapping[str, KeepMask]
    whole: Mapping[str, str]


def find_masks(
    analysis: Analysis, pattern: Pattern, criterion: str = "magnitude", scope: SparsityScope = "tensor",
    statistics: Statistics | None = None,
) -> Masks:  # fmt: skip
    """The weights that stay.

    Args:
        scope: "tensor" takes the share of every weight tensor; "global" ranks the weights of all together by LAMP
            (arXiv:2010.07611): score^2 over the sum of those in its tensor that are not smaller. N:M has no scope.

    Raises:
        UsageError: the criterion needs data and there is none.
        NothingToPruneError: the graph has no weight that the pattern fits.
        GraphError: a weight holds NaN.
    """
    if scope not in get_args(SparsityScope):
        raise UsageError(f"unknown scope {scope!r}", fix=f"Known: {', '.join(get_args(SparsityScope))}.")
    scores, whole, products = _scores(analysis, pattern, criterion, statistics)
    if not scores:
        raise NothingToPruneError("no weight of this model fits the pattern", fix="Try --sparsity, or fewer of fewer.")
    if pattern.block is not None:
        kept = {name: _blocks(values, products[name].in_axis, pattern) for name, values in scores.items()}
        return Masks(kept, whole)
    if scope == "tensor":
        return Masks({name: _largest([values], pattern.share)[0] for name, values in scores.items()}, whole)
    levelled = [_lamp(values) for values in scores.values()]
    return Masks(dict(zip(scores, _largest(levelled, pattern.share), strict=True)), whole)


def apply_masks(graph: gs.Graph, masks: Masks) -> gs.Graph:
    """A copy of the graph with the weights that do not stay set to zero; names and all else stay."""
    copied = copy_graph(graph)
    made: dict[str, gs.Constant] = {}
    for node in all_nodes(copied):
        for slot, tensor in enumerate(node.inputs):
            if isinstance(tensor, gs.Constant) and tensor.name in masks.kept:
                if tensor.name not in made:
                    values = peek(tensor)
                    zeroed = np.where(masks.kept[tensor.name], values, np.zeros((), values.dtype))
                    made[tensor.name] = gs.Constant(tensor.name, zeroed.astype(values.dtype, copy=False))
                replace_input(node, slot, made[tensor.name])
    return copied


def _scores(
    analysis: Analysis, pattern: Pattern, name: str, statistics: Statistics | None
) -> tuple[dict[str, Array], dict[str, str], dict[str, Product]]:
    """Scores by initializer, why others stay whole, and the first product that reads each."""
    criterion = WEIGHT_CRITERIA.get(name)
    products = products_of(analysis)
    moments: list[NDArray[np.float64] | None] = [None] * len(products)
    if criterion.needs_activations:
        if statistics is None:
            raise needs_data(name, ("activations",))
        moments = list(statistics.second_moments(analysis, products))
    scores: dict[str, Array] = {}
    whole: dict[str, str] = {}
    first: dict[str, Product] = {}
    for product, moment in zip(products, moments, strict=True):
        values = np.asarray(peek(analysis.nodes[product.node].inputs[product.weight]), np.float32)
        if np.isnan(values).any():
            raise GraphError("the initializer holds NaN", where=product.initializer, fix="Repair the weights.")
        if pattern.block is not None and values.shape[product.in_axis] < pattern.block:
            inputs = values.shape[product.in_axis]
            whole[product.initializer] = f"{inputs} inputs of each output, fewer than {pattern.block}"
            continue
        ranked = criterion.rank(product, values, moment)
        known = scores.get(product.initializer)  # several nodes read it: what matters to one of them stays
        scores[product.initializer] = ranked if known is None else np.maximum(known, ranked)
        first.setdefault(product.initializer, product)
    return scores, whole, first


def _lamp(scores: Array) -> Array:
    return share_of_survivors(np.square(scores.reshape(-1), dtype=np.float64)).reshape(scores.shape)


def _largest(scores: list[Array], share: float) -> list[KeepMask]:
    """Masks that drop round(share x count) of the smallest, the first of equals first."""
    flat = np.concatenate([values.reshape(-1) for values in scores])
    keep = np.ones(flat.size, np.bool_)
    keep[np.argsort(flat, kind="stable")[: round(share * flat.size)]] = False
    ends = np.cumsum([values.size for values in scores])[:-1]
    return [part.reshape(values.shape) for part, values in zip(np.split(keep, ends), scores, strict=True)]


def _blocks(scores: Array, axis: int, pattern: Pattern) -> KeepMask:
    """Of every block of M along ``axis`` the N largest stay; what is left over at the end stays whole."""
    block = pattern.block or 1
    moved = np.moveaxis(scores, axis, -1)
    full = moved.shape[-1] // block * block
    keep = np.ones(moved.shape, np.bool_)
    blocks = moved[..., :full].reshape(*moved.shape[:-1], -1, block)
    dropped = np.argsort(blocks, axis=-1, kind="stable")[..., : block - pattern.kept]
    chosen = np.ones(blocks.shape, np.bool_)
    np.put_along_axis(chosen, dropped, np.False_, axis=-1)
    keep[..., :full] = chosen.reshape(*moved.shape[:-1], full)
    return np.ascontiguousarray(np.moveaxis(keep, -1, axis))
