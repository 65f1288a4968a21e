"""What every registered backend promises, run over all that work here; the others are skipped with their reason."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import onnx
import pytest

from compressor.backends.base import BACKENDS, Array, Backend, get_backend
from compressor.backends.inputs import random_feeds
from compressor.backends.sampling import settle
from compressor.errors import BackendError, CompressorError, MachineError, ModelFileError, RegistryError, UsageError
from tests.backends.small_models import chain, chain_reference, small_net, value

STATES = {name: get_backend(name).probe() for name in BACKENDS.names()}


@pytest.fixture(params=[name for name, state in STATES.items() if state.usable])
def backend(request: pytest.FixtureRequest) -> Backend:
    return get_backend(request.param)


@pytest.mark.parametrize("name", STATES)
def test_runs_here(name: str) -> None:
    if not STATES[name].usable:
        pytest.skip(f"{STATES[name].reason}; {STATES[name].install or 'nothing to install helps'}")
    with get_backend(name).open(chain(1), threads=1) as session:
        assert session.timed


@pytest.mark.parametrize("name", STATES)
def test_probe_says_either_a_version_or_a_reason(name: str) -> None:
    state = STATES[name]
    assert get_backend(name).name == name
    assert state.device
    if state.usable:
        assert state.version
        assert state.reason is None
    else:
        assert state.reason
        assert state.install or state.version, "what is not installed can be installed"


@pytest.mark.parametrize("name", [name for name, state in STATES.items() if not state.usable])
def test_what_is_not_usable_says_why_when_a_model_is_opened(name: str) -> None:
    with pytest.raises(BackendError) as caught:
        get_backend(name).open(chain(1))
    assert str(STATES[name].reason) in str(caught.value)
    assert (STATES[name].install or "doctor") in str(caught.value)


def test_those_that_need_nothing_more_than_we_depend_on_are_usable() -> None:
    assert {"null", "onnxruntime-cpu"} <= {name for name, state in STATES.items() if state.usable}


@pytest.mark.parametrize("name", ["onnxruntime-cuda:gpu", "onnxruntime-cuda:", "onnxruntime-cuda:-1"])
def test_a_device_is_chosen_by_its_number(name: str) -> None:
    assert get_backend("onnxruntime-cuda:1").name == "onnxruntime-cuda:1"
    with pytest.raises(UsageError, match="number of a device"):
        get_backend(name)
    with pytest.raises(UsageError, match="no choice of devices"):
        get_backend("null:1")


def test_unknown_backend_names_the_nearest() -> None:
    with pytest.raises(RegistryError, match="onnxruntime-cpu"):
        get_backend("onnxruntime_cpu")


@pytest.mark.parametrize("form", ["proto", "bytes", "path", "str"])
def test_opens_every_form_of_model_alike(backend: Backend, form: str, tmp_path: Path) -> None:
    proto = chain(2)
    path = tmp_path / "model.onnx"
    onnx.save(proto, str(path))
    source = {"proto": proto, "bytes": proto.SerializeToString(), "path": path, "str": str(path)}[form]
    before = proto.SerializeToString()
    with backend.open(source, threads=1) as session:
        assert [(spec.name, spec.dtype, spec.shape) for spec in session.inputs] == [
            ("x", np.dtype(np.float32), ("N", 16))
        ]
        assert session.output_names == ["y"]
        assert session.threads == 1
        assert session.provider
        outputs = session.run(random_feeds(session.inputs, seed=0, batch=3))
    assert list(outputs) == ["y"]
    assert outputs["y"].shape == (3, 16)
    assert outputs["y"].dtype == np.float32
    assert proto.SerializeToString() == before


@pytest.mark.parametrize("form", ["proto", "bytes", "path"])
def test_extra_outputs_follow_the_models_own(backend: Backend, form: str, tmp_path: Path) -> None:
    proto = chain(2)
    proto.graph.value_info.append(value("h0", ["N", 16]))
    onnx.save(proto, str(tmp_path / "model.onnx"))
    source = {"proto": proto, "bytes": proto.SerializeToString(), "path": tmp_path / "model.onnx"}[form]
    with backend.open(source, extra_outputs=["h0", "r0", "y", "h0"], optimize=False) as session:
        outputs = session.run(random_feeds(session.inputs, seed=0, batch=2))
    assert list(outputs) == session.output_names == ["y", "h0", "r0"]
    assert {array.shape for array in outputs.values()} == {(2, 16)}
    assert len(proto.graph.output) == 1


def test_an_unknown_extra_output_is_named(backend: Backend) -> None:
    with pytest.raises(BackendError, match="nowhere"):
        backend.open(chain(1), extra_outputs=["nowhere"])


def test_computes_what_numpy_computes(backend: Backend) -> None:
    if backend.name == "null":
        pytest.skip("it computes nothing")
    proto = chain(3)
    x = np.random.default_rng(0).standard_normal((5, 16)).astype(np.float32)
    with backend.open(proto, optimize=False) as session:
        np.testing.assert_allclose(session.run({"x": x})["y"], chain_reference(proto, x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("optimize", [True, False])
def test_computes_what_onnx_runtime_computes_on_the_cpu(backend: Backend, optimize: bool) -> None:
    if backend.name == "null":
        pytest.skip("it computes nothing")
    proto = small_net()
    with (
        backend.open(proto, threads=1, optimize=optimize) as session,
        get_backend("onnxruntime-cpu").open(proto, optimize=False) as reference,
    ):
        assert [spec.shape for spec in session.inputs] == [spec.shape for spec in reference.inputs]
        assert [spec.dtype for spec in session.inputs] == [spec.dtype for spec in reference.inputs]
        for sizes in ({"N": 1, "L": 5}, {"N": 3, "L": 2}):
            feeds = random_feeds(session.inputs, seed=4, dims=sizes, bounds={"tokens": 20})
            tolerance = 1e-5 if session.provider.endswith(("cpu", "CPU", "CPUExecutionProvider")) else 1e-2
            np.testing.assert_allclose(
                session.run(feeds)["y"], reference.run(feeds)["y"], rtol=tolerance, atol=tolerance
            )
            assert len(session.time_ns(feeds, 2)) == 2


def test_runs_at_several_batch_sizes_and_repeats_itself(backend: Backend) -> None:
    with backend.open(chain(2)) as session:
        for batch in (1, 4):
            feeds = random_feeds(session.inputs, seed=batch, batch=batch)
            first, again = session.run(feeds)["y"], session.run(feeds)["y"]
            assert first.shape == (batch, 16)
            np.testing.assert_array_equal(first, again)


def test_times_every_run(backend: Backend) -> None:
    with backend.open(chain(2), threads=1) as session:
        times = session.time_ns(random_feeds(session.inputs, seed=0), 5)
    assert len(times) == 5
    assert all(type(time) is int and time > 0 for time in times)


def test_one_thread_uses_one_cpu(backend: Backend) -> None:
    """CPU time against wall time; other programs can only make the share smaller, never larger."""
    if backend.name == "null":
        pytest.skip("it computes nothing")
    with backend.open(chain(4, 512), threads=1) as session:
        feeds = {"x": np.ones((128, 512), np.float32)}
        session.time_ns(feeds, 3)
        session.threads = 2  # so that settle waits for threads that other sessions may have left spinning
        settle(session)
        session.threads = 1
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        session.time_ns(feeds, 10)
        assert time.process_time() - cpu_s < 1.2 * (time.perf_counter() - wall_s) + 0.02


def test_wrong_feeds_are_refused(backend: Backend) -> None:
    good = np.zeros((1, 16), np.float32)
    with backend.open(chain(1)) as session:
        mistakes: list[tuple[dict[str, Array], str]] = [
            ({}, "missing"),
            ({"x": good, "z": good}, "unknown"),
            ({"x": good.astype(np.float64)}, "float64"),
            ({"x": good[0]}, "shape"),
            ({"x": good[:, :8]}, "shape"),
        ]
        for feeds, word in mistakes:
            with pytest.raises(BackendError, match=word):
                session.run(feeds)
            with pytest.raises(BackendError, match=word):
                session.time_ns(feeds, 1)


def test_a_closed_session_refuses_to_run(backend: Backend) -> None:
    session = backend.open(chain(1))
    session.close()
    session.close()
    with pytest.raises(BackendError, match="closed"):
        session.run({"x": np.zeros((1, 16), np.float32)})


def test_outputs_outlive_the_session_and_are_not_the_callers_memory(backend: Backend) -> None:
    proto = chain(1)
    proto.graph.output.append(value("x", ["N", 16]))
    proto.graph.output.append(value("w0", [16, 16]))
    try:
        session = backend.open(proto)
    except BackendError:  # ONNX Runtime's OpenVINO provider 1.24 refuses outputs that are inputs or weights
        session = backend.open(chain(1))
    with session:
        feeds = {"x": np.ones((1, 16), np.float32)}
        outputs = session.run(feeds)
    copies = {name: array.copy() for name, array in outputs.items()}
    feeds["x"][:] = 7
    for name, array in outputs.items():
        np.testing.assert_array_equal(array, copies[name])


@pytest.mark.parametrize("source", [b"", b"some text, no model", b"\x08\x09truncated"])
def test_bytes_that_are_no_model_are_one_line(backend: Backend, source: bytes, tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(source)
    for form in (source, tmp_path / "bad.onnx"):
        for extra in ((), ("h",)):
            with pytest.raises(CompressorError) as caught:
                backend.open(form, extra_outputs=extra)
            assert "\n" not in str(caught.value)


def test_missing_file_and_folder(backend: Backend, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="no such file"):
        backend.open(tmp_path / "missing.onnx")
    with pytest.raises(ModelFileError, match="folder"):
        backend.open(tmp_path)


@pytest.mark.parametrize("threads", [0, -1])
def test_impossible_thread_counts(backend: Backend, threads: int) -> None:
    with pytest.raises(UsageError, match="at least 1"):
        backend.open(chain(1), threads=threads)


def test_more_threads_than_cpus_are_the_machines_fault(backend: Backend) -> None:
    cpus = os.cpu_count() or 1
    with pytest.raises(MachineError, match=rf"asked for {cpus + 1} threads, .* {cpus}\D.*Ask for at most {cpus}"):
        backend.open(chain(1), threads=cpus + 1)


def test_bound_calls_run_and_say_what_fails(backend: Backend) -> None:
    feeds = {"x": np.ones((3, 16), np.float32)}
    with backend.open(chain(1), threads=1) as session:
        if backend.replays:
            with pytest.raises(BackendError, match="replayed"), session.bound(feeds):
                pass
            return
        with session.bound(feeds) as run:
            run()
            run()
        with pytest.raises(BackendError), session.bound({"y": feeds["x"]}) as run:
            run()
        with pytest.raises(KeyError, match="not ours"), session.bound(feeds):
            raise KeyError("not ours")
