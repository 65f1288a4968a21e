"""A runtime that computes nothing, for tests: outputs of the right names, types and shapes, and synthetic times.

Outputs depend only on their name and shape, times only on the number of nodes (or on a function given), so
that everything above a backend can be tested exactly and in milliseconds.
"""

from __future__ import annotations

import importlib.metadata
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from compressor.backends.base import (
    BACKENDS,
    Array,
    Availability,
    Backend,
    ModelSource,
    Session,
    thread_count,
)
from compressor.backends.kernels import Kernel
from compressor.backends.protos import input_specs, load_structure
from compressor.errors import BackendError

if TYPE_CHECKING:
    import onnx

    Cost: TypeAlias = Callable[[onnx.ModelProto, int], int]

INSTALL = "pip install onnx"
NODE_NS = 10_000


def node_cost_ns(model: onnx.ModelProto, call: int) -> int:
    """Nanoseconds of call number ``call``: 10 us a node, plus a repeating jitter of 0 to 2 %."""
    return len(model.graph.node) * (NODE_NS + (call * 7 % 5) * NODE_NS // 200)


@BACKENDS.register("null")
class NullBackend(Backend):
    """Opens any model, computes nothing.

    Args:
        cost: (model, number of the call) -> nanoseconds.
    """

    name = "null"
    tells_kernels = True

    def __init__(self, cost: Cost = node_cost_ns) -> None:
        self._cost = cost

    def probe(self) -> Availability:
        """Usable where the onnx package is, which reads the model."""
        try:
            version = importlib.metadata.version("onnx")
        except importlib.metadata.PackageNotFoundError as error:
            return Availability(False, None, "none", reason=f"onnx is not installed: {error}", install=INSTALL)
        return Availability(True, version, "none (a fake for tests)")

    def open(
        self,
        model: ModelSource,
        *,
        threads: int | None = None,
        extra_outputs: Sequence[str] = (),
        optimize: bool = True,
        profile: bool = False,
    ) -> Session:
        """See Backend.open; ``optimize`` makes no difference here."""
        return NullSession(load_structure(model), thread_count(threads), extra_outputs, self._cost, profile)


class NullSession(Session):
    """A session whose outputs come from a hash of their names."""

    provider = "null"

    def __init__(
        self, model: onnx.ModelProto, threads: int, extra_outputs: Sequence[str], cost: Cost, profile: bool
    ) -> None:
        self.tells_kernels = profile
        self.threads = threads
        self._model = model
        self._cost = cost
        self._calls = 0
        self._closed = False
        weights = {tensor.name for tensor in model.graph.initializer}
        self.inputs = input_specs(model)
        computed = {name for node in model.graph.node for name in node.output} | weights
        unknown = [name for name in extra_outputs if name not in computed and name not in self._input_names()]
        if unknown:
            raise BackendError("the model computes no tensor of this name", where=unknown[0])
        self.output_names = list(dict.fromkeys([value.name for value in model.graph.output] + list(extra_outputs)))

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Reproducible numbers of the inferred types and shapes."""
        self._check(feeds)
        types = _concrete_types(self._model, feeds)
        return {name: _fill(name, types.get(name)) for name in self.output_names}

    def time_ns(self, feeds: Mapping[str, Array], repeats: int) -> list[int]:
        """What the cost function says; no time passes."""
        self._check(feeds)
        first, self._calls = self._calls, self._calls + repeats
        return [self._cost(self._model, call) for call in range(first, first + repeats)]

    def kernels(self, feeds: Mapping[str, Array], repeats: int) -> list[Kernel]:
        """One made-up kernel a node, with equal shares of a run's time; one that the runtime added for each output."""
        if not self.tells_kernels:
            return super().kernels(feeds, repeats)
        graph, times = self._model.graph, self.time_ns(feeds, repeats)
        count = max(1, len(graph.node) + len(graph.output))
        shares = tuple(max(1, time_ns // count) for time_ns in times)
        computed = [
            Kernel(node.name or node.output[0], node.op_type, tuple(filter(None, node.output)), False, shares)
            for node in graph.node
        ]
        return computed + [
            Kernel(f"copy of {value.name}", "Copy", (value.name,), True, shares) for value in graph.output
        ]

    def close(self) -> None:
        """Refuse further use."""
        self._closed = True

    def _check(self, feeds: Mapping[str, Array]) -> None:
        if self._closed:
            raise BackendError("the session is closed")
        self.check_feeds(feeds)

    def _input_names(self) -> set[str]:
        return {spec.name for spec in self.inputs}


def _concrete_types(model: onnx.ModelProto, feeds: Mapping[str, Array]) -> dict[str, tuple[int, tuple[int, ...]]]:
    """Element type and shape of every tensor that shape inference resolves for these inputs."""
    import onnx

    concrete = onnx.ModelProto()
    concrete.CopyFrom(model)
    for value in concrete.graph.input:
        if value.name in feeds:
            value.CopyFrom(
                onnx.helper.make_tensor_value_info(
                    value.name, value.type.tensor_type.elem_type, feeds[value.name].shape
                )
            )
    del concrete.graph.output[:]  # declared symbols would hide what the inputs imply
    inferred = onnx.shape_inference.infer_shapes(concrete, data_prop=True).graph
    found: dict[str, tuple[int, tuple[int, ...]]] = {
        tensor.name: (tensor.data_type, tuple(tensor.dims)) for tensor in inferred.initializer
    }
    for value in [*inferred.input, *inferred.value_info]:
        tensor_type = value.type.tensor_type
        if tensor_type.HasField("shape") and all(dim.HasField("dim_value") for dim in tensor_type.shape.dim):
            found[value.name] = (tensor_type.elem_type, tuple(dim.dim_value for dim in tensor_type.shape.dim))
    return found


def _fill(name: str, known: tuple[int, tuple[int, ...]] | None) -> Array:
    import onnx

    if known is None:
        raise BackendError("shape inference cannot tell the shape of this output", where=name)
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    return rng.standard_normal(known[1]).astype(onnx.helper.tensor_dtype_to_np_dtype(known[0]))
