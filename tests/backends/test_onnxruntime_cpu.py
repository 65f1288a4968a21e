"""What is special to ONNX Runtime: numbers, threads, providers, types, big models, and its absence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from compressor.backends.base import Array, available_cpus, get_backend
from compressor.backends.onnxruntime_cpu import OnnxRuntimeCpu
from compressor.backends.ort_model import prepare
from compressor.backends.ort_session import OnnxRuntimeSession
from compressor.errors import BackendError, UsageError
from tests.backends.small_models import chain, chain_reference, model, value

BACKEND = OnnxRuntimeCpu()
X = np.random.default_rng(0).standard_normal((3, 16)).astype(np.float32)


@pytest.mark.parametrize("optimize", [True, False])
def test_computes_what_numpy_computes(optimize: bool) -> None:
    proto = chain(3)
    with BACKEND.open(proto, optimize=optimize) as session:
        np.testing.assert_allclose(session.run({"x": X})["y"], chain_reference(proto, X), rtol=1e-4, atol=1e-5)
        assert session.provider == "CPUExecutionProvider"


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_as_many_threads_as_asked_for(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller's thread computes too, so a session adds one less."""
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    before = len(list(Path("/proc/self/task").iterdir()))
    with BACKEND.open(chain(1), threads=threads) as session:
        assert len(list(Path("/proc/self/task").iterdir())) - before == threads - 1
        assert session.threads == threads


def test_default_threads_follow_the_affinity_mask() -> None:
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); from compressor.backends.base import"
    code += " open_model; from tests.backends.small_models import chain; print(open_model(chain(1)).threads)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"
    with BACKEND.open(chain(1)) as session:
        assert session.threads == available_cpus() == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        (TensorProto.BFLOAT16, ml_dtypes.bfloat16),
        (TensorProto.FLOAT16, np.float16),
        (TensorProto.FLOAT8E4M3FN, ml_dtypes.float8_e4m3fn),
        (TensorProto.DOUBLE, np.float64),
        (TensorProto.INT8, np.int8),
        (TensorProto.BOOL, np.bool_),
    ],
)
def test_types_go_in_and_out(kind: int, dtype: type) -> None:
    nodes = [
        helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["f", "f"], ["d"]),
        helper.make_node("Cast", ["d"], ["y"], to=kind),
    ]
    proto = model(nodes, [value("x", ["N", 3], kind)], [value("y", ["N", 3], kind)], opset=19)
    x: Array = np.array([[0, 1, 1]]).astype(dtype)
    with BACKEND.open(proto, threads=1) as session:
        assert session.inputs[0].dtype == dtype
        y = session.run({"x": x})["y"]
        assert len(session.time_ns({"x": x}, 2)) == 2
    assert y.dtype == dtype
    np.testing.assert_array_equal(y.astype(np.float32), (x.astype(np.float32) * 2).astype(dtype).astype(np.float32))


def test_scalars_and_views_are_fed_correctly() -> None:
    nodes = [helper.make_node("Mul", ["x", "s"], ["y"]), helper.make_node("Neg", ["s"], ["n"])]
    proto = model(nodes, [value("x", [16, 3]), value("s", [])], [value("y", [16, 3]), value("n", [])])
    with BACKEND.open(proto) as session:
        outputs = session.run({"x": X.T, "s": np.array(2, np.float32)})
    np.testing.assert_array_equal(outputs["y"], X.T * 2)
    assert outputs["n"].shape == ()


