"""Steps of widths: read from times, and found with a runtime whose steps are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from compressor.backends.base import get_backend
from compressor.backends.null import NullBackend
from compressor.why.network import Network
from compressor.why.one_op import BOTH, INPUT, OUTPUT, candidates, find_steps, read_steps, same_work
from tests.backends.kernel_models import residual_net, transformer


def blocks_of_16(model: onnx.ModelProto, call: int) -> int:
    """A runtime that computes output channels in blocks of 16, as long as none has more than 1 % of noise."""
    weight = next(tensor for tensor in model.graph.initializer if tensor.name == "w")
    blocks = -(-int(weight.dims[0]) // 16)
    return blocks * 1_000_000 + call % 7 * 1_000


def network(folder: Path, proto: onnx.ModelProto) -> Network:
    onnx.save(proto, str(folder / "m.onnx"))
    return Network.read(folder / "m.onnx")


def test_steps_are_read_from_times() -> None:
    steps = read_steps(OUTPUT, 113, {96: 0.75, 112: 0.9, 113: 1.0, 114: 1.0, 128: 1.01, 144: 1.2})
    assert (steps.wide_as, steps.cheaper, steps.wider_cheaper) == (128, 112, None)
    off = read_steps(INPUT, 45, {44: 0.73, 45: 1.0, 46: 1.0, 48: 0.73, 64: 0.98})
    assert (off.wide_as, off.cheaper, off.wider_cheaper) == (64, 44, 48)
    on = read_steps(OUTPUT, 128, {127: 1.0, 128: 1.0, 129: 1.15, 132: 1.15, 136: 1.16})
    assert (on.wide_as, on.cheaper, on.wider_cheaper) == (128, None, None)


def test_one_channel_more_for_nothing_is_no_step() -> None:
    assert read_steps(OUTPUT, 100, {99: 0.99, 100: 1.0, 101: 1.005, 103: 1.015}).wide_as == 100


@pytest.mark.parametrize("width", [1, 2, 3, 16, 45, 113, 512])
def test_candidates_are_positive_and_reach_the_next_blocks(width: int) -> None:
    found = candidates(width)
    assert found == sorted(set(found))
    assert found[0] >= 1
    assert width in found
    assert found[-1] >= -(-width // 32) * 32


def test_steps_of_a_made_up_runtime_are_found(tmp_path: Path) -> None:
    own = network(tmp_path, residual_net(19))
    shapes = own.shapes({})
    steps = find_steps(NullBackend(blocks_of_16), own, "first0", shapes, OUTPUT, 1, 0)
    assert steps is not None
    assert (steps.width, steps.wide_as, steps.cheaper) == (19, 32, 16)
    inputs = find_steps(NullBackend(blocks_of_16), own, "stem", shapes, INPUT, 1, 0)
    assert inputs is not None
    assert inputs.width == 3
    assert inputs.wide_as == 32, "its inputs cost nothing"


def test_what_has_no_widths_to_choose_has_no_steps(tmp_path: Path) -> None:
    own = network(tmp_path, transformer(64))
    shapes = own.shapes({})
    runtime = NullBackend()
    assert find_steps(runtime, own, "scores", shapes, OUTPUT, 1, 0) is None, "a product of two activations"
    assert find_steps(runtime, own, "q_product", shapes, BOTH, 1, 0) is None, "not depthwise"
    assert find_steps(NullBackend(lambda model, call: 1000), own, "q_product", shapes, OUTPUT, 1, 0) is None, (
        "too quick"
    )


def test_a_depthwise_convolution_has_one_width(tmp_path: Path) -> None:
    weight = numpy_helper.from_array(np.ones((24, 1, 3, 3), np.float32), "k")
    node = helper.make_node("Conv", ["x", "k"], ["y"], "dw", group=24)
    shape: list[str | int] = ["n", 24, 8, 8]
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", 1, shape)],
        [helper.make_tensor_value_info("y", 1, None)],
        [weight],
    )
    own = network(tmp_path, helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))
    shapes = own.shapes({"x": np.zeros((2, 24, 8, 8), np.float32)})
    assert shapes["y"] == (2, 24, 6, 6)
    assert own.widths("y", shapes) == (24, 24)
    assert own.macs("y", shapes) == 2 * 24 * 36 * 9
    runtime = NullBackend(blocks_of_16)
    assert find_steps(runtime, own, "y", shapes, OUTPUT, 1, 0) is None
    both = find_steps(runtime, own, "y", shapes, BOTH, 1, 0)
    assert both is not None
    assert (both.wide_as, both.cheaper) == (32, 16)


@pytest.mark.parametrize("layer", ["up_product", "q_product"])
def test_real_layers_run_alone(layer: str, tmp_path: Path) -> None:
    own = network(tmp_path, transformer(256, tokens=64))
    steps = find_steps(get_backend("onnxruntime-cpu"), own, layer, own.shapes({}), OUTPUT, 1, 0)
    if steps is None:
        pytest.skip("too noisy here")
    assert steps.width == own.widths(layer, own.shapes({}))[1]  # type: ignore[index]
    assert all(ms > 0 for ms in steps.ms.values())


def test_layers_alike_are_known_by_what_they_compute(tmp_path: Path) -> None:
    own = network(tmp_path, residual_net(16))
    shapes = own.shapes({})
    assert same_work(own, "first0", shapes) == same_work(own, "second1", shapes)
    assert same_work(own, "first0", shapes) != same_work(own, "stem", shapes)
