"""Exported networks as torch modules: a few in every run, all of them with `-m zoo`."""

from __future__ import annotations

import onnx
import pytest

from compressor.bridge import OnnxModule, from_onnx
from tests.bridge import zoo_check
from tests.zoo import source

HAVE_ZOO = pytest.mark.skipif(not source.is_present(), reason=source.ABSENT)
# Between them: both exporters, dynamic axes, attention and rotation, batch norms, shared initializers, shuffles.
FEW = (
    "hf_gpt2-dynaxes.leg",
    "hf_llama-dynaxes.dyn",
    "timm_inception_next_atto.leg",
    "timm_lcnet_050.dyn",
    "tv_resnet18-dynaxes.leg",
    "tv_shufflenet_v2_x0_5.dyn",
)


@HAVE_ZOO
@pytest.mark.parametrize("name", FEW)
def test_it_equals_the_runtime_and_learns(name: str) -> None:
    row = zoo_check.check_network(name)
    assert not row.failure
    assert not row.fixed_matrices


@pytest.mark.zoo
@HAVE_ZOO
@pytest.mark.parametrize("name", source.names())
def test_every_network(name: str) -> None:
    assert not zoo_check.check_network(name).failure


@HAVE_ZOO
def test_a_wrong_weight_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(model: onnx.ModelProto) -> OnnxModule:
        module = from_onnx(model)
        next(p for p in module.parameters() if p.ndim > 1).data.mul_(1.01)
        return module

    monkeypatch.setattr(zoo_check, "from_onnx", careless)
    assert "differs" in zoo_check.check_network("tv_resnet18-dynaxes.leg").failure
