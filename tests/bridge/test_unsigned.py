"""Unsigned integers as Python's own arithmetic has them, modulo the width, at the ends of the range above all."""

from __future__ import annotations

import operator
import random
from collections.abc import Callable

import numpy as np
import pytest
import torch

from compressor.bridge.ops.unsigned import bit_shift, unsigned
from tests.bridge.one_node import compare_with_runtime

_BITS = {torch.uint16: 16, torch.uint32: 32, torch.uint64: 64}
_ARITHMETIC: dict[str, Callable[[int, int], int]] = {
    "Add": operator.add,
    "Div": operator.floordiv,
    "Less": operator.lt,
    "GreaterOrEqual": operator.ge,
    "Max": max,
    "Min": min,
    "Mod": operator.mod,
    "Mul": operator.mul,
    "Sub": operator.sub,
}


def _numbers(bits: int, seed: int) -> list[int]:
    draw = random.Random(seed)
    edges = [1, 2, 3, 2 ** (bits - 1) - 1, 2 ** (bits - 1), 2 ** (bits - 1) + 1, 2**bits - 2, 2**bits - 1]
    return [draw.choice([draw.choice(edges), draw.getrandbits(bits) or 1, draw.getrandbits(bits // 2) or 1])
            for _ in range(2000)]  # fmt: skip


@pytest.mark.parametrize("kind", _BITS)
@pytest.mark.parametrize("op", _ARITHMETIC)
def test_arithmetic(op: str, kind: torch.dtype) -> None:
    bits = _BITS[kind]
    a, b = _numbers(bits, 0), _numbers(bits, 1)
    found = unsigned(op, torch.tensor(a, dtype=kind), torch.tensor(b, dtype=kind))
    assert found.tolist() == [_ARITHMETIC[op](x, y) % 2**bits for x, y in zip(a, b, strict=True)]


@pytest.mark.parametrize("kind", [*_BITS, torch.uint8])
@pytest.mark.parametrize("left", [True, False])
def test_shifts(kind: torch.dtype, left: bool) -> None:
    bits = _BITS.get(kind, 8)
    a, places = _numbers(bits, 2), [i % (bits + 5) for i in range(2000)]
    found = bit_shift(torch.tensor(a, dtype=kind), torch.tensor(places, dtype=kind), left)
    shift = operator.lshift if left else operator.rshift
    assert found.tolist() == [shift(x, n) % 2**bits for x, n in zip(a, places, strict=True)]


@pytest.mark.parametrize("op", ["Add", "Mul", "Div", "Max"])
@pytest.mark.parametrize("constants", [(), (1,)])
def test_lowerings_choose_it(op: str, constants: tuple[int, ...]) -> None:
    inputs = [np.array([2**32 - 1, 7, 2**31], np.uint32), np.array([3, 2, 5], np.uint32)]
    compare_with_runtime(op, inputs, constants=constants)
