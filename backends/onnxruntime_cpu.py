"""ONNX Runtime on the CPU: one provider, a fixed number of threads, nothing silently elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from compressor.backends.base import (
    BACKENDS,
    Availability,
    Backend,
    ModelSource,
    Session,
    require_usable,
    thread_count,
)
from compressor.backends.ort_model import prepare
from compressor.backends.ort_provider import CPU
from compressor.backends.ort_session import OnnxRuntimeSession


@BACKENDS.register("onnxruntime-cpu")
class OnnxRuntimeCpu(Backend):
    """ONNX Runtime's CPUExecutionProvider."""

    name = "onnxruntime-cpu"
    tells_kernels = True

    def probe(self) -> Availability:
        """Usable where onnxruntime imports and has the CPU provider."""
        try:
            import onnxruntime
        except ImportError as error:
            reason = f"onnxruntime cannot be imported: {error}"
            return Availability(False, None, CPU.device, reason=reason, install=CPU.install)
        if CPU.provider not in onnxruntime.get_available_providers():
            reason = f"this build of onnxruntime has no {CPU.provider}"
            return Availability(False, onnxruntime.__version__, CPU.device, reason=reason, install=CPU.install)
        return Availability(True, onnxruntime.__version__, CPU.device)

    def open(
        self,
        model: ModelSource,
        *,
        threads: int | None = None,
        extra_outputs: Sequence[str] = (),
        optimize: bool = True,
        profile: bool = False,
    ) -> Session:
        """See Backend.open."""
        require_usable(self)
        return OnnxRuntimeSession(prepare(model, extra_outputs), thread_count(threads), optimize, profile=profile)
