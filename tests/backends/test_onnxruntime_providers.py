"""Execution providers: what is asked for and missing, or leaves nodes on the CPU, is an error."""

from __future__ import annotations

import dataclasses
import importlib.machinery
import platform
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

from compressor.backends import nvidia, onnxruntime_providers, ort_plugin
from compressor.backends.base import get_backend
from compressor.backends.onnxruntime_providers import PROVIDERS, OnnxRuntimeProvider
from compressor.backends.ort_assignment import check_assignment, shape_arithmetic
from compressor.backends.ort_model import OrtModel, prepare
from compressor.backends.ort_provider import CPU, OrtProvider, Request
from compressor.backends.ort_session import OnnxRuntimeSession
from compressor.errors import BackendError, MachineError
from tests.backends.small_models import chain, model, value

# Is in every build for Linux and Windows, and takes none of the nodes here: it only calls remote endpoints.
AZURE = OrtProvider("onnxruntime-azure", "AzureExecutionProvider", "remote", "pip install onnxruntime")
FACTS = {facts.backend: facts for facts in PROVIDERS}


def needs_azure() -> None:
    if AZURE.provider not in onnxruntime.get_available_providers():
        pytest.skip("this build of onnxruntime has no AzureExecutionProvider")


def test_nodes_left_on_the_cpu_are_listed() -> None:
    needs_azure()
    with pytest.raises(BackendError) as caught:
        OnnxRuntimeSession(prepare(chain(2), ()), 1, True, AZURE)
    assert "asked for AzureExecutionProvider, but 4 of 4 nodes would run on CPUExecutionProvider" in str(caught.value)
    assert "MatMul 'matmul0', Relu 'relu0', MatMul 'matmul1', Relu 'relu1'" in str(caught.value)
    assert not isinstance(caught.value, MachineError)  # another model might do without these nodes


@pytest.mark.parametrize(
    ("memory", "said", "machine"),
    [
        ("cuda", "Failed to allocate memory for requested buffer of size 9", True),
        ("cuda", "Got invalid dimensions", False),
        (None, "Failed to allocate memory for requested buffer of size 9", False),
    ],
)
def test_a_device_whose_memory_is_full_is_the_machines_fault(memory: str | None, said: str, machine: bool) -> None:
    with OnnxRuntimeSession(prepare(chain(1), ()), 1, True) as session:
        session._facts = dataclasses.replace(CPU, memory=memory)
        assert isinstance(session._failure("run", RuntimeError(said)), MachineError) == machine


def test_a_long_list_is_cut_and_counted() -> None:
    needs_azure()
    with pytest.raises(BackendError, match=r"60 of 60 nodes.* and 40 more"):
        OnnxRuntimeSession(prepare(chain(30), ()), 1, True, AZURE)


def shapes() -> onnx.ModelProto:
    """y = x reshaped by its own batch size, and z, which Unique computes."""
    nodes = [
        helper.make_node("Shape", ["x"], ["s"], name="shape"),
        helper.make_node("Gather", ["s", "zero"], ["n"], name="gather"),
        helper.make_node("Concat", ["n", "rest"], ["wanted"], axis=0, name="concat"),
        helper.make_node("Reshape", ["x", "wanted"], ["y"], name="reshape"),
        helper.make_node("Unique", ["x"], ["z"], name="unique"),
    ]
    constants = {"zero": np.array([0]), "rest": np.array([-1])}
    return model(nodes, [value("x", ["N", 2, 3])], [value("y", ["N", 6]), value("z", ["M"])], constants)


def test_arithmetic_on_shapes_is_what_follows_from_shapes_alone() -> None:
    assert shape_arithmetic(shapes().graph) == {"shape", "gather", "concat"}
    drawn = model([helper.make_node("RandomNormal", [], ["y"], name="draw", shape=[2])], [], [value("y", [2])])
    assert shape_arithmetic(drawn.graph) == set()


@pytest.mark.parametrize("form", ["bytes", "path"])
def test_arithmetic_on_shapes_may_stay_on_the_cpu(form: str, tmp_path: Path) -> None:
    """The recorded assignment of a real session, with the provider's name changed for two of its nodes."""
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    blob = shapes().SerializeToString()
    real = onnxruntime.InferenceSession(blob, options, providers=["CPUExecutionProvider"])
    (tmp_path / "m.onnx").write_bytes(blob)
    source = OrtModel(blob) if form == "bytes" else OrtModel(str(tmp_path / "m.onnx"))
    moved = Moved(real, {"reshape", "unique"})
    check_assignment(moved, "DeviceExecutionProvider", source, "model")
    with pytest.raises(BackendError, match=r"1 of 5 nodes would run on CPUExecutionProvider: Unique 'unique'\."):
        check_assignment(Moved(real, {"reshape"}), "DeviceExecutionProvider", source, "model")


class Moved:
    """A session's recorded assignment in which some nodes went to another provider."""

    def __init__(self, session: onnxruntime.InferenceSession, names: set[str]) -> None:
        self._parts = session.get_provider_graph_assignment_info()
        self._names = names

    def get_provider_graph_assignment_info(self) -> list[Moved.Part]:
        return [
            self.Part("DeviceExecutionProvider" if node.name in self._names else part.ep_name, node)
            for part in self._parts
            for node in part.get_nodes()
        ]

    @dataclasses.dataclass
    class Part:
        ep_name: str
        node: object

        def get_nodes(self) -> list[object]:
            return [self.node]


