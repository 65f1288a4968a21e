"""What is special to OpenVINO: threads, precision, types, big models, errors, and its absence."""

from __future__ import annotations

import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from compressor.backends import openvino_session
from compressor.backends.base import Array, available_cpus, get_backend
from compressor.backends.openvino_runtime import OpenVino
from compressor.errors import BackendError, MachineError, UsageError
from tests.backends.small_models import chain, chain_reference, model, value
from tests.house.source_tree import PYPROJECT

CPU = OpenVino("CPU")
needs_openvino = pytest.mark.skipif(not CPU.probe().usable, reason=f"{CPU.probe().reason}; {CPU.probe().install}")
X = np.random.default_rng(0).standard_normal((3, 16)).astype(np.float32)


@needs_openvino
@pytest.mark.parametrize("threads", [1, 2])
def test_as_many_threads_as_asked_for_in_one_stream(threads: int) -> None:
    if threads > available_cpus():
        pytest.skip(f"this machine has {available_cpus()} CPU")
    with CPU.open(chain(1), threads=threads) as session:
        compiled = session._compiled  # type: ignore[attr-defined]
        assert compiled.get_property("INFERENCE_NUM_THREADS") == session.threads == threads
        assert compiled.get_property("NUM_STREAMS") == 1


@pytest.fixture
def many_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than this process may use: else asking for so many threads would be refused before OpenVINO is asked."""
    monkeypatch.setattr("os.cpu_count", lambda: 4096)


@pytest.mark.usefixtures("many_cpus")
@needs_openvino
def test_fewer_threads_than_asked_for_is_an_error() -> None:
    """OpenVINO takes as many as there are CPUs and says nothing."""
    with pytest.raises(MachineError, match=r"asked for 999 threads, OpenVINO takes \d+\. Ask for at most \d+"):
        CPU.open(chain(1), threads=999)


@needs_openvino
@pytest.mark.parametrize("optimize", [True, False])
def test_float32_stays_float32(optimize: bool) -> None:
    """By default OpenVINO computes in bfloat16 where the processor can: that would be off by 1e-2."""
    proto = chain(3, 256)
    x = np.random.default_rng(1).standard_normal((4, 256)).astype(np.float32)
    with CPU.open(proto, optimize=optimize) as session:
        np.testing.assert_allclose(session.run({"x": x})["y"], chain_reference(proto, x), rtol=1e-4, atol=1e-4)


@needs_openvino
@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        (TensorProto.BFLOAT16, ml_dtypes.bfloat16),
        (TensorProto.FLOAT16, np.float16),
        (TensorProto.DOUBLE, np.float64),
        (TensorProto.INT64, np.int64),
        (TensorProto.UINT8, np.uint8),
    ],
)
def test_number_types(kind: int, dtype: type) -> None:
    proto = model(
        [helper.make_node("Add", ["x", "x"], ["y"])], [value("x", ["N", 4], kind)], [value("y", ["N", 4], kind)]
    )
    x: Array = np.arange(8).reshape(2, 4).astype(dtype)
    with CPU.open(proto) as session:
        y = session.run({"x": x})["y"]
    assert y.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(y.astype(np.float64), 2 * x.astype(np.float64))


@needs_openvino
def test_scalars_views_and_read_only_arrays_are_fed_correctly() -> None:
    nodes = [helper.make_node("Mul", ["x", "s"], ["y"]), helper.make_node("Neg", ["s"], ["n"])]
    proto = model(nodes, [value("x", [16, 3]), value("s", [])], [value("y", [16, 3]), value("n", [])])
    frozen = X.T
    frozen.flags.writeable = False
    with CPU.open(proto) as session:
        outputs = session.run({"x": frozen, "s": np.array(2, np.float32)})
    np.testing.assert_array_equal(outputs["y"], X.T * 2)
    assert outputs["n"].shape == ()


@needs_openvino
def test_inputs_that_nothing_uses_are_taken_and_ignored() -> None:
    proto = model([helper.make_node("Relu", ["x"], ["y"])], [value("x", [2]), value("unused", [3])], [value("y", [2])])
    with CPU.open(proto) as session:
        assert [spec.name for spec in session.inputs] == ["x", "unused"]
        outputs = session.run({"x": np.array([-1, 1], np.float32), "unused": np.zeros(3, np.float32)})
    np.testing.assert_array_equal(outputs["y"], [0, 1])


@needs_openvino
@pytest.mark.parametrize("extra", [(), ("h0",)])
@pytest.mark.parametrize("limit_bytes", [None, 1000])
def test_external_data_and_models_beyond_protobufs_limit(
    extra: tuple[str, ...], limit_bytes: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if limit_bytes is not None:
        monkeypatch.setattr(openvino_session, "PROTOBUF_LIMIT_BYTES", limit_bytes)
    proto = chain(2, 64)
    path = tmp_path / "m.onnx"
    copy = onnx.load_from_string(proto.SerializeToString())
    onnx.save_model(copy, str(path), save_as_external_data=True, size_threshold=0, location="weights.bin")
    x = np.ones((2, 64), np.float32)
    before = proto.SerializeToString()
    for source in (path, proto):
        with CPU.open(source, extra_outputs=extra) as session:
            np.testing.assert_allclose(session.run({"x": x})["y"], chain_reference(proto, x), rtol=1e-4, atol=1e-5)
    assert proto.SerializeToString() == before
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(BackendError, match=r"weights\.bin|weights beside"):
        CPU.open(path, extra_outputs=extra)


@needs_openvino
def test_errors_are_one_line_with_the_reason() -> None:
    unknown = model([helper.make_node("Frobnicate", ["x"], ["y"], domain="here")], [value("x", [1])], [value("y", [1])])
    unknown.opset_import.add(domain="here", version=1)
    with pytest.raises(BackendError, match=r"cannot open the model: .*Frobnicate") as caught:
        CPU.open(unknown)
    assert "\n" not in str(caught.value)
    assert "Exception from src" not in str(caught.value)
    nodes = [helper.make_node("Add", ["x", "z"], ["y"])]
    with CPU.open(model(nodes, [value("x", ["N"]), value("z", ["M"])], [value("y", ["K"])])) as session:
        feeds = {"x": np.zeros(4, np.float32), "z": np.zeros(3, np.float32)}
        for use in (lambda: session.run(feeds), lambda: session.time_ns(feeds, 1)):
            with pytest.raises(BackendError, match="cannot run the model"):
                use()


@needs_openvino
def test_a_device_that_is_not_there_says_what_is() -> None:
    found = get_backend("openvino-gpu:7").probe()
    assert not found.usable
    assert found.reason is not None
    assert found.reason.startswith("OpenVINO finds no GPU.7, only CPU")
    with pytest.raises(UsageError, match="no choice of devices"):
        get_backend("openvino-cpu:1")


def test_absence_is_reported_with_the_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    found = get_backend("openvino-cpu").probe()
    assert (found.usable, found.version) == (False, None)
    with pytest.raises(BackendError, match="pip install 'openvino"):
        CPU.open(chain(1))
    (requirement,) = PYPROJECT["project"]["optional-dependencies"]["openvino"]
    assert found.install == f"pip install '{requirement}'"
