"""Times of single kernels from OpenVINO's counters, and the tensors of the file that its kernels compute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from compressor.backends.file_graph import MOVERS, FileGraph
from compressor.backends.kernels import Kernel

if TYPE_CHECKING:
    import onnx

WARM_UP_RUNS = 3
# Types of its kernels that move or convert; it adds them itself wherever layouts or types differ.
_CARRIERS = frozenset({"Reorder", "Convert", "Transpose", "Reshape"})
# What it takes over into the kernel before without telling: biases, scales, activations, idle nodes.
_EPILOGUE = MOVERS | {
    "Add", "Sub", "Mul", "Div", "Relu", "Clip", "Sigmoid", "Tanh", "HardSwish", "HardSigmoid", "LeakyRelu", "Gelu",
    "Elu", "PRelu", "BatchNormalization", "Dropout", "Swish", "Mish", "Softplus",
}  # fmt: skip


class Counters:
    """Readings of a request's counters: averages since the model was compiled, in whole microseconds.

    A run's time is the difference of two readings, exact to one microsecond for each run so far; so the model is
    compiled anew for every profile, and for kernels that are too short for it every run is given the average.
    """

    def __init__(self) -> None:
        self._totals_us: list[dict[str, int]] = []

    def read(self, request: Any) -> None:
        """To be called after every run."""
        runs = len(self._totals_us) + 1
        executed = [entry for entry in request.get_profiling_info() if entry.status.name == "EXECUTED"]
        totals: dict[str, int] = {}
        for entry in executed:
            totals[entry.node_name] = totals.get(entry.node_name, 0) + round(entry.real_time.total_seconds() * 1e6)
        self._totals_us.append({name: average * runs for name, average in totals.items()})

    def times_ns(self, warm_up: int) -> dict[str, tuple[int, ...]]:
        """Nanoseconds of each run after the warm-up, by kernel; half a microsecond stands for what it rounds off."""
        runs = len(self._totals_us)
        found = {}
        for name in self._totals_us[-1]:
            totals = [reading.get(name, 0) for reading in self._totals_us]
            mean_us = max(0.0, (totals[-1] - totals[warm_up - 1]) / (runs - warm_up))
            single = [after - before for before, after in zip(totals[warm_up - 1 :], totals[warm_up:], strict=False)]
            too_short = mean_us < runs or min(single) < 0
            found[name] = tuple(round(us * 1000) + 500 for us in ([mean_us] * len(single) if too_short else single))
        return found


def read_kernels(compiled: Any, times_ns: dict[str, tuple[int, ...]], graph: onnx.GraphProto) -> list[Kernel]:
    """The kernels that ran, in order.

    Args:
        compiled: the CompiledModel.
        times_ns: by name of the kernel.
        graph: of the file, with a unique name for each node.
    """
    return _Resolver(FileGraph(graph), compiled.get_runtime_model().get_ordered_ops()).kernels(times_ns)


class _Resolver:
    """Maps the nodes of OpenVINO's executed graph to tensors of the file by the names of the layers they came from.

    Names get lost where it takes an op apart; such a kernel computes what those behind it read.
    """

    def __init__(self, file: FileGraph, ops: list[Any]) -> None:
        self._file, self._ops = file, [op for op in ops if _told(op, "layerType") != "Const"]
        self._names = {op.get_friendly_name() for op in self._ops}
        self._inputs = {
            op.get_friendly_name(): [
                source for value in op.input_values() if (source := value.get_node().get_friendly_name()) in self._names
            ]
            for op in self._ops
        }
        self._readers: dict[str, list[str]] = {}
        for name, sources in self._inputs.items():
            for source in sources:
                self._readers.setdefault(source, []).append(name)
        self._covered = {op.get_friendly_name(): self._layers(op) for op in self._ops}
        self._spoken_of = set().union(*self._covered.values())
        self._ends: dict[str, tuple[str, ...]] = {}
        self._added: set[str] = set()
        for op in self._ops:
            self._find_end(op)

    def kernels(self, times_ns: dict[str, tuple[int, ...]]) -> list[Kernel]:
        """Those that have times."""
        types = {op.get_friendly_name(): _told(op, "layerType") for op in self._ops}
        return [
            Kernel(name, types[name], self._ends[name], name in self._added, times_ns[name])
            for name in self._ends
            if name in times_ns
        ]

    def _layers(self, op: Any) -> set[int]:
        """Positions of the file's nodes that a kernel names as its origin."""
        found = set()
        parts = _told(op, "layerType") not in _CARRIERS  # "name/transpose_a" is what it adds before the op "name"
        for layer in _told(op, "originalLayersNames").split(","):
            name = layer
            while name:
                index = self._file.by_name.get(name, self._file.maker.get(name))
                if index is not None:
                    found.add(index)
                    break
                name = name.rpartition("/")[0] if parts else ""
        return found

    def _find_end(self, op: Any) -> None:
        name, kind = op.get_friendly_name(), _told(op, "layerType")
        carried = tuple(dict.fromkeys(end for source in self._inputs[name] for end in self._ends.get(source, ())))
        if self._covered[name]:
            last = max(self._covered[name])
            outputs = tuple(output for output in self._file.nodes[last].output if output)
            self._ends[name] = outputs if len(outputs) > 1 else (self._with_epilogue(outputs[0]),)
            return
        if kind == "Input":
            self._ends[name] = (name,)
            return
        if kind not in _CARRIERS:
            computed = self._read_behind(name, carried)
            if computed:
                self._ends[name] = (computed,)
                return
        self._ends[name] = carried[:1] or (name,)
        self._added.add(name)

    def _with_epilogue(self, tensor: str) -> str:
        """``tensor``, or what the nodes behind it make of it that no kernel speaks of."""
        while True:
            reader = self._file.only_reader(tensor)
            if reader is None or reader in self._spoken_of or self._file.nodes[reader].op_type not in _EPILOGUE:
                return tensor
            tensor = self._file.first_output(reader)

    def _read_behind(self, name: str, carried: tuple[str, ...]) -> str | None:
        """What a kernel without a name computes: what the next one with a name reads, else what that one computes."""
        waiting = [name]
        for kernel in waiting:
            for reader in self._readers.get(kernel, []):
                if not self._covered[reader]:
                    waiting.append(reader)
                    continue
                others = {end for s in self._inputs[reader] if s != kernel for end in self._ends.get(s, ())}
                first = min(self._covered[reader])
                fresh = [i for i in self._file.data_inputs(first) if i not in carried and i not in others]
                return fresh[0] if fresh else self._file.first_output(max(self._covered[reader]))
        return None


def _told(op: Any, key: str) -> str:
    """An entry of a node's runtime information as text, "" where it has none."""
    information = op.get_rt_info()
    return str(information[key].astype(str)) if key in information else ""
