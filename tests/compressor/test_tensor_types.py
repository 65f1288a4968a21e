"""Every element type survives bit for bit, however the file stores it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from compressor import model_io
from compressor.errors import ModelFileError
from compressor.tensor_values import stored_bytes
from tests.compressor import small_models as small

NUMERIC = [
    kind for name, kind in TensorProto.DataType.items() if name not in ("UNDEFINED", "STRING")
]  # fmt: skip
SHAPES = [(4001,), (), (0, 3), (3, 5)]  # odd counts, so that packed types end inside a byte


def proto_with(weight: TensorProto) -> onnx.ModelProto:
    """A model whose only node, of another domain, takes any type."""
    node = helper.make_node("Eat", ["w"], ["y"], domain="com.example")
    domains = [helper.make_opsetid("com.example", 1)]
    return small.model([node], [], [small.value("y", 1)], [weight], opset=21, ir_version=13, domains=domains)


def random_tensor(kind: int, shape: tuple[int, ...]) -> TensorProto:
    size_bytes = stored_bytes(kind, shape)
    data = np.random.default_rng(size_bytes + kind).integers(0, 256, size_bytes, np.uint8)
    if kind == TensorProto.BOOL:
        data &= 1
    bits: dict[int, int] = {
        TensorProto.FLOAT6E2M3: 6,
        TensorProto.FLOAT6E3M2: 6,
        TensorProto.INT2: 2,
        TensorProto.UINT2: 2,
    }
    bits |= {TensorProto.INT4: 4, TensorProto.UINT4: 4, TensorProto.FLOAT4E2M1: 4}
    unused = -int(np.prod(shape)) * bits.get(kind, 8) % 8
    if unused and size_bytes:
        data[-1] &= 0xFF >> unused  # padding bits are zero by the standard
    return TensorProto(name="w", data_type=kind, dims=shape, raw_data=data.tobytes())


@pytest.mark.parametrize("kind", NUMERIC, ids=TensorProto.DataType.Name)
def test_numbers_survive_bit_for_bit(kind: int, tmp_path: Path) -> None:
    for shape in SHAPES:
        weight = random_tensor(kind, shape)
        onnx.save(proto_with(weight), tmp_path / "a.onnx")
        for touch in (False, True):
            graph = model_io.read(tmp_path / "a.onnx")
            constant = graph.nodes[0].inputs[0]
            if touch:  # what was loaded, copied and put back is written from the array
                constant.values = constant.values.copy()
            model_io.write(graph, tmp_path / "b.onnx")
            (back,) = onnx.load(tmp_path / "b.onnx").graph.initializer
            assert (back.raw_data, back.data_type, tuple(back.dims)) == (weight.raw_data, kind, shape)
            assert constant.values.shape == shape


@pytest.mark.parametrize("kind", NUMERIC, ids=TensorProto.DataType.Name)
def test_typed_fields_stay_and_load(kind: int) -> None:
    raw = random_tensor(kind, (5,))
    values = onnx.numpy_helper.to_array(raw)
    typed = TensorProto(name="w", data_type=kind, dims=[5])
    field = helper.tensor_dtype_to_field(kind)
    if field == "float_data":
        entries = np.frombuffer(raw.raw_data, np.float32)
    elif field == "double_data":
        entries = np.frombuffer(raw.raw_data, np.float64)
    elif stored_bytes(kind, (5,)) in (2, 3):  # of two or four bits
        entries = np.frombuffer(raw.raw_data, np.uint8)
    else:
        entries = _as_integers(values)
    getattr(typed, field).extend(entries.tolist())
    constant = model_io.from_proto(proto_with(typed)).nodes[0].inputs[0]
    np.testing.assert_array_equal(_as_integers(constant.values), _as_integers(values))
    back = model_io.to_proto(model_io.from_proto(proto_with(typed))).graph.initializer[0]
    assert back.SerializeToString() == typed.SerializeToString()


def _as_integers(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind in "iu":
        return array
    return array.view(f"u{array.dtype.itemsize}") if array.dtype.itemsize < 16 else array.view(np.uint64)


def test_strings_survive(tmp_path: Path) -> None:
    texts = np.array(["", "a", "Füße 足", "x" * 5000], dtype=object)
    onnx.save(proto_with(small.tensor("w", texts)), tmp_path / "a.onnx")
    graph = model_io.read(tmp_path / "a.onnx")
    model_io.write(graph, tmp_path / "b.onnx")
    assert onnx.load(tmp_path / "b.onnx").SerializeToString() == onnx.load(tmp_path / "a.onnx").SerializeToString()
    assert list(graph.nodes[0].inputs[0].values) == list(texts)
    model_io.write(graph, tmp_path / "c.onnx")
    assert model_io.digest(model_io.read(tmp_path / "c.onnx")) == model_io.digest(model_io.read(tmp_path / "a.onnx"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dims": [4]}, r"'w' has 12 bytes of data, its shape \[4\] needs 16"),
        ({"dims": [-3]}, "negative dimension"),
        ({"data_type": 99}, "data_type .*: 99"),
        ({"data_type": 0}, "UNDEFINED"),
        ({"raw_data": b"", "float_data": [1.0, 2.0]}, "2 entries of data"),
    ],
)
def test_data_that_does_not_fit_is_an_error(change: dict[str, object], message: str) -> None:
    weight = small.tensor("w", np.array([1, 2, 3], np.float32))
    for name in change:
        weight.ClearField(name)
    weight.MergeFrom(TensorProto(**{name: item for name, item in change.items() if item != b""}))  # type: ignore[arg-type]
    proto = proto_with(small.tensor("w", np.array([1, 2, 3], np.float32)))
    proto.graph.initializer[0].CopyFrom(weight)
    with pytest.raises(ModelFileError, match=message):
        model_io.from_proto(proto)


def test_wrong_size_of_a_large_weight_is_an_error(tmp_path: Path) -> None:
    proto = small.conv_model()
    proto.graph.initializer[0].dims[0] = 17
    onnx.save(proto, tmp_path / "m.onnx")
    with pytest.raises(
        ModelFileError, match=r"tensor 'w' has 4608 bytes of data, its shape \[17, 8, 3, 3\] needs 4896"
    ):
        model_io.read(tmp_path / "m.onnx")


def test_sparse_initializers_are_refused() -> None:
    proto = small.conv_model()
    indices = helper.make_tensor("w_indices", TensorProto.INT64, [1], [3])
    sparse = helper.make_sparse_tensor(helper.make_tensor("s", TensorProto.FLOAT, [1], [1.0]), indices, [9])
    proto.graph.sparse_initializer.append(sparse)
    with pytest.raises(ModelFileError, match=r"'s' is stored as a sparse tensor.*dense"):
        model_io.from_proto(proto)
