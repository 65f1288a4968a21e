"""A session of PyTorch: the torch bridge's module, eager or compiled, in inference mode with fixed threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, TypeAlias

import numpy as np
import onnx
import torch

from compressor import model_io
from compressor.backends.base import Array, InputSpec, ModelSource, Session, model_path
from compressor.backends.clock import time_calls
from compressor.backends.kernels import Kernel
from compressor.backends.protos import input_specs, load_structure
from compressor.backends.pytorch.kernel_times import time_kernels
from compressor.bridge import OnnxModule, from_onnx
from compressor.bridge.tensor_types import TORCH_TYPES, to_numpy, to_torch
from compressor.errors import BackendError, GraphError, MachineError
from compressor.foreign_errors import ForeignErrors, reason

Call: TypeAlias = Callable[[], Any]
_ONNX_TYPES = {kind: code for code, kind in TORCH_TYPES.items()}


def read_module(model: ModelSource, extra_outputs: Sequence[str]) -> tuple[OnnxModule, list[InputSpec], list[str]]:
    """(module in evaluation mode on the CPU, inputs in the order of its arguments, names of its outputs).

    Raises:
        BackendError: no ONNX model, or an op that the bridge has no lowering for.
        ModelFileError: the file is missing or corrupt.
    """
    structure = load_structure(model)
    try:
        if isinstance(model, bytes | onnx.ModelProto):
            graph = model_io.from_proto(structure)
        else:
            graph = model_io.read(model_path(model))
        _add_outputs(graph, extra_outputs)
        module = from_onnx(graph)
    except GraphError as error:
        raise BackendError(error.what, where=error.where, fix=error.fix) from error
    specs = {spec.name: spec for spec in input_specs(structure)}
    return module, [specs[name] for name in module.input_names], list(module.output_names)


def _add_outputs(graph: Any, names: Sequence[str]) -> None:
    tensors, present = graph.tensors(), {tensor.name for tensor in graph.outputs}
    for name in dict.fromkeys(names):
        if name not in tensors:
            raise BackendError("the model computes no tensor of this name", where=name, fix="Give a node's output.")
        if name not in present:
            graph.outputs.append(tensors[name])


class TorchSession(Session):
    """A module on the CPU.

    Args:
        module: from the bridge.
        inputs: in the order of its arguments.
        output_names: in the order of its results.
        threads: threads of one operator.
        compiled: run by torch.compile: one graph, made anew for every set of shapes, nothing left to eager mode.
        profile: see Backend.open.
    """

    device = torch.device("cpu")

    def __init__(
        self, module: torch.nn.Module, inputs: list[InputSpec], output_names: list[str], threads: int, compiled: bool,
        profile: bool = False,
    ) -> None:  # fmt: skip
        self.inputs, self.output_names, self.threads = inputs, output_names, threads
        self.provider = f"torch.compile {self.device}" if compiled else f"torch eager {self.device}"
        self._compiled = compiled
        module = module.to(self.device)
        self.tells_kernels = profile and not compiled
        self._module: Any = torch.compile(module, dynamic=False, fullgraph=True) if compiled else module
        self._seen: set[tuple[tuple[int, ...], ...]] = set()

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """See Session.run."""
        with self._settings("run"):
            results = self._bind(feeds)()
            found = results if isinstance(results, tuple | list) else (results,)
            return {name: _array(value) for name, value in zip(self.output_names, found, strict=True)}

    def time_ns(self, feeds: Mapping[str, Array], repeats: int) -> list[int]:
        """See Session.time_ns; compiling happens outside the clock."""
        with self._settings("run"):
            call = self._bind(feeds)
            self._compile_before_timing(feeds, call)
            return time_calls(call, repeats)

    @contextmanager
    def bound(self, feeds: Mapping[str, Array]) -> Iterator[Call]:
        """See Session.bound; compiling happens on entering."""
        with self._settings("run"):
            call = self._bind(feeds)
            self._compile_before_timing(feeds, call)
        with self._held():

            def run() -> None:
                with ForeignErrors(lambda error: self._failure("run", error)):
                    call()

            yield run

    def kernels(self, feeds: Mapping[str, Array], repeats: int) -> list[Kernel]:
        """See Session.kernels; calls of the eager module, one by one."""
        if not self.tells_kernels:
            return super().kernels(feeds, repeats)
        with self._settings("run"):
            return time_kernels(self._module, self._tensors(feeds), repeats)

    def close(self) -> None:
        """Free the module."""
        self._module = None

    def _bind(self, feeds: Mapping[str, Array]) -> Call:
        """A call of the module with the inputs on its device."""
        tensors, module = self._tensors(feeds), self._module
        return lambda: module(*tensors)

    def _tensors(self, feeds: Mapping[str, Array]) -> list[torch.Tensor]:
        """The inputs on the device, in the order of the module's arguments."""
        if self._module is None:
            raise BackendError("the session is closed")
        self.check_feeds(feeds)
        return [to_torch(feeds[spec.name], spec.name).to(self.device) for spec in self.inputs]

    def _compile_before_timing(self, feeds: Mapping[str, Array], call: Call) -> None:
        shapes = tuple(feeds[spec.name].shape for spec in self.inputs)
        if self._compiled and shapes not in self._seen:
            call()
            self._seen.add(shapes)

    @contextmanager
    def _settings(self, verb: str) -> Iterator[None]:
        """As ``_held``, and PyTorch's errors as ours."""
        with ForeignErrors(lambda error: self._failure(verb, error)), self._held():
            yield

    @contextmanager
    def _held(self) -> Iterator[None]:
        """This session's threads, and no gradients."""
        with ExitStack() as stack:
            stack.enter_context(_threads(self.threads))
            stack.enter_context(torch.inference_mode())
            if self._compiled:
                # Without this a ninth set of shapes would run eagerly, and nothing would tell.
                stack.enter_context(torch._dynamo.config.patch(fail_on_recompile_limit_hit=True))
            yield

    def _failure(self, verb: str, error: BaseException) -> BackendError:
        return refusal(f"{self.provider} cannot {verb} the model", error)


def refusal(what: str, error: BaseException) -> BackendError:
    """``what`` and PyTorch's reason; where the GPU's memory is full, that is the machine's fault."""
    kind = MachineError if isinstance(error, torch.cuda.OutOfMemoryError) else BackendError
    return kind(f"{what}: {reason(error)}")


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """PyTorch has one number of threads for the whole process: ours while we run."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _array(value: Any) -> Array:
    """A copy on the host of what a module returned."""
    tensor = torch.as_tensor(value)
    dtype: np.dtype[Any] = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(_ONNX_TYPES[tensor.dtype]))
    return to_numpy(tensor, dtype)
