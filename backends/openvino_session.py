"""A session of OpenVINO: one stream, fixed threads, inputs bound outside the clock."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from compressor.backends import openvino_profile
from compressor.backends.base import Array, ModelSource, Session, model_path
from compressor.backends.clock import time_calls
from compressor.backends.file_graph import name_nodes
from compressor.backends.kernels import Kernel
from compressor.backends.ort_model import PROTOBUF_LIMIT_BYTES, weight_bytes
from compressor.backends.protos import input_specs, load_whole
from compressor.errors import BackendError, MachineError

if TYPE_CHECKING:
    import onnx

_MESSAGE_CHARS = 400


def error_types() -> tuple[type[Exception], ...]:
    """Everything OpenVINO's Python API raises on a bad model or bad inputs."""
    return (RuntimeError, ValueError, TypeError, IndexError)


class OpenVinoSession(Session):
    """A compiled model with one inference request.

    Args:
        model: what to open.
        structure: the same, as ``protos.load_structure`` gives it.
        device: OpenVINO's name ("CPU", "GPU.1").
        threads: threads of the CPU device.
        extra_outputs: see Backend.open.
        optimize: whether GPUs and NPUs may compute in a lower precision than the file's; the CPU never may.
        profile: see Backend.open.

    Raises:
        BackendError: OpenVINO refuses the model.
        MachineError: it takes another number of threads.
    """

    averages_kernels = True

    def __init__(
        self, model: ModelSource, structure: onnx.ModelProto, device: str, threads: int,
        extra_outputs: Sequence[str], optimize: bool, profile: bool = False,
    ) -> None:  # fmt: skip
        self._where = "model" if isinstance(model, bytes) or hasattr(model, "graph") else str(model)
        self.provider, self.threads = f"OpenVINO {device}", threads
        self.inputs = input_specs(structure)
        self.output_names = list(dict.fromkeys([*(value.name for value in structure.graph.output), *extra_outputs]))
        self._request: Any = None
        self._device, self._config = device, _config(device, threads, optimize)
        self.tells_kernels = profile and device == "CPU"
        self._source = (model, structure, extra_outputs) if self.tells_kernels else None
        self._compiled, self._request = self._compile(model, structure, extra_outputs, self._config)
        if device == "CPU":
            self._check_threads()
        parameters = (names for port in self._compiled.inputs if (names := port.get_names()))
        used = set().union(*parameters)
        self._used = [spec.name for spec in self.inputs if spec.name in used]

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """See Session.run."""
        kept = self._bind(feeds)
        try:
            self._request.infer()
        except error_types() as error:
            raise self._failure("run", error) from error
        del kept
        return {name: self._output(index) for index, name in enumerate(self.output_names)}

    def time_ns(self, feeds: Mapping[str, Array], repeats: int) -> list[int]:
        """See Session.time_ns."""
        kept = self._bind(feeds)
        try:
            return time_calls(self._request.infer, repeats)
        except error_types() as error:
            raise self._failure("run", error) from error
        finally:
            del kept

    @contextmanager
    def bound(self, feeds: Mapping[str, Array]) -> Iterator[Callable[[], object]]:
        """See Session.bound."""
        kept = self._bind(feeds)

        def run() -> None:
            try:
                self._request.infer()
            except error_types() as error:
                raise self._failure("run", error) from error

        try:
            yield run
        finally:
            del kept

    def kernels(self, feeds: Mapping[str, Array], repeats: int) -> list[Kernel]:
        """See Session.kernels; the model is compiled anew, because OpenVINO counts from then on."""
        if not self.tells_kernels:
            return super().kernels(feeds, repeats)
        if self._source is None:
            raise BackendError("the session is closed", where=self._where)
        model, structure, extra_outputs = self._source
        model, structure = _with_unique_names(model, structure)
        compiled, request = self._compile(model, structure, extra_outputs, {**self._config, "PERF_COUNT": True})
        kept = self._bind(feeds, request)
        counters = openvino_profile.Counters()
        try:
            for _ in range(openvino_profile.WARM_UP_RUNS + repeats):
                request.infer()
                counters.read(request)
            times_ns = counters.times_ns(openvino_profile.WARM_UP_RUNS)
            return openvino_profile.read_kernels(compiled, times_ns, structure.graph)
        except error_types() as error:
            raise self._failure("run", error) from error
        finally:
            del kept

    def close(self) -> None:
        """Free the request and the compiled model."""
        self._request = self._compiled = self._source = None

    def _compile(
        self, model: ModelSource, structure: onnx.ModelProto, extra_outputs: Sequence[str], config: dict[str, Any]
    ) -> tuple[Any, Any]:
        """(the compiled model, a request of it)."""
        import openvino

        with tempfile.TemporaryDirectory(prefix="compressor-") as folder:
            source = _readable(model, structure, extra_outputs, Path(folder))
            try:
                core = openvino.Core()
                compiled = core.compile_model(core.read_model(source), self._device, config)
                return compiled, compiled.create_infer_request()
            except error_types() as error:
                raise self._failure("open", error) from error

    def _bind(self, feeds: Mapping[str, Array], request: Any = None) -> list[Any]:
        """Hand the inputs over; the tensors must live as long as they are used."""
        import openvino

        request = request or self._request
        if request is None:
            raise BackendError("the session is closed", where=self._where)
        self.check_feeds(feeds)
        compiled, tensors = request.get_compiled_model(), []
        try:
            for name in self._used:
                array = np.ascontiguousarray(feeds[name]).reshape(feeds[name].shape)
                port = compiled.input(name)
                if array.dtype.isbuiltin == 1:
                    tensor = openvino.Tensor(array, shared_memory=array.flags.writeable)
                else:  # bfloat16 and float8: the bits, and OpenVINO's own name for what they mean
                    bits = array.view(np.dtype(f"u{array.dtype.itemsize}"))
                    tensor = openvino.Tensor(bits, list(array.shape), port.get_element_type())
                request.set_tensor(port, tensor)
                tensors.append((array, tensor))
        except error_types() as error:
            raise self._failure("take the inputs of", error) from error
        return tensors

    def _output(self, index: int) -> Array:
        """A copy of output number ``index``."""
        import ml_dtypes

        tensor = self._request.get_output_tensor(index)
        named = {"bf16": ml_dtypes.bfloat16, "f8e4m3": ml_dtypes.float8_e4m3fn, "f8e5m2": ml_dtypes.float8_e5m2}
        bits = named.get(tensor.element_type.get_type_name())  # NumPy has no such types: OpenVINO gives the bits
        return np.array(tensor.data if bits is None else tensor.data.view(bits))

    def _check_threads(self) -> None:
        found = int(self._compiled.get_property("INFERENCE_NUM_THREADS"))
        if found != self.threads:
            raise MachineError(
                f"asked for {self.threads} threads, OpenVINO takes {found}", where=self._where,
                fix=f"Ask for at most {found}.",
            )  # fmt: skip

    def _failure(self, verb: str, error: Exception) -> BackendError:
        return BackendError(f"OpenVINO cannot {verb} the model: {reason(error)}", where=self._where)