def test_not_optimizing_computes_every_node_as_written() -> None:
    """x * 1e30 * 1e-30 overflows on the way, unless the batch norm is folded into the convolution."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("BatchNormalization", ["c", "scale", "zero", "zero", "one"], ["y"]),
    ]
    weights = {"w": [[[[1e30]]]], "scale": [1e-30], "zero": [0.0], "one": [1.0]}
    shape = [1, 1, 1, 1]
    arrays = {name: np.array(numbers, np.float32) for name, numbers in weights.items()}
    proto = model(nodes, [value("x", shape)], [value("y", shape)], arrays)
    found = {}
    for optimize in (True, False):
        with BACKEND.open(proto, optimize=optimize) as session:
            found[optimize] = float(session.run({"x": np.full(shape, 1e10, np.float32)})["y"].item())
    assert found[True] == pytest.approx(1e10, rel=1e-4)
    assert found[False] == np.inf


def test_not_optimizing_keeps_inner_tensors_computed() -> None:
    proto = chain(2)
    with BACKEND.open(proto, extra_outputs=["h0"], optimize=False) as session:
        weight = onnx.numpy_helper.to_array(proto.graph.initializer[0])
        np.testing.assert_allclose(session.run({"x": X})["h0"], X @ weight, rtol=1e-4, atol=1e-5)


def test_external_data_is_found_beside_the_model_with_and_without_extra_outputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proto = chain(2, 64)
    folder = tmp_path / "sub"
    folder.mkdir()
    onnx.save_model(
        onnx.load_from_string(proto.SerializeToString()),
        str(folder / "m.onnx"),
        save_as_external_data=True,
        size_threshold=0,
        location="weights.bin",
    )
    x = np.ones((2, 64), np.float32)
    monkeypatch.chdir(tmp_path)
    for path in (folder / "m.onnx", Path("sub/m.onnx")):
        for extra in ((), ("h0",)):
            with BACKEND.open(path, extra_outputs=extra) as session:
                np.testing.assert_allclose(session.run({"x": x})["y"], chain_reference(proto, x), rtol=1e-4, atol=1e-5)
    (folder / "weights.bin").unlink()
    for extra in ((), ("h0",)):
        with pytest.raises(BackendError, match=r"weights\.bin"):
            BACKEND.open(folder / "m.onnx", extra_outputs=extra)


def test_weights_beyond_protobufs_limit_travel_beside_the_structure() -> None:
    """The limit is lowered to 10 kB here; the slow test below has the real one."""
    proto = chain(3, 64)
    before = proto.SerializeToString()
    prepared = prepare(proto, ["h1"], limit_bytes=10_000)
    assert isinstance(prepared.source, bytes)
    assert len(prepared.source) < 2_000 < len(before)
    assert set(prepared.weights) == {"w0", "w1", "w2"}
    x = np.ones((2, 64), np.float32)
    with OnnxRuntimeSession(prepared, 1, True) as session:
        del prepared
        outputs = session.run({"x": x})
    assert list(outputs) == ["y", "h1"]
    np.testing.assert_allclose(outputs["y"], chain_reference(proto, x), rtol=1e-4, atol=1e-5)
    assert proto.SerializeToString() == before


@pytest.mark.slow
def test_a_proto_of_more_than_two_gib_runs() -> None:
    width = 16 * 1024
    nodes = [helper.make_node("MatMul", ["x", f"w{i}"], [f"p{i}"]) for i in range(3)]
    nodes += [helper.make_node("Sum", ["p0", "p1", "p2"], ["y"])]
    proto = model(nodes, [value("x", [1, width])], [value("y", [1, width])])
    for index in range(3):
        proto.graph.initializer.append(
            onnx.numpy_helper.from_array(np.full((width, width), index + 1, np.float32), f"w{index}")
        )
    with BACKEND.open(proto, threads=1) as session:
        y = session.run({"x": np.ones((1, width), np.float32)})["y"]
    np.testing.assert_array_equal(y, np.full((1, width), 6 * width, np.float32))


def test_runtime_errors_are_one_line_with_a_reason() -> None:
    future = chain(1)
    future.opset_import[0].version = 9999
    with pytest.raises(BackendError, match=r"cannot open the model.*9999") as caught:
        BACKEND.open(future)
    assert "\n" not in str(caught.value)
    assert "[ONNXRuntimeError]" not in str(caught.value)
    nodes = [helper.make_node("Gather", ["table", "x"], ["y"])]
    proto = model(
        nodes, [value("x", ["N"], TensorProto.INT64)], [value("y", ["N", 2])], {"table": np.zeros((4, 2), np.float32)}
    )
    with BACKEND.open(proto) as session, pytest.raises(BackendError, match=r"cannot run the model.*indices"):
        session.run({"x": np.array([9])})


def test_strings_are_refused_by_name() -> None:
    nodes = [helper.make_node("Identity", ["text"], ["y"])]
    proto = model(nodes, [value("text", [1], TensorProto.STRING)], [value("y", [1], TensorProto.STRING)])
    with pytest.raises(BackendError, match=r"text.*string"):
        BACKEND.open(proto)


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BackendError):
        BACKEND.open(b"junk")
    with pytest.raises(UsageError):
        BACKEND.open(chain(1), threads=0)
    nodes = [helper.make_node("Gather", ["x", "i"], ["y"])]
    proto = model(nodes, [value("x", [4]), value("i", [1], TensorProto.INT64)], [value("y", [1])])
    with BACKEND.open(proto) as session, pytest.raises(BackendError):
        session.run({"x": np.zeros(4, np.float32), "i": np.array([9])})
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_a_failed_start_is_not_tried_again_with_other_providers(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    import onnxruntime

    attempts = []

    def fail(session: object, *arguments: object) -> None:
        attempts.append(arguments)
        raise RuntimeError("no such device")

    monkeypatch.setattr(onnxruntime.InferenceSession, "_create_inference_session", fail)
    with pytest.raises(BackendError, match="no such device"):
        BACKEND.open(chain(1))
    assert len(attempts) == 1
    assert capfd.readouterr().out == ""


def test_missing_runtime_is_reported_with_the_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # makes every import of it fail
    available = get_backend("onnxruntime-cpu").probe()
    assert not available.usable
    assert available.install == "pip install onnxruntime"
    assert "onnxruntime" in str(available.reason)
    with pytest.raises(BackendError, match="pip install onnxruntime"):
        BACKEND.open(chain(1))


def test_importing_and_listing_backends_loads_no_runtime() -> None:
    code = (
        "import sys, compressor.backends.timing; from compressor.backends.base import BACKENDS; BACKENDS.names();"
        "print([name for name in ('onnxruntime', 'onnx', 'openvino', 'torch', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
