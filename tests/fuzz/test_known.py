"""Families of graphs whose channel spaces are known from how they are built: over-caution shows here."""

from __future__ import annotations

import pytest

from compressor.model_io import from_proto
from compressor.normalize import normalize
from compressor.passes.analysis import Analysis, analyse
from tests.fuzz.builder import Builder, Dim, Value, dims
from tests.fuzz.draw import Draw, ReplayDraw
from tests.fuzz.pictures import conv
from tests.fuzz.shaping import reshape
from tests.fuzz.tokens import gemm
from tests.passes.graphs import prove, removals

BATCH = Dim(1, ("N",))


def _builder() -> Builder:
    draw: Draw = ReplayDraw([])  # the simplest choice everywhere
    return Builder(draw, 18)


def _analysed(b: Builder, out: Value) -> Analysis:
    b.outputs.append(out)
    return analyse(normalize(from_proto(b.proto())))


def _sizes(analysis: Analysis) -> list[int]:
    """Sizes of all spaces, after proving removals from them."""
    for atoms in removals(analysis):
        prove(analysis, atoms)
    return sorted(space.size for space in analysis.spaces)


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_residual_stages_are_one_space_and_every_middle_is_its_own(depth: int) -> None:
    b = _builder()
    v = conv(b, b.input(dims(BATCH, 3, 4, 4)), 6)
    for width in range(2, 2 + depth):
        v = b.unary("Relu", b.add(v, conv(b, b.unary("Relu", conv(b, v, width)), 6)))
    analysis = _analysed(b, b.linear(b.reduce("ReduceMean", v, [2, 3], keep=False), 3, bias=False))
    assert _sizes(analysis) == sorted([6, *range(2, 2 + depth)])


@pytest.mark.parametrize("depth", [1, 3])
def test_every_layer_of_a_densenet_is_a_space(depth: int) -> None:
    b = _builder()
    v = conv(b, b.input(dims(BATCH, 3, 4, 4)), 5)
    for width in range(2, 2 + depth):
        v = b.concat([v, b.unary("Relu", conv(b, v, width))], 1)
    analysis = _analysed(b, b.linear(b.reduce("ReduceMean", v, [2, 3], keep=False), 3, bias=False))
    assert _sizes(analysis) == sorted([5, *range(2, 2 + depth)])


def test_a_depthwise_convolution_follows_the_channels_it_reads() -> None:
    b = _builder()
    v = conv(b, b.input(dims(BATCH, 3, 4, 4)), 7)
    v = conv(b, conv(b, v, 7, group=7), 5)
    analysis = _analysed(b, b.linear(b.reduce("ReduceMean", v, [2, 3], keep=False), 3, bias=False))
    assert _sizes(analysis) == [5, 7]


@pytest.mark.parametrize(("heads", "width"), [(2, 4), (3, 2)])
def test_attention_has_heads_a_width_of_queries_and_a_width_of_values(heads: int, width: int) -> None:
    b = _builder()
    x = b.input(dims(BATCH, Dim(1, ("S",)), 6))

    def project() -> Value:
        flat = b.linear(x, heads * width, bias=False)
        return b.transpose(reshape(b, flat, (*x.shape[:2], Dim(heads), Dim(width))), 0, 2, 1, 3)

    q, k, v = project(), project(), project()
    scores = b.op("MatMul", [q, b.transpose(k, 0, 1, 3, 2)], (BATCH, Dim(heads), x.shape[1], x.shape[1]))
    mixed = b.op("MatMul", [b.unary("Softmax", scores, axis=-1), v], v.shape)
    out = b.linear(reshape(b, b.transpose(mixed, 0, 2, 1, 3), (*x.shape[:2], Dim(heads * width))), 6, bias=False)
    assert _sizes(_analysed(b, out)) == sorted([heads, width, width])


def test_flattened_pictures_keep_their_channels_apart_from_their_pixels() -> None:
    b = _builder()
    v = conv(b, b.input(dims(BATCH, 3, 4, 4)), 5)
    flat = reshape(b, v, (BATCH, Dim(5 * 16)))
    analysis = _analysed(b, gemm(b, b.unary("Relu", gemm(b, flat, 4)), 3))
    assert _sizes(analysis) == [4, 5]


def test_a_channel_shuffle_cuts_whole_groups_or_whole_positions() -> None:
    """Three groups of two, read in the other order: rows and columns of the table are what may go."""
    b = _builder()
    v = conv(b, b.input(dims(BATCH, 3, 4, 4)), 6)
    five = reshape(b, v, (BATCH, Dim(3), Dim(2), Dim(4), Dim(4)))
    back = reshape(b, b.transpose(five, 0, 2, 1, 3, 4), v.shape)
    analysis = _analysed(b, b.linear(b.reduce("ReduceMean", back, [2, 3], keep=False), 3, bias=False))
    assert _sizes(analysis) == [2, 3]
