"""The reference networks: how much of each may go (over-caution shows here), and that it is proven when it goes."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

pytest.importorskip("torch", reason="the reference networks are PyTorch modules")

from compressor.model_io import from_proto
from compressor.models.export import export
from compressor.models.registry import MODELS, build, example_inputs
from compressor.normalize import normalize
from compressor.passes.analysis import Analysis, analyse, prunable_share
from compressor.passes.cost import CostModel
from compressor.passes.fold_shuffles import fold_shuffles
from tests.passes.graphs import float_elements, prove, removals

Exporter = Literal["dynamo", "torchscript"]

# (spaces, atoms, spaces that a normalisation runs over)
GOLDEN = {
    "convnext": (6, 432, 2),
    "densenet": (21, 627, 0),
    "digits_cnn": (6, 256, 0),
    "gpt": (11, 376, 1),
    "lstm": (3, 88, 0),
    "mobilenet_v2": (10, 760, 0),
    "resnet20": (12, 448, 0),
    "resnext": (15, 224, 0),
    "shufflenet_v2": (26, 448, 0),
    "squeeze_excite": (9, 216, 0),
    "unet": (12, 264, 0),
    "vgg": (7, 336, 0),
    "vit": (7, 470, 1),
}
# With a batch known at run time only, both layers start from one tensor of zeros, which ties their widths.
LSTM_DYNAMIC = (2, 56, 0)


def test_every_network_has_its_counts() -> None:
    assert set(MODELS.names()) == set(GOLDEN)


def _analysed(name: str, exporter: Exporter, dynamic: bool) -> Analysis:
    model = export(build(name), example_inputs(name), exporter=exporter, dynamic="batch" if dynamic else None)
    return analyse(fold_shuffles(normalize(from_proto(model))))


def _check(name: str, exporter: Exporter, dynamic: bool) -> None:
    analysis = _analysed(name, exporter, dynamic)
    spaces = analysis.spaces
    counts = (len(spaces), sum(space.size for space in spaces), sum(space.soft for space in spaces))
    assert counts == (LSTM_DYNAMIC if name == "lstm" and dynamic else GOLDEN[name])
    assert prunable_share(analysis) > 0.99
    assert bool(analysis.probes[0].sizes) == dynamic
    model = CostModel(analysis)
    (atoms,) = removals(analysis, shares=(0.5,))
    pruned = prove(analysis, atoms)
    assert float_elements(pruned) == model.cost(atoms).params < 0.75 * model.cost(atoms[:0]).params
    assert [(t.name, t.dtype, t.shape) for t in pruned.outputs] == [
        (t.name, t.dtype, t.shape) for t in analysis.graph.outputs
    ]
    names = {tensor.name for node in analysis.graph.nodes for tensor in node.outputs}
    kept = {tensor.name for node in pruned.nodes for tensor in node.outputs}
    assert all("_pruned" in name for name in kept - names)
    again = CostModel(analyse(pruned)).cost(np.zeros(0, np.int64))
    assert (again.params, again.macs) == (model.cost(atoms).params, model.cost(atoms).macs)


@pytest.mark.parametrize("name", GOLDEN)
def test_half_of_every_space_with_a_dynamic_batch(name: str) -> None:
    _check(name, "torchscript", dynamic=True)


@pytest.mark.slow
@pytest.mark.parametrize(("exporter", "dynamic"), [("torchscript", False), ("dynamo", False), ("dynamo", True)])
@pytest.mark.parametrize("name", GOLDEN)
def test_half_of_every_space_by_both_exporters(name: str, exporter: Exporter, dynamic: bool) -> None:
    _check(name, exporter, dynamic)
