"""What is special to PyTorch as a runtime: threads, types, outputs, compiling, errors, and no GPU."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch
from onnx import TensorProto, helper

from compressor.backends import nvidia
from compressor.backends.base import Array, get_backend
from compressor.backends.torch_runtime import INSTALL, MODES, Torch
from compressor.errors import BackendError, MachineError, UsageError
from tests.backends.small_models import chain, chain_reference, model, value
from tests.house.source_tree import PYPROJECT

MODE = {mode.backend: mode for mode in MODES}
CPU = Torch(MODE["torch-cpu"])
COMPILED = Torch(MODE["torch-compile-cpu"])
needs_compiler = pytest.mark.skipif(not COMPILED.probe().usable, reason=str(COMPILED.probe().reason))
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no NVIDIA GPU")
X = np.random.default_rng(0).standard_normal((3, 16)).astype(np.float32)


def test_as_many_threads_as_asked_for_and_only_while_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    asked = before + 1
    monkeypatch.setattr(os, "cpu_count", lambda: asked)
    with CPU.open(chain(1), threads=asked) as session:
        used: list[int] = []
        forward = session._module  # type: ignore[attr-defined]

        def spy(*inputs: torch.Tensor) -> torch.Tensor:
            used.append(torch.get_num_threads())
            assert torch.is_inference_mode_enabled()
            result: torch.Tensor = forward(*inputs)
            return result

        monkeypatch.setattr(session, "_module", spy)
        session.run({"x": X})
        session.time_ns({"x": X}, 2)
    assert used == [asked] * 3
    assert torch.get_num_threads() == before
    assert session.threads == asked


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
    nodes = [helper.make_node("Add", ["x", "x"], ["y"])]
    proto = model(nodes, [value("x", ["N", 4], kind)], [value("y", ["N", 4], kind)])
    x: Array = np.arange(8).reshape(2, 4).astype(dtype)
    with CPU.open(proto) as session:
        y = session.run({"x": x})["y"]
    assert y.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(y.astype(np.float64), 2 * x.astype(np.float64))


def test_sizes_and_scalars_are_outputs_too() -> None:
    nodes = [helper.make_node("Shape", ["x"], ["s"]), helper.make_node("ReduceSum", ["x"], ["t"], keepdims=0)]
    outputs = [value("s", [2], TensorProto.INT64), value("t", [])]
    with CPU.open(model(nodes, [value("x", ["N", 16])], outputs)) as session:
        found = session.run({"x": X})
    np.testing.assert_array_equal(found["s"], [3, 16])
    assert found["s"].dtype == np.int64
    assert found["t"].shape == ()
    np.testing.assert_allclose(found["t"], X.sum(), rtol=1e-4)


@needs_compiler
def test_compiled_computes_the_same_for_more_shapes_than_it_keeps_by_default() -> None:
    """PyTorch keeps 8 variants of a function and runs the ninth eagerly without a word."""
    proto = chain(2)
    with COMPILED.open(proto, threads=1) as session:
        assert session.provider == "torch.compile cpu"
        for batch in (1, 2):
            x = np.ones((batch, 16), np.float32)
            np.testing.assert_allclose(session.run({"x": x})["y"], chain_reference(proto, x), rtol=1e-4, atol=1e-5)
        with (
            torch._dynamo.config.patch(recompile_limit=2),
            pytest.raises(BackendError, match="recompile limit exceeded"),
        ):
            session.run({"x": np.ones((3, 16), np.float32)})
    with COMPILED.open(proto, optimize=False) as session:
        assert session.provider == "torch eager cpu"


@needs_compiler
def test_compiling_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    with COMPILED.open(chain(1), threads=1) as session:
        calls: list[int] = []
        monkeypatch.setattr(session, "_module", lambda x: calls.append(1))
        assert len(session.time_ns({"x": X}, 4)) == 4
        assert len(calls) == 5
        session.time_ns({"x": X}, 4)
        assert len(calls) == 9


def test_errors_are_one_line_with_the_reason() -> None:
    unknown = model([helper.make_node("Frobnicate", ["x"], ["y"], domain="here")], [value("x", [1])], [value("y", [1])])
    unknown.opset_import.add(domain="here", version=1)
    with pytest.raises(BackendError, match="Frobnicate"):
        CPU.open(unknown)
    nodes = [helper.make_node("Add", ["x", "z"], ["y"])]
    with CPU.open(model(nodes, [value("x", ["N"]), value("z", ["M"])], [value("y", ["K"])])) as session:
        feeds = {"x": np.zeros(4, np.float32), "z": np.zeros(3, np.float32)}
        for use in (lambda: session.run(feeds), lambda: session.time_ns(feeds, 1)):
            with pytest.raises(BackendError, match="torch eager cpu cannot run the model") as caught:
                use()
            assert "\n" not in str(caught.value)


def test_absence_is_reported_with_the_line_that_installs_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    found = CPU.probe()
    assert (found.usable, found.version, found.install) == (False, None, INSTALL)
    assert (
        "pip install " + " ".join(f"'{line}'" for line in PYPROJECT["project"]["optional-dependencies"]["torch"])
        == INSTALL
    )


def test_without_a_gpu_the_reason_is_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvidia, "gpus", lambda: ())
    monkeypatch.setattr(torch.version, "cuda", None)
    found = get_backend("torch-cuda").probe()
    assert (found.reason, found.install) == ("this build of torch has no CUDA", "pip install --force-reinstall torch")
    monkeypatch.setattr(torch.version, "cuda", "99.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert get_backend("torch-cuda").probe().reason == nvidia.MISSING
    with pytest.raises(BackendError, match="nvidia-smi"):
        get_backend("torch-compile-cuda").open(chain(1))
    monkeypatch.setattr(nvidia, "gpus", lambda: nvidia.parse("NVIDIA Y200, 999.1"))
    assert "does not fit the driver" in str(get_backend("torch-cuda").probe().reason)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert get_backend("torch-cuda:3").probe().reason == "there is no GPU 3: 1 found"


def test_without_a_compiler_the_reason_is_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch._inductor import cpp_builder, exc

    def none() -> str:
        raise exc.InvalidCxxCompiler

    monkeypatch.setattr(cpp_builder, "get_cpp_compiler", none)
    found = COMPILED.probe()
    assert (found.usable, found.reason) == (False, "torch.compile needs a C++ compiler")
    assert CPU.probe().usable


def test_there_is_one_cpu() -> None:
    with pytest.raises(UsageError, match="no choice of devices"):
        get_backend("torch-cpu:1")


def test_a_gpu_whose_memory_is_full_is_the_machines_fault() -> None:
    from compressor.backends.pytorch.session import refusal

    full = refusal("torch cannot run the model", torch.cuda.OutOfMemoryError("CUDA out of memory."))
    assert isinstance(full, MachineError)
    assert not isinstance(refusal("torch cannot run the model", RuntimeError("sizes differ")), MachineError)


def test_full_float32_is_put_back_even_after_an_error() -> None:
    from compressor.backends.pytorch.cuda import full_float32

    backends: Any = torch.backends
    kinds = (backends.cuda.matmul, backends.cudnn.conv)
    before = [kind.fp32_precision for kind in kinds]

    def fail() -> None:
        assert [kind.fp32_precision for kind in kinds] == ["ieee", "ieee"]
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), full_float32():
        fail()
    assert [kind.fp32_precision for kind in kinds] == before


def test_on_a_gpu_each_run_is_waited_for_before_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """The order of the calls, with events that only write it down: a GPU is needed for the rest."""
    from compressor.backends.pytorch import cuda

    said: list[str] = []

    class Event:
        def __init__(self, enable_timing: bool) -> None:
            assert enable_timing

        def record(self) -> None:
            said.append("record")

        def synchronize(self) -> None:
            said.append("wait")

        def elapsed_time(self, end: Event) -> float:
            return 0.25  # milliseconds

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: said.append("idle"))
    assert cuda._time_on_gpu(lambda: said.append("run"), 2) == [250_000, 250_000]
    assert said == ["idle", *["record", "run", "record", "wait"] * 2]


def test_on_a_gpu_bound_runs_have_a_stream_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Again only the order of the calls."""
    from compressor.backends.pytorch import cuda

    said: list[str] = []

    @contextmanager
    def says(what: str) -> Iterator[Any]:
        said.append(what)
        yield lambda: said.append("run")

    monkeypatch.setattr(torch.cuda, "Stream", lambda device: SimpleNamespace(synchronize=lambda: said.append("wait")))
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: says("stream"))
    monkeypatch.setattr(cuda.CudaSession.__base__, "bound", lambda session, feeds: says("bind"))
    session = object.__new__(cuda.CudaSession)
    session.device, session._graphed = torch.device("cuda", 0), False
    with session.bound({}) as run:
        run()
        run()
    assert said == ["stream", "bind", "run", "wait", "run", "wait"]
    session._graphed = True
    with pytest.raises(BackendError, match="replayed by time_ns only"), session.bound({}):
        pass