def reason(error: Exception) -> str:
    """What OpenVINO says, on one line, without the lines that name its own source files."""
    lines = [line.strip() for line in str(error).splitlines()]
    text = " ".join(line for line in lines if line and not re.match(r"Exception from \S+:\d+:$", line))
    return text if len(text) <= _MESSAGE_CHARS else text[: _MESSAGE_CHARS - 3] + "..."


def _config(device: str, threads: int, optimize: bool) -> dict[str, Any]:
    """One request at a time, as fast as it can be.

    On the CPU ACCURACY keeps the file's number types, as ONNX Runtime does: by default OpenVINO computes float32
    models in bfloat16 where the processor has it. Hyper-threads count as threads, as for the other runtimes.
    """
    config: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
    if device == "CPU":
        config |= {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "ENABLE_HYPER_THREADING": True}
    if device == "CPU" or not optimize:
        config["EXECUTION_MODE_HINT"] = "ACCURACY"
    return config


def _with_unique_names(model: ModelSource, structure: onnx.ModelProto) -> tuple[ModelSource, onnx.ModelProto]:
    """The same with a name of its own for each node: OpenVINO tells by names which nodes a kernel computes."""
    import onnx

    named = onnx.ModelProto()
    named.CopyFrom(structure)
    if not name_nodes(named):
        return model, structure
    if not isinstance(model, bytes | onnx.ModelProto):
        named = load_whole(model, named, ())
    return named, named


def _readable(
    model: ModelSource, structure: onnx.ModelProto, extra_outputs: Sequence[str], folder: Path
) -> str | bytes:
    """What ``Core.read_model`` takes: a path, the serialised model, or a file in ``folder`` beyond protobuf's limit."""
    import onnx

    if not extra_outputs and not isinstance(model, bytes | onnx.ModelProto):
        return str(model_path(model))
    whole = load_whole(model, structure, extra_outputs)
    if weight_bytes(whole) <= PROTOBUF_LIMIT_BYTES:
        return bytes(whole.SerializeToString())
    if whole is model:
        whole = onnx.ModelProto()
        whole.CopyFrom(structure)
    path = folder / "model.onnx"
    onnx.save_model(whole, str(path), save_as_external_data=True, location="weights.bin")
    return str(path)
