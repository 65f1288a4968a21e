"""Rows of ``why``: ops as the runtime fused them, matched before and after the cut."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from compressor.backends.base import get_backend
from compressor.backends.kernels import Kernel
from compressor.errors import UsageError
from compressor.loaded import load_model
from compressor.why.explain import explain
from compressor.why.network import Network, check_same_network
from compressor.why.rows import Measured, Row, build_rows
from compressor.why.spaces import SpaceMap
from compressor.why.timing import Times
from tests.backends.kernel_models import residual_net, transformer

TELLING = [n for n in ("onnxruntime-cpu", "openvino-cpu", "torch-cpu", "null") if get_backend(n).probe().usable]


def saved(folder: Path, name: str, proto: onnx.ModelProto) -> Path:
    onnx.save(proto, str(folder / name))
    return folder / name


def measured(path: Path, kernels: list[tuple[str, str, bool, int]]) -> Measured:
    """A network with made-up kernels: (op, tensor, added, microseconds)."""
    network = Network.read(path)
    found = [Kernel(f"k{i}", op, (t,), added, (us * 1000,)) for i, (op, t, added, us) in enumerate(kernels)]
    return Measured(network, Times([1], [1], found), network.shapes({}))


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    return saved(tmp_path, "a.onnx", residual_net(16)), saved(tmp_path, "b.onnx", residual_net(12))


def by_tensor(rows: list[Row]) -> dict[str, Row]:
    return {row.tensor: row for row in rows if not row.added}


@pytest.mark.parametrize("backend", TELLING)
def test_every_layer_has_one_row_with_its_widths(backend: str, pair: tuple[Path, Path]) -> None:
    result = explain(*pair, backend=backend, probed=0)
    layers = {row.layer: row for row in result.rows if row.layer is not None}
    assert layers.keys() == {"stem", "first0", "second0", "first1", "second1", "y"}
    assert (layers["stem"].before_widths, layers["stem"].after_widths) == ((3, 16), (3, 12))
    assert (layers["second1"].before_widths, layers["second1"].after_widths) == ((16, 16), (12, 12))
    assert (layers["y"].before_widths, layers["y"].after_widths) == ((16, 10), (12, 10))
    assert layers["first0"].before_macs == 16 * 16 * 9 * 32 * 32
    assert layers["first0"].after_macs == 12 * 12 * 9 * 32 * 32
    assert layers["y"].before_macs == 160
    for row in layers.values():
        assert row.before_ms is not None
        assert row.after_ms is not None
        assert row.speedup == pytest.approx(row.before_ms / row.after_ms)
    assert sum(map(result.share, result.rows)) == pytest.approx(1)
    assert [row.ms for row in result.rows] == sorted((row.ms for row in result.rows), reverse=True)


@pytest.mark.parametrize("backend", TELLING)
def test_a_transformer_alone(backend: str, tmp_path: Path) -> None:
    result = explain(saved(tmp_path, "t.onnx", transformer(64)), backend=backend, probed=0)
    layers = {row.layer: row for row in result.rows if row.layer is not None}
    assert {"q_product", "k_product", "v_product", "out_product", "up_product", "down_product"} <= layers.keys()
    assert layers["up_product"].before_widths == (64, 256)
    assert layers["up_product"].after_widths is None
    assert layers["up_product"].speedup is None
    assert "up.w[1]" in layers["up_product"].spaces
    assert "q.w[1]" in layers["q_product"].spaces


def test_onnx_runtime_fuses_the_whole_residual_into_one_row(pair: tuple[Path, Path]) -> None:
    rows = by_tensor(explain(*pair, probed=0).rows)
    assert rows["sum0_relu"].fused == ("BatchNormalization", "Add", "Relu")
    assert rows["sum0_relu"].op == "Conv"
    assert rows["sum0_relu"].node == "node second0"


def test_where_the_two_are_fused_differently_the_common_ends_bound_the_rows(pair: tuple[Path, Path]) -> None:
    a = measured(pair[0], [("Conv", "stem_bn_relu", False, 30), ("Conv", "first0_bn_relu", False, 50)])
    b = measured(
        pair[1],
        [("Conv", "stem_bn", False, 20), ("Relu", "stem_bn_relu", False, 5), ("Reorder", "stem_bn_relu", True, 7),
         ("Conv", "first0_bn_relu", False, 40)],
    )  # fmt: skip
    rows = {(row.tensor, row.added): row for row in build_rows(a, b)}
    stem, added = rows["stem_bn_relu", False], rows["stem_bn_relu", True]
    assert (stem.before_ms, stem.after_ms, stem.fused) == (0.03, 0.025, ("BatchNormalization", "Relu"))
    assert (added.op, added.before_ms, added.after_ms, added.speedup) == ("Reorder", None, 0.007, None)
    assert rows["first0_bn_relu", False].speedup == pytest.approx(1.25)


def test_parts_of_one_op_add_up(pair: tuple[Path, Path]) -> None:
    rows = build_rows(measured(pair[0], [("Conv", "stem_bn", False, 30), ("Eltwise", "stem_bn", False, 4)]), None)
    assert [(row.tensor, row.before_ms, row.kernel) for row in rows] == [("stem_bn", 0.034, "Conv")]


def test_predictions_are_told_by_any_tensor_of_a_row(pair: tuple[Path, Path]) -> None:
    side = measured(pair[0], [("Conv", "stem_bn_relu", False, 30), ("Conv", "first0_bn_relu", False, 50)])
    rows = by_tensor(build_rows(side, None, {"stem": 0.02, "stem_bn_relu": 0.003, "elsewhere": 9.0}))
    assert rows["stem_bn_relu"].predicted_ms == pytest.approx(0.023)
    assert rows["first0_bn_relu"].predicted_ms is None


def test_other_networks_are_refused(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    a = Network.read(pair[0])
    assert check_same_network(a, Network.read(pair[1])) == []
    with pytest.raises(UsageError, match=r"is not .* with fewer channels"):
        check_same_network(a, Network.read(saved(tmp_path, "t.onnx", transformer())))
    proto = residual_net(16)
    for node in proto.graph.node:
        for names in (node.input, node.output):
            for slot, name in enumerate(names):
                names[slot] = name if name in ("x", "y") or "." in name else f"other_{name}"
    with pytest.raises(UsageError, match="1 of 6 convolutions and products"):
        check_same_network(a, Network.read(saved(tmp_path, "renamed.onnx", proto)))


def test_layers_without_a_partner_are_told(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    proto = residual_net(12)
    for node in proto.graph.node:
        for names in (node.input, node.output):
            for slot, name in enumerate(names):
                names[slot] = "renamed" if name == "first0" else name
    other = saved(tmp_path, "c.onnx", proto)
    assert check_same_network(Network.read(pair[0]), Network.read(other)) == ["first0"]
    assert explain(pair[0], other, backend="null", probed=0).unmatched == ["first0"]


def test_spaces_of_tensors_without_layers(pair: tuple[Path, Path]) -> None:
    spaces = SpaceMap(load_model(pair[0]).analysis)
    assert spaces.of("first0_bn_relu", None) == ("first0.w[0]",)
    assert spaces.of("first0_bn_relu", "first0") == ("stem.w[0]", "first0.w[0]")
    assert spaces.of("nowhere", None) == ()
    assert spaces.sizes["stem.w[0]"] == "16 channels"