@needs_gpu
@pytest.mark.parametrize("name", ["torch-cuda", "torch-cuda-graph", "torch-compile-cuda"])
def test_on_a_gpu_times_are_taken_by_events_and_results_are_right(name: str) -> None:
    proto = chain(3, 256)
    x = np.random.default_rng(1).standard_normal((4, 256)).astype(np.float32)
    with get_backend(name).open(proto, optimize=name == "torch-cuda-graph") as session:
        assert session.provider.endswith("cuda:0")
        assert "CUDA events" in session.timed
        np.testing.assert_allclose(session.run({"x": x})["y"], chain_reference(proto, x), rtol=1e-3, atol=1e-3)
        assert all(500 < time < 1e9 for time in session.time_ns({"x": x}, 5))


@needs_gpu
def test_on_a_gpu_what_cannot_be_captured_says_so() -> None:
    nodes = [helper.make_node("NonZero", ["x"], ["y"])]
    proto = model(nodes, [value("x", ["N"])], [value("y", [1, "M"], TensorProto.INT64)])
    with (
        get_backend("torch-cuda-graph").open(proto) as session,
        pytest.raises(BackendError, match=r"cannot be captured as a CUDA graph.*use torch-cuda"),
    ):
        session.time_ns({"x": np.ones(4, np.float32)}, 1)
