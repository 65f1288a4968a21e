"""ONNX Runtime on the CPU: one provider, a fixed number of threads, nothing silently elsewhere."""

from __future__ import annotations

import gc
import itertools
import time
from collections.abc import Mapping, Sequence
from typing import Any

from compressor.backends import ort_values
from compressor.backends.base import (
    BACKENDS,
    Array,
    Availability,
    Backend,
    InputSpec,
    ModelSource,
    Session,
    thread_count,
)
from compressor.backends.ort_model import OrtModel, prepare
from compressor.errors import BackendError

PROVIDER = "CPUExecutionProvider"
INSTALL = "pip install onnxruntime"


@BACKENDS.register("onnxruntime-cpu")
class OnnxRuntimeCpu(Backend):
    """ONNX Runtime's CPUExecutionProvider."""

    name = "onnxruntime-cpu"

    def probe(self) -> Availability:
        """Usable where onnxruntime imports and has the CPU provider."""
        try:
            import onnxruntime
        except ImportError as error:
            return Availability(False, None, "CPU", reason=f"onnxruntime cannot be imported: {error}", install=INSTALL)
        if PROVIDER not in onnxruntime.get_available_providers():
            reason = f"this build of onnxruntime has no {PROVIDER}"
            return Availability(False, onnxruntime.__version__, "CPU", reason=reason, install=INSTALL)
        return Availability(True, onnxruntime.__version__, "CPU")

    def open(
        self,
        model: ModelSource,
        *,
        threads: int | None = None,
        extra_outputs: Sequence[str] = (),
        optimize: bool = True,
    ) -> Session:
        """See Backend.open."""
        available = self.probe()
        if not available.usable:
            raise BackendError(str(available.reason), where=self.name, fix=f"Run: {available.install}")
        return OnnxRuntimeSession(prepare(model, extra_outputs), thread_count(threads), optimize)


class OnnxRuntimeSession(Session):
    """An InferenceSession with values bound outside the clock."""

    def __init__(self, model: OrtModel, threads: int, optimize: bool) -> None:
        import onnxruntime

        self._errors = ort_values.error_types()
        self.threads = threads
        self._weights = {name: ort_values.to_ort(array, kind) for name, (array, kind) in model.weights.items()}
        options = _options(threads, optimize)
        if model.folder is not None:
            options.add_session_config_entry("session.model_external_initializers_file_folder_path", model.folder)
        if self._weights:
            options.add_external_initializers(list(self._weights), list(self._weights.values()))
        self._where = model.source if isinstance(model.source, str) else "model"
        try:
            self._session = onnxruntime.InferenceSession(model.source, options, providers=[PROVIDER], enable_fallback=0)
        except self._errors as error:
            raise self._failure("open", error) from error
        self.provider = self._session.get_providers()[0]
        if self.provider != PROVIDER:
            raise BackendError(f"asked for {PROVIDER}, ONNX Runtime chose {self.provider}", where=self._where)
        self._types = {value.name: value.type for value in self._session.get_inputs()}
        self.inputs = [
            InputSpec(value.name, ort_values.numpy_type(value.type, value.name), tuple(value.shape))
            for value in self._session.get_inputs()
        ]
        self.output_names = [value.name for value in self._session.get_outputs()]

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """See Session.run; the arrays returned own their memory."""
        binding = self._bind(feeds)
        try:
            self._session.run_with_iobinding(binding)
        except self._errors as error:
            raise self._failure("run", error) from error
        outputs = zip(self.output_names, binding.get_outputs(), strict=True)
        return {name: ort_values.to_numpy(value, name) for name, value in outputs}

    def time_ns(self, feeds: Mapping[str, Array], repeats: int) -> list[int]:
        """See Session.time_ns."""
        binding = self._bind(feeds)
        run, clock, stamps = self._session.run_with_iobinding, time.perf_counter_ns, [0] * (repeats + 1)
        collecting = gc.isenabled()
        gc.disable()  # a collection inside the loop would be charged to the model
        try:
            stamps[0] = clock()
            for index in range(1, repeats + 1):
                run(binding)
                stamps[index] = clock()
        except self._errors as error:
            raise self._failure("run", error) from error
        finally:
            if collecting:
                gc.enable()
        return [after - before for before, after in itertools.pairwise(stamps)]

    def close(self) -> None:
        """Free the session; its weights go with it."""
        self._session = None
        self._weights = {}

    def _bind(self, feeds: Mapping[str, Array]) -> Any:
        """An IOBinding with inputs in place and outputs to be allocated by the runtime."""
        if self._session is None:
            raise BackendError("the session is closed", where=self._where)
        self.check_feeds(feeds)
        binding = self._session.io_binding()
        for name, array in feeds.items():
            binding.bind_ortvalue_input(name, ort_values.to_ort(array, ort_values.onnx_type(self._types[name], name)))
        for name in self.output_names:
            binding.bind_output(name, "cpu")
        return binding

    def _failure(self, verb: str, error: Exception) -> BackendError:
        return BackendError(f"ONNX Runtime cannot {verb} the model: {ort_values.reason(error)}", where=self._where)


def _options(threads: int, optimize: bool) -> Any:
    """Session options: ``threads`` per operator, one operator at a time, errors only as exceptions."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    level = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimize else level.ORT_DISABLE_ALL
    options.log_severity_level = 4
    return options
