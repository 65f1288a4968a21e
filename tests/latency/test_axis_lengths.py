"""Lengths by formula are those of the axes that a removal leaves."""

from __future__ import annotations

import numpy as np
import pytest

from compressor.passes.cost import CostModel
from compressor.passes.latency.axis_lengths import AxisLengths
from compressor.passes.latency.selection import block_sizes, exact_lengths
from tests.latency.networks import analysis_of


@pytest.mark.parametrize("name", ["resnet20", "densenet", "shufflenet_v2", "squeeze_excite", "vit", "gpt", "unet"])
def test_lengths_are_those_of_the_cut(name: str) -> None:
    analysis = analysis_of(name)
    cost, rng = CostModel(analysis), np.random.default_rng(0)
    lengths = AxisLengths(cost.table, analysis.state.store, analysis.spaces)
    sizes = np.array([space.size for space in analysis.spaces])
    for _ in range(5):
        widths = np.maximum(1, np.rint(sizes * rng.uniform(0.2, 1, sizes.size)).astype(np.int64))
        pairs = zip(analysis.spaces, widths, strict=True)
        atoms = np.sort(np.concatenate([rng.permutation(space.atoms)[width:] for space, width in pairs]))
        assert np.array_equal(lengths.lengths(widths[None]), exact_lengths(cost, atoms))
    assert lengths.lengths(np.stack([sizes, np.maximum(1, sizes // 2)])).shape[0] == 2


def test_a_block_fills_whole_steps_of_every_axis() -> None:
    analysis = analysis_of("vit")
    cost = CostModel(analysis)
    lengths = AxisLengths(cost.table, analysis.state.store, analysis.spaces)
    repeats = lengths.repeats()
    blocks = block_sizes(lengths, {row: 16 for row, _, _ in repeats})
    for row, space, repeat in repeats:
        assert blocks[space] * repeat % 16 == 0, row
    assert (block_sizes(lengths, {}) == 1).all()
