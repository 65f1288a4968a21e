"""PyTorch through the torch bridge: eager and torch.compile, on the CPU and on NVIDIA GPUs."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
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

INSTALL = "pip install 'torch>=2.10' 'onnx-ir>=0.2' 'onnxscript>=0.7'"
INSTALL_COMPILER = "sudo apt-get install g++"
INSTALL_TRITON = "pip install triton"


@dataclass(frozen=True)
class TorchMode:
    """How PyTorch runs a module.

    Attributes:
        backend: the name it is registered under.
        device: "cpu" or "cuda".
        compiled: by torch.compile, as one graph; eagerly otherwise.
        graphed: whether timed runs replay a CUDA graph, so that the host's launching of kernels is not timed.
    """

    backend: str
    device: str
    compiled: bool = False
    graphed: bool = False


MODES = (
    TorchMode("torch-cpu", "cpu"),
    TorchMode("torch-compile-cpu", "cpu", compiled=True),
    TorchMode("torch-cuda", "cuda"),
    TorchMode("torch-cuda-graph", "cuda", graphed=True),
    TorchMode("torch-compile-cuda", "cuda", compiled=True, graphed=True),
)


class Torch(Backend):
    """PyTorch in one mode.

    Args:
        mode: see TorchMode.
        device: number of the GPU.
    """

    def __init__(self, mode: TorchMode, device: int = 0) -> None:
        self.name = f"{mode.backend}:{device}" if device else mode.backend
        self._mode, self._device = mode, device
        self.tells_kernels, self.replays = not (mode.compiled or mode.graphed), mode.graphed

    def on_device(self, index: int) -> Self:
        """See Backend.on_device; there is only one CPU."""
        return super().on_device(index) if self._mode.device == "cpu" else type(self)(self._mode, index)

    def probe(self) -> Availability:
        """Usable where torch imports, sees the device, and has the compiler that torch.compile needs."""
        words = "CPU" if self._mode.device == "cpu" else "NVIDIA GPU"
        try:
            import torch
        except ImportError as error:
            return Availability(False, None, words, reason=f"torch cannot be imported: {error}", install=INSTALL)
        version = str(torch.__version__)
        if self._mode.device == "cuda":
            reason, install = _cuda_lacks(torch, self._device)
            if reason is not None:
                return Availability(False, version, words, reason=reason, install=install)
            version += f", CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"
            drivers = {gpu.driver for gpu in nvidia.gpus()}
            words = f"{torch.cuda.get_device_name(self._device)} (driver {', '.join(drivers) or 'unknown'})"
        if self._mode.compiled:
            reason, install = _compiler_lacks(self._mode.device)
            if reason is not None:
                return Availability(False, version, words, reason=reason, install=install)
        return Availability(True, version, words)

    def open(
        self,
        model: ModelSource,
        *,
        threads: int | None = None,
        extra_outputs: Sequence[str] = (),
        optimize: bool = True,
        profile: bool = False,
    ) -> Session:
        """See Backend.open; ``optimize=False`` runs eagerly, without TensorFloat-32. The first run compiles."""
        threads = thread_count(threads)
        require_usable(self)
        from compressor.backends.pytorch.cuda import CudaSession
        from compressor.backends.pytorch.session import TorchSession, read_module

        module, inputs, outputs = read_module(model, extra_outputs)
        compiled = self._mode.compiled and optimize
        if self._mode.device == "cpu":
            return TorchSession(module, inputs, outputs, threads, compiled, profile)
        return CudaSession(
            module, inputs, outputs, threads, compiled, self._device, self._mode.graphed,
            exact=not optimize, profile=profile,
        )  # fmt: skip


def _cuda_lacks(torch: Any, index: int) -> tuple[str | None, str | None]:
    """(why there is no CUDA device ``index``, the install line where one helps)."""
    if torch.version.cuda is None:
        return "this build of torch has no CUDA", "pip install --force-reinstall torch"
    if not torch.cuda.is_available():
        return nvidia.MISSING if not nvidia.gpus() else "torch sees no GPU: its CUDA does not fit the driver", None
    if index >= torch.cuda.device_count():
        return f"there is no GPU {index}: {torch.cuda.device_count()} found", None
    return None, None


def _compiler_lacks(device: str) -> tuple[str | None, str | None]:
    """(why torch.compile cannot work for ``device``, the install line)."""
    if device == "cuda":
        missing = importlib.util.find_spec("triton") is None
        return ("torch.compile needs triton on GPUs", INSTALL_TRITON) if missing else (None, None)
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler:
        return "torch.compile needs a C++ compiler", INSTALL_COMPILER
    return None, None


for _mode in MODES:
    BACKENDS.register(_mode.backend)(partial(Torch, _mode))
