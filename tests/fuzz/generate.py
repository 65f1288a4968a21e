"""Random small graphs: a trunk of blocks, each chosen among those that fit the tensor at hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import onnx

from tests.fuzz import elementwise, movement, pictures, rare, tokens
from tests.fuzz.attention import attention
from tests.fuzz.builder import MOST_ELEMENTS, Builder, Dim, Value, dims, product
from tests.fuzz.draw import Draw
from tests.fuzz.shaping import flatten

Block: TypeAlias = Callable[[Builder, Value], Value]
OPSETS = (18, 13, 17, 21, 23, 11)
_MOST_NODES = 60


@dataclass(frozen=True)
class Sample:
    """A generated model and the names of its blocks."""

    proto: onnx.ModelProto
    blocks: tuple[str, ...]
    family: str

    def describe(self) -> str:
        """The blocks and the nodes in ONNX's text form."""
        return f"{self.family}: {' > '.join(self.blocks)}\n{onnx.printer.to_text(self.proto.graph)}"


def generate(draw: Draw) -> Sample:
    """One random graph."""
    b = Builder(draw, draw.pick(OPSETS))
    family = draw.pick(["rows", "picture", "tokens"])
    live = [_start(b, family)]
    for _ in range(draw.integer(1, 7)):
        if len(b.nodes) > _MOST_NODES:
            break
        v = live[-1] if draw.chance(80) else draw.pick(live)
        out = _step(b, v)
        # What is taken may be read again: a branch. Otherwise it is used up.
        if not draw.chance(15):
            live = [other for other in live if other.name != v.name]
        live = [other for other in live if other.name != out.name] + [out]
    joined = _join(b, live)
    for v in joined:
        b.outputs.append(_head(b, v))
    return Sample(b.proto(), tuple(b.blocks), family)


def _start(b: Builder, family: str) -> Value:
    """An input and, so that there is something to prune, a layer that makes channels."""
    batch = b.draw.pick([Dim(1, ("N",)), Dim(2), Dim(1)])
    if family == "rows":
        return tokens.gemm(b, b.input(dims(batch, 3)), b.draw.integer(2, 8))
    if family == "picture":
        size = b.draw.pick([4, 6])
        return pictures.conv(b, b.input(dims(batch, 3, size, size)), b.draw.integer(2, 8))
    length = b.draw.pick([Dim(1, ("S",)), Dim(4), Dim(3)])
    return tokens.linear(b, b.input(dims(batch, length, 3)), b.draw.integer(2, 8))


def _fitting(v: Value) -> Sequence[Block]:
    own: Sequence[Block] = ()
    if pictures.is_picture(v):
        own = pictures.BLOCKS
    elif tokens.is_tokens(v):
        own = (attention, *tokens.TOKEN_BLOCKS)
    elif tokens.is_rows(v):
        own = tokens.ROW_BLOCKS
    return own


def _step(b: Builder, v: Value) -> Value:
    own = _fitting(v)
    pools: list[Sequence[Block]] = [own] * 6 if own else []
    pools += [movement.BLOCKS] * 3 + [elementwise.BLOCKS] * 2 + [rare.BLOCKS]
    block = b.draw.pick(b.draw.pick(pools))
    if block in (pictures.conv_transpose, pictures.resize, pictures.space_depth, pictures.dense) and (
        product(v.shape).factor > MOST_ELEMENTS // 4
    ):
        block = pictures.pool
    out = block(b, v)
    b.blocks.append(block.__name__)
    return out


def _join(b: Builder, live: list[Value]) -> list[Value]:
    """Branches of one shape are added or joined; the rest each get an output."""
    out: list[Value] = []
    for v in live:
        twin = next((i for i, other in enumerate(out) if other.shape == v.shape), None)
        if twin is None:
            out.append(v)
        elif b.draw.chance(50) or not v.static(v.rank - 1):
            out[twin] = b.add(out[twin], v)
        else:
            out[twin] = b.concat([out[twin], v], v.rank - 1)
    return out


def _head(b: Builder, v: Value) -> Value:
    """What reads the channels: a layer along some axis, or everything flattened; now and then nothing."""
    if b.draw.chance(4):
        return b.unary("Identity", v)
    wide = [i for i in range(v.rank - 1, -1, -1) if v.static(i) and v.size(i) > 1]
    if v.rank > 1 and v.static(*range(1, v.rank)) and b.draw.chance(60):
        flat = flatten(b, v) if v.rank > 2 else v
        return b.linear(flat, 3, bias=False)
    if not wide:
        return b.unary("Sigmoid", v)
    axis = b.draw.pick(wide)
    order = [i for i in range(v.rank) if i != axis] + [axis]
    moved = v if axis == v.rank - 1 else b.transpose(v, *order)
    return b.linear(moved, 3, bias=False)
