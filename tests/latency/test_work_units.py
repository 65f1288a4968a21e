"""Every tensor belongs to one heavy op."""

from __future__ import annotations

import pytest

from compressor.passes.cost import CostModel
from compressor.passes.latency.work_units import FIRST, WorkUnits
from tests.latency.networks import analysis_of
from tests.passes.graphs import analysed

BLOCK = """
i = Identity (x)
h = MatMul (i, w)
a = Relu (h)
k = MatMul (a, u)
s = Add (k, h)
y = Sigmoid (s)
"""


def test_light_ops_belong_to_the_last_heavy_one_before_them() -> None:
    analysis = analysed("e = Exp (x)\n" + BLOCK.replace("Identity (x)", "Neg (e)"), {"w": (6, 8), "u": (8, 8)})
    units = WorkUnits(analysis, CostModel(analysis).table)
    names = {tensor: units.units[number].name for tensor, number in units.unit_of.items()}
    assert names == {"e": FIRST, "i": FIRST, "h": "h", "a": "h", "k": "k", "s": "k", "y": "k"}
    assert [unit.ops for unit in units.units] == [("Exp", "Neg"), ("MatMul", "Relu"), ("MatMul", "Add", "Sigmoid")]
    assert units.reader == [1, 2, 2]


@pytest.mark.parametrize("name", ["resnet20", "vit", "gpt", "squeeze_excite"])
def test_all_work_is_in_some_unit_and_each_tensor_in_one(name: str) -> None:
    analysis = analysis_of(name)
    units = WorkUnits(analysis, CostModel(analysis).table)
    assert sum(len(unit.work) for unit in units.units) == len(analysis.state.work)
    computed = {tensor.name for node in analysis.graph.nodes for tensor in node.outputs}
    assert computed <= units.unit_of.keys()
    assert len({unit.name for unit in units.units}) == len(units.units)


def test_units_that_do_the_same_have_one_signature() -> None:
    analysis = analysis_of("resnet20")
    units = WorkUnits(analysis, CostModel(analysis).table).units
    assert len({unit.signature for unit in units}) <= len(units) - 7


def test_units_of_other_strides_are_others() -> None:
    nodes = "a = Conv <strides = [{0}, {0}], pads = [1, 1, 1, 1], group = 8> (x, w)\ny = Relu (a)\n"
    signatures = set()
    for stride, size in ((1, 4), (2, 8)):  # as much work, as large an output
        analysis = analysed(nodes.format(stride), {"w": (8, 1, 3, 3)}, inputs=f"float[1, 8, {size}, {size}] x")
        signatures.add(WorkUnits(analysis, CostModel(analysis).table).units[-1].signature)
    assert len(signatures) == 2
