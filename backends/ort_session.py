"""A session of ONNX Runtime on one execution provider: fixed threads, values bound outside the clock."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from compressor.backends import ort_profile, ort_values
from compressor.backends.base import Array, InputSpec, Session
from compressor.backends.clock import time_calls
from compressor.backends.kernels import Kernel
from compressor.backends.ort_assignment import RECORD, check_assignment
from compressor.backends.ort_model import OrtModel
from compressor.backends.ort_plugin import plugin_devices
from compressor.backends.ort_provider import CPU, CPU_PROVIDER, OrtProvider, Request
from compressor.errors import BackendError, MachineError

_FULL = ("Failed to allocate memory", "out of memory")  # what its allocators of devices say, in an error of no type


class OnnxRuntimeSession(Session):
    """An InferenceSession that runs wholly on the provider asked for.

    Args:
        model: see ``ort_model.prepare``.
        threads: threads per operator.
        optimize: see Backend.open.
        facts: the provider.
        device: number of the device.
        profile: see Backend.open.

    Raises:
        BackendError: the model is refused, or nodes would run on the CPU instead.
        MachineError: the provider does not start, or the device's memory is full.
    """

    def __init__(
        self, model: OrtModel, threads: int, optimize: bool, facts: OrtProvider = CPU, device: int = 0,
        profile: bool = False,
    ) -> None:  # fmt: skip
        self._errors = ort_values.error_types()
        self._facts, self._device = facts, device
        self.threads, self._optimize = threads, optimize
        # Elsewhere the record has the host's times, which is done long before the device is.
        self.tells_kernels = profile and facts.provider == CPU_PROVIDER
        self._model = model if self.tells_kernels else None
        self._where = model.source if isinstance(model.source, str) else "model"
        self._weights = {name: ort_values.to_ort(array, kind) for name, (array, kind) in model.weights.items()}
        self._session = self._open(model, _options(threads, optimize, facts))
        self.provider = self._session.get_providers()[0]
        if self.provider != facts.provider:
            raise MachineError(
                f"asked for {facts.provider}, ONNX Runtime chose {self.provider}",
                where=self._where,
                fix=facts.needs or None,
            )
        if facts.provider != CPU_PROVIDER:
            check_assignment(self._session, facts.provider, model, self._where)
        if facts.memory is not None:
            self.timed = f"whole runs, inputs and outputs in {facts.memory} memory"
        self._types = {value.name: value.type for value in self._session.get_inputs()}
        self.inputs = [
            InputSpec(value.name, ort_values.numpy_type(value.type, value.name), tuple(value.shape))
            for value in self._session.get_inputs()
        ]
        self.output_names = [value.name for value in self._session.get_outputs()]

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """See Session.run; the arrays returned own their memory."""
        binding = self._bind(feeds, None)
        try:
            self._session.run_with_iobinding(binding)
        except self._errors as error:
            raise self._failure("run", error) from error
        outputs = zip(self.output_names, binding.get_outputs(), strict=True)
        return {name: ort_values.to_numpy(value, name) for name, value in outputs}

    def time_ns(self, feeds: Mapping[str, Array], repeats: int) -> list[int]:
        """See Session.time_ns."""
        call = self._call(feeds)
        try:
            return time_calls(call, repeats)
        except self._errors as error:
            raise self._failure("run", error) from error

    @contextlib.contextmanager
    def bound(self, feeds: Mapping[str, Array]) -> Iterator[Callable[[], object]]:
        """See Session.bound."""
        call = self._call(feeds)

        def run() -> None:
            try:
                call()
            except self._errors as error:
                raise self._failure("run", error) from error

        yield run

    def kernels(self, feeds: Mapping[str, Array], repeats: int) -> list[Kernel]:
        """See Session.kernels; ONNX Runtime ends its record once, so each call opens the model anew."""
        if not self.tells_kernels:
            return super().kernels(feeds, repeats)
        if self._model is None:
            raise BackendError("the session is closed", where=self._where)
        model, graph = ort_profile.with_unique_names(self._model)
        with tempfile.TemporaryDirectory(prefix="compressor-") as folder:
            options = _options(self.threads, self._optimize, self._facts)
            ort_profile.watch(options, Path(folder))
            profiled = self._open(model, options)
            binding = self._bind(feeds, None, profiled)
            try:
                for _ in range(ort_profile.WARM_UP_RUNS + repeats):
                    profiled.run_with_iobinding(binding)
            except self._errors as error:
                raise self._failure("run", error) from error
            return ort_profile.read_kernels(Path(profiled.end_profiling()), Path(folder), graph, repeats)

    def close(self) -> None:
        """Free the session; its weights go with it."""
        self._session = self._model = None
        self._weights = {}

    def _open(self, model: OrtModel, options: Any) -> Any:
        import onnxruntime

        if model.folder is not None:
            options.add_session_config_entry("session.model_external_initializers_file_folder_path", model.folder)
        if self._weights:
            options.add_external_initializers(list(self._weights), list(self._weights.values()))
        facts = self._facts
        chosen = facts.options(Request(self._device, self.threads, self._optimize))
        built_in = facts.provider in onnxruntime.get_available_providers()
        providers = [(facts.provider, chosen)] if built_in else None
        if facts.nvidia and hasattr(onnxruntime, "preload_dlls"):
            with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does not find
                onnxruntime.preload_dlls()
        try:
            if facts.plugin is not None and not built_in:
                device = plugin_devices(facts.plugin, facts.provider, facts.plugin_kind)[self._device]
                options.add_provider_for_devices([device], chosen)
            return onnxruntime.InferenceSession(model.source, options, providers=providers, enable_fallback=0)
        except self._errors as error:
            raise self._failure("open", error) from error

    def _call(self, feeds: Mapping[str, Array]) -> Callable[[], object]:
        """A run of the inputs, which lie where the provider computes; waited for where that is not the host."""
        binding = self._bind(feeds, self._facts.memory)
        run = self._session.run_with_iobinding

        def run_to_the_end() -> None:
            run(binding)
            binding.synchronize_outputs()

        return (lambda: run(binding)) if self._facts.memory is None else run_to_the_end

    def _bind(self, feeds: Mapping[str, Array], memory: str | None, session: Any = None) -> Any:
        """An IOBinding with inputs in place, and outputs to be allocated there by the runtime."""
        if self._session is None:
            raise BackendError("the session is closed", where=self._where)
        self.check_feeds(feeds)
        place = ("cpu", 0) if memory is None else (memory, self._device)
        binding = (session or self._session).io_binding()
        try:
            for name, array in feeds.items():
                value = ort_values.to_ort(array, ort_values.onnx_type(self._types[name], name), *place)
                binding.bind_ortvalue_input(name, value)
            for name in self.output_names:
                binding.bind_output(name, *place)
        except self._errors as error:
            raise self._failure("place the inputs of", error) from error
        return binding

    def _failure(self, verb: str, error: Exception) -> BackendError:
        full = self._facts.memory is not None and any(words in str(error) for words in _FULL)
        kind = MachineError if full else BackendError
        return kind(f"ONNX Runtime cannot {verb} the model: {ort_values.reason(error)}", where=self._where)


def _options(threads: int, optimize: bool, facts: OrtProvider) -> Any:
    """Session options: ``threads`` per operator, one operator at a time, errors only as exceptions."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.enable_mem_pattern = facts.memory_pattern
    level = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimize else level.ORT_DISABLE_ALL
    options.log_severity_level = 4
    if facts.provider != CPU_PROVIDER:
        options.add_session_config_entry(RECORD, "1")
    return options