def test_a_provider_that_does_not_start_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime itself goes on with the CPU and only prints a warning."""
    facts = dataclasses.replace(FACTS["onnxruntime-cuda"], provider="NoSuchExecutionProvider", needs="Look there.")
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(BackendError, match=r"NoSuchExecutionProvider.* CPUExecutionProvider\. Look there\."):
        OnnxRuntimeSession(prepare(chain(1), ()), 1, True, facts)


@pytest.mark.parametrize("name", sorted(FACTS))
def test_options_are_text(name: str) -> None:
    options = FACTS[name].options(Request(device=1, threads=3, optimize=True))
    assert all(type(key) is str and type(text) is str for key, text in options.items())


def test_options_carry_the_device_and_the_threads() -> None:
    request = Request(device=1, threads=3, optimize=False)
    assert FACTS["onnxruntime-cuda"].options(request) == {"device_id": "1", "use_tf32": "0"}
    assert FACTS["onnxruntime-openvino-gpu"].options(request) == {"device_type": "GPU.1"}
    assert '"INFERENCE_NUM_THREADS": "3"' in FACTS["onnxruntime-openvino-cpu"].options(request)["load_config"]


@pytest.mark.parametrize(("version", "usable"), [("1.22.0", False), ("1.24.0", True), ("2.0.0", True)])
def test_versions_that_cannot_tell_where_nodes_run_are_refused(
    version: str, usable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "__version__", version)
    monkeypatch.setattr(nvidia, "gpus", lambda: nvidia.parse("NVIDIA Y200, 999.1\n"))
    found = get_backend("onnxruntime-cuda").probe()
    assert found.usable is usable
    assert ("1.24 is needed" in str(found.reason)) is not usable
    if usable:
        assert found.device == "NVIDIA Y200 (driver 999.1)"
        assert get_backend("onnxruntime-cuda:1").probe().reason == "there is no GPU 1: 1 found"


def test_no_gpu_and_no_driver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(nvidia, "gpus", lambda: ())
    monkeypatch.setattr(onnxruntime_providers, "_DEV", tmp_path)
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    for name, word in [("onnxruntime-tensorrt", "nvidia-smi"), ("onnxruntime-openvino-npu", "accel/accel")]:
        facts = FACTS[name]
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda facts=facts: [facts.provider])
        found = OnnxRuntimeProvider(facts).probe()
        assert not found.usable
        assert word in str(found.reason)
        assert found.install is None


def test_missing_onnxruntime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    found = get_backend("onnxruntime-cuda").probe()
    assert found.version is None
    assert "onnxruntime-gpu" in str(found.install)


def test_nvidia_smi_is_read() -> None:
    text = "NVIDIA A10, with comma, 550.1\nTesla T4, 550.1\n"
    assert [str(gpu) for gpu in nvidia.parse(text)] == [
        "NVIDIA A10, with comma (driver 550.1)",
        "Tesla T4 (driver 550.1)",
    ]
    assert nvidia.parse("No devices were found\n") == ()


def test_a_package_that_adds_a_provider_counts_devices_of_its_kind_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an NPU, QNN's provider offers the CPU, on which it can compile but not run."""
    kinds = onnxruntime.OrtHardwareDeviceType

    def device(name: str, kind: object) -> SimpleNamespace:
        return SimpleNamespace(ep_name=name, device=SimpleNamespace(type=kind))

    provider = FACTS["onnxruntime-qnn"].provider
    offered = [device(provider, kinds.CPU), device("CPUExecutionProvider", kinds.CPU)]
    package = SimpleNamespace(
        get_library_path=lambda: "/nowhere/libqnn.so", __spec__=importlib.machinery.ModuleSpec("q", None)
    )
    registered: list[tuple[str, str]] = []
    monkeypatch.setitem(sys.modules, "onnxruntime_qnn", package)
    monkeypatch.setattr(onnxruntime, "register_execution_provider_library", lambda *call: registered.append(call))
    monkeypatch.setattr(onnxruntime, "get_ep_devices", lambda: offered)
    ort_plugin._register.cache_clear()
    assert get_backend("onnxruntime-qnn").probe().reason == f"{provider} finds 0 NPUs that it can run on"
    offered.append(device(provider, kinds.NPU))
    assert get_backend("onnxruntime-qnn").probe().usable
    assert registered == [(provider, "/nowhere/libqnn.so")]
    ort_plugin._register.cache_clear()


def test_a_library_that_cannot_be_loaded_is_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    package = SimpleNamespace(
        get_library_path=lambda: "/nowhere/libqnn.so", __spec__=importlib.machinery.ModuleSpec("q", None)
    )
    monkeypatch.setitem(sys.modules, "onnxruntime_qnn", package)
    ort_plugin._register.cache_clear()
    found = get_backend("onnxruntime-qnn").probe()
    assert not found.usable
    assert "ONNX Runtime cannot load QNNExecutionProvider" in str(found.reason)
