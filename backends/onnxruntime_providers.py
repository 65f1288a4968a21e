"""ONNX Runtime's execution providers besides the CPU's: one table of facts, one backend made from each row."""

from __future__ import annotations

import importlib.util
import json
import platform
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

from compressor.backends import nvidia
from compressor.backends.base import (
    BACKENDS,
    Availability,
    Backend,
    ModelSource,
    Session,
    require_usable,
    thread_count,
)
from compressor.backends.ort_assignment import FIRST_VERSION
from compressor.backends.ort_model import prepare
from compressor.backends.ort_plugin import plugin_devices
from compressor.backends.ort_provider import Options, OrtProvider, Request
from compressor.backends.ort_session import OnnxRuntimeSession
from compressor.errors import BackendError

# Two packages that both bring the module `onnxruntime` overwrite each other's files.
_INSTEAD = "pip uninstall --yes onnxruntime && pip install"
_DEV = Path("/dev")
_CUDA_LIBRARIES = "Check that the loader finds CUDA and cuDNN of the versions that this onnxruntime-gpu was built for."
_OPENVINO_LIBRARIES = "Check that OpenVINO lists the device: openvino.Core().available_devices."


def _cuda(request: Request) -> Options:
    """TensorFloat-32 rounds the factors of products to 10 bits, which verification must not see."""
    return {"device_id": str(request.device), "use_tf32": str(int(request.optimize))}


def _device_id(request: Request) -> Options:
    return {"device_id": str(request.device)}


def _core_ml(request: Request) -> Options:
    return {"ModelFormat": "MLProgram", "MLComputeUnits": "ALL"}


def _qnn(request: Request) -> Options:
    return {"backend_type": "htp"}


def _openvino(kind: str) -> Callable[[Request], Options]:
    """Options for one of OpenVINO's devices; on the CPU the file's own precision, as in the other CPU backends."""

    def options(request: Request) -> Options:
        if kind == "CPU":
            config = {"INFERENCE_NUM_THREADS": str(request.threads), "NUM_STREAMS": "1", "PERFORMANCE_HINT": "LATENCY",
                      "EXECUTION_MODE_HINT": "ACCURACY"}  # fmt: skip
            return {"device_type": kind, "load_config": json.dumps({kind: config})}
        return {"device_type": f"{kind}.{request.device}" if request.device else kind}

    return options


PROVIDERS = (
    OrtProvider(
        "onnxruntime-cuda", "CUDAExecutionProvider", "NVIDIA GPU", f"{_INSTEAD} onnxruntime-gpu", _cuda,
        needs=_CUDA_LIBRARIES, memory="cuda", nvidia=True, several=True,
    ),
    OrtProvider(
        "onnxruntime-tensorrt", "TensorrtExecutionProvider", "NVIDIA GPU",
        f"{_INSTEAD} onnxruntime-gpu tensorrt", _device_id,
        needs=f"{_CUDA_LIBRARIES} TensorRT's libraries must be found too.", memory="cuda", nvidia=True, several=True,
    ),
    OrtProvider(
        "onnxruntime-directml", "DmlExecutionProvider", "GPU (DirectX 12)",
        f"{_INSTEAD} onnxruntime-directml", _device_id,
        needs="Check that the GPU's driver has DirectX 12.", memory="dml", system="Windows", several=True,
        memory_pattern=False,
    ),
    OrtProvider(
        "onnxruntime-coreml", "CoreMLExecutionProvider", "CPU, GPU and Neural Engine (Core ML)",
        "pip install onnxruntime", _core_ml, system="Darwin",
    ),
    OrtProvider(
        "onnxruntime-qnn", "QNNExecutionProvider", "Hexagon NPU (HTP)", "pip install onnxruntime-qnn", _qnn,
        needs="The NPU takes quantized models and, on recent chips, float16.", plugin="onnxruntime_qnn",
    ),
    OrtProvider(
        "onnxruntime-openvino-cpu", "OpenVINOExecutionProvider", "CPU", f"{_INSTEAD} onnxruntime-openvino",
        _openvino("CPU"), needs=_OPENVINO_LIBRARIES,
    ),
    OrtProvider(
        "onnxruntime-openvino-gpu", "OpenVINOExecutionProvider", "Intel GPU", f"{_INSTEAD} onnxruntime-openvino",
        _openvino("GPU"), needs=_OPENVINO_LIBRARIES, several=True, device_files="dri/renderD*",
    ),
    OrtProvider(
        "onnxruntime-openvino-npu", "OpenVINOExecutionProvider", "Intel NPU", f"{_INSTEAD} onnxruntime-openvino",
        _openvino("NPU"), needs=_OPENVINO_LIBRARIES, several=True, device_files="accel/accel*",
    ),
)  # fmt: skip


