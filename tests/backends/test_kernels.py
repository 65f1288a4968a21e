"""Times of single kernels: the contract of all backends that tell, and how tensors are found in real networks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from compressor.backends.base import BACKENDS, Backend, get_backend
from compressor.backends.file_graph import FileGraph
from compressor.backends.inputs import index_bounds, random_feeds
from compressor.backends.kernels import Kernel, total_ns
from compressor.backends.openvino_profile import Counters
from compressor.errors import BackendError
from tests.backends.kernel_models import blocked_net, residual_net, transformer
from tests.backends.small_models import chain, small_net
from tests.zoo import source

USABLE = [name for name in BACKENDS.names() if get_backend(name).probe().usable]
TELLING = [name for name in USABLE if get_backend(name).tells_kernels]
HEAVY = {"Conv", "ConvTranspose", "Gemm", "MatMul"}


@pytest.fixture(params=TELLING)
def backend(request: pytest.FixtureRequest) -> Backend:
    return get_backend(request.param)


def kernels_of(backend: Backend, proto: onnx.ModelProto | Path, repeats: int = 3) -> list[Kernel]:
    with backend.open(proto, threads=1, profile=True) as session:
        structure = onnx.load(str(proto)) if isinstance(proto, Path) else proto
        feeds = random_feeds(session.inputs, seed=0, batch=1, bounds=index_bounds(structure))
        return session.kernels(feeds, repeats)


def check_kernels(kernels: list[Kernel], proto: onnx.ModelProto, repeats: int) -> None:
    """Every kernel names tensors of the file, has positive times, and every heavy op is in exactly one kernel."""
    graph = FileGraph(proto.graph)
    known = {name for node in proto.graph.node for name in node.output} | {value.name for value in proto.graph.input}
    for kernel in kernels:
        assert kernel.tensors, kernel
        assert set(kernel.tensors) <= known, kernel
        assert len(kernel.times_ns) == repeats
        assert all(type(time) is int and time > 0 for time in kernel.times_ns), kernel
    borders = {tensor for kernel in kernels for tensor in kernel.tensors}
    ends = {kernel.tensors for kernel in kernels if not kernel.added}  # the parts of one op name the same tensors
    covered = [index for tensors in ends for index in graph.covered(tensors, borders)]
    heavy = [i for i, node in enumerate(graph.nodes) if node.op_type in HEAVY and node.output[0] in graph]
    counts = {graph.nodes[index].output[0]: covered.count(index) for index in heavy}
    assert set(counts.values()) == {1}, counts


@pytest.mark.parametrize("network", [residual_net, transformer, small_net, blocked_net])
def test_kernels_name_tensors_of_the_file_and_cover_it(
    backend: Backend, network: Callable[[], onnx.ModelProto], tmp_path: Path
) -> None:
    proto = network()
    before = proto.SerializeToString()
    check_kernels(kernels_of(backend, proto, 4), proto, 4)
    onnx.save(proto, str(tmp_path / "a.onnx"), save_as_external_data=True, location="weights", size_threshold=256)
    proto.ParseFromString(before)
    check_kernels(kernels_of(backend, tmp_path / "a.onnx"), proto, 3)
    assert proto.SerializeToString() == before


@pytest.mark.parametrize("name", USABLE)
def test_a_session_says_whether_it_tells(name: str) -> None:
    backend = get_backend(name)
    feeds = {"x": np.ones((1, 16), np.float32)}
    for profile in (False, True):
        with backend.open(chain(1), threads=1, profile=profile) as session:
            assert session.tells_kernels == (profile and backend.tells_kernels)
            if not session.tells_kernels:
                with pytest.raises(BackendError, match="does not tell"):
                    session.kernels(feeds, 1)


def test_kernels_check_what_is_fed_and_a_closed_session(backend: Backend) -> None:
    session = backend.open(chain(1), threads=1, profile=True)
    with pytest.raises(BackendError, match="shape"):
        session.kernels({"x": np.ones((1, 8), np.float32)}, 1)
    session.close()
    with pytest.raises(BackendError, match="closed"):
        session.kernels({"x": np.ones((1, 16), np.float32)}, 1)


def test_a_profiled_session_also_runs_and_tells_again(backend: Backend) -> None:
    # OpenVINO does not tell of kernels that took less than half a microsecond
    with backend.open(residual_net(128, 64), threads=1, profile=True) as session:
        feeds = random_feeds(session.inputs, seed=0)
        first, again = session.kernels(feeds, 1), session.kernels(feeds, 2)
        assert [kernel.tensors for kernel in first] == [kernel.tensors for kernel in again]
        assert len(session.time_ns(feeds, 2)) == 2
        assert session.run(feeds)["y"].shape == (1, 10)


def test_the_sum_of_the_kernels_is_about_the_time_of_a_run(backend: Backend) -> None:
    if backend.name == "null":
        pytest.skip("its times are made up")
    with backend.open(residual_net(128, 64), threads=1, profile=True) as session:
        feeds = random_feeds(session.inputs, seed=0)
        session.time_ns(feeds, 3)
        ratios = []
        for _ in range(3):  # other programs slow down one or the other
            total = float(np.median(total_ns(session.kernels(feeds, 5))))
            ratios.append(total / float(np.median(session.time_ns(feeds, 5))))
            if 0.5 < ratios[-1] < 1.3:
                return
    pytest.fail(f"kernels against whole runs: {ratios}")


def test_onnx_runtime_fuses_convolution_sum_and_activation_into_one_kernel() -> None:
    kernels = {kernel.tensors: kernel for kernel in kernels_of(get_backend("onnxruntime-cpu"), residual_net())}
    assert kernels[("sum0_relu",)].op == "Conv"
    assert kernels[("first0_bn_relu",)].op == "Conv"
    assert ("sum0",) not in kernels
    assert ("second0_bn",) not in kernels


def test_onnx_runtime_keeps_blocks_between_layers_and_what_they_carry_is_found() -> None:
    """Names that the file does not know: of tensors in blocks of channels, of a GELU that five ops were fused to."""
    kernels = kernels_of(get_backend("onnxruntime-cpu"), blocked_net())
    assert [kernel.tensors for kernel in kernels if not kernel.added] == [
        ("conv0",),
        ("gelu",),
        ("relu",),
        ("norm",),
        ("y",),
    ]


def test_openvino_counts_averages_since_the_model_was_compiled() -> None:
    class Entry:
        def __init__(self, name: str, average_us: int, ran: bool = True) -> None:
            from datetime import timedelta

            self.node_name, self.real_time = name, timedelta(microseconds=average_us)
            self.status = type("Status", (), {"name": "EXECUTED" if ran else "NOT_RUN"})

    class Request:
        def __init__(self, entries: list[Entry]) -> None:
            self.get_profiling_info = lambda: entries

    counters = Counters()
    for average in (1000, 600, 500, 450):  # of runs that took 1000, 200, 300, 300 us
        counters.read(Request([Entry("conv", average), Entry("relu", 1), Entry("gone", 0, ran=False)]))
    assert counters.times_ns(warm_up=2) == {"conv": (300_500, 300_500), "relu": (1_500, 1_500)}


@pytest.mark.zoo
@pytest.mark.skipif(not source.is_present(), reason=source.ABSENT)
@pytest.mark.parametrize("name", source.names())
def test_kernels_of_the_zoo(name: str, backend: Backend) -> None:
    proto = source.load(name)
    try:
        session = backend.open(proto, threads=1, profile=True)
    except BackendError as error:
        pytest.skip(f"{backend.name} does not open it: {error}")
    with session:
        feeds = random_feeds(session.inputs, seed=0, batch=1, bounds=index_bounds(proto))
        check_kernels(session.kernels(feeds, 3), proto, 3)
