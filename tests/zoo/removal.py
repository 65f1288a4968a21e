"""Random removals: the hardest test of an analysis, because no score hides what it got wrong."""

from __future__ import annotations

import zlib

import numpy as np

from compressor.passes.analysis import Analysis
from compressor.passes.cost import CostModel
from compressor.passes.labels import Labels


def random_removal(analysis: Analysis, cost: CostModel, *, share: float, width: bool, seed: int) -> Labels:
    """Random atoms: ``share`` of every prunable space (rounded down), less those that must stay.

    Args:
        width: soft spaces, which a normalisation runs over, lose atoms too.
    """
    rng = np.random.default_rng(seed)
    picked = [
        rng.choice(space.atoms, int(space.size * share), replace=False)
        for space in analysis.spaces
        if width or not space.soft
    ]
    return cost.protect(np.concatenate([np.zeros(0, np.int64), *picked]))


def seed_of(name: str, seed: int) -> int:
    """A seed for one network, so that it gets the same removal whatever else is swept."""
    return zlib.crc32(f"{seed}:{name}".encode())