class OnnxRuntimeProvider(Backend):
    """ONNX Runtime on one execution provider.

    Args:
        facts: the provider.
        device: number of the device.
    """

    def __init__(self, facts: OrtProvider, device: int = 0) -> None:
        self.name = f"{facts.backend}:{device}" if device else facts.backend
        self._facts, self._device = facts, device

    def on_device(self, index: int) -> Self:
        """See Backend.on_device."""
        return type(self)(self._facts, index) if self._facts.several else super().on_device(index)

    def probe(self) -> Availability:
        """Usable where onnxruntime imports, has the provider, and the hardware shows."""
        facts = self._facts
        try:
            import onnxruntime
        except ImportError as error:
            reason = f"onnxruntime cannot be imported: {error}"
            return Availability(False, None, facts.device, reason=reason, install=facts.install)
        version = onnxruntime.__version__
        lacking = _lacking(facts, onnxruntime)
        if lacking is not None:
            # Another system cannot be installed.
            install = None if facts.system not in (None, platform.system()) else facts.install
            return Availability(False, version, facts.device, reason=lacking, install=install)
        device, missing = _hardware(facts, self._device)
        return Availability(missing is None, version, device, reason=missing)

    def open(
        self,
        model: ModelSource,
        *,
        threads: int | None = None,
        extra_outputs: Sequence[str] = (),
        optimize: bool = True,
        profile: bool = False,
    ) -> Session:
        """See Backend.open; every node must be the provider's, arithmetic on shapes apart."""
        require_usable(self)
        threads = thread_count(threads)
        return OnnxRuntimeSession(prepare(model, extra_outputs), threads, optimize, self._facts, self._device)


def _lacking(facts: OrtProvider, runtime: Any) -> str | None:
    """Why this installation has no such provider, None where it has."""
    if facts.system not in (None, platform.system()):
        return f"it exists on {facts.system} only"
    if facts.provider not in runtime.get_available_providers() and not (
        facts.plugin and importlib.util.find_spec(facts.plugin)
    ):
        return f"onnxruntime {runtime.__version__} as installed has no {facts.provider}"
    if tuple(map(int, runtime.__version__.split(".")[:2])) < FIRST_VERSION:
        wanted = ".".join(map(str, FIRST_VERSION))
        return f"onnxruntime {runtime.__version__} cannot tell which nodes run elsewhere: {wanted} is needed"
    return None


def _hardware(facts: OrtProvider, index: int) -> tuple[str, str | None]:
    """(the device in words, why it cannot be used or None)."""
    if facts.nvidia:
        found = nvidia.gpus()
        if index >= len(found):
            return facts.device, nvidia.MISSING if not found else f"there is no GPU {index}: {len(found)} found"
        return str(found[index]), None
    if facts.device_files is not None and platform.system() == "Linux" and not any(_DEV.glob(facts.device_files)):
        return facts.device, f"no driver shows one: there is no {_DEV}/{facts.device_files}"
    if facts.plugin is not None and importlib.util.find_spec(facts.plugin):
        try:
            devices = plugin_devices(facts.plugin, facts.provider, facts.plugin_kind)
        except (BackendError, ImportError) as error:
            return facts.device, str(error)
        if index >= len(devices):
            return facts.device, f"{facts.provider} finds {len(devices)} {facts.plugin_kind}s that it can run on"
    return facts.device, None


for _facts in PROVIDERS:
    BACKENDS.register(_facts.backend)(partial(OnnxRuntimeProvider, _facts))
