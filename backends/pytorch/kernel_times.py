"""Times of single calls of an eager module: its FX graph interpreted with a clock around every call."""

from __future__ import annotations

import operator
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import fx

from compressor.backends.clock import no_collection
from compressor.backends.kernels import Kernel
from compressor.bridge.lowering import ONNX_NAME

WARM_UP_RUNS = 3
_CALLS = ("call_function", "call_method", "call_module")


def time_kernels(module: fx.GraphModule, tensors: Sequence[torch.Tensor], repeats: int) -> list[Kernel]:
    """The calls that compute tensors, in order, with their times in each run.

    Args:
        module: from the bridge, on its device.
        tensors: its inputs, on the same device; on a GPU CUDA events take the times.
    """
    on_gpu = any(tensor.is_cuda for tensor in [*module.parameters(), *module.buffers(), *tensors])
    clock = _GpuClock() if on_gpu else _HostClock()
    interpreter = _Timed(module, clock)
    times: dict[fx.Node, list[int]] = {}
    with no_collection():
        for run in range(WARM_UP_RUNS + repeats):
            interpreter.run(*tensors)
            for node, spent_ns in clock.finish().items():
                if run >= WARM_UP_RUNS:
                    times.setdefault(node, []).append(max(1, spent_ns))
    carried = _carried(module.graph, times.keys())
    return [
        Kernel(node.name, _op_name(node), carried[node], not _own_names(node), tuple(spent))
        for node, spent in times.items()
    ]


class _Timed(fx.Interpreter):
    """Keeps the time of every call whose result is a tensor or several."""

    def __init__(self, module: fx.GraphModule, clock: _HostClock | _GpuClock) -> None:
        super().__init__(module)
        self._clock = clock

    def run_node(self, n: fx.Node) -> Any:
        """As fx.Interpreter, with the clock around calls."""
        if n.op not in _CALLS or n.target is operator.getitem:
            return super().run_node(n)
        args, kwargs = self.fetch_args_kwargs_from_env(n)
        call: Callable[[], Any] = lambda: getattr(self, n.op)(n.target, args, kwargs)  # noqa: E731
        return self._clock.time(n, call)


class _HostClock:
    """Wall clock, for devices that have done the work when a call returns."""

    def __init__(self) -> None:
        self._spent_ns: dict[fx.Node, int] = {}

    def time(self, node: fx.Node, call: Callable[[], Any]) -> Any:
        """Make the call and keep its time."""
        start = time.perf_counter_ns()
        result = call()
        end = time.perf_counter_ns()
        if _is_tensor(result):
            self._spent_ns[node] = end - start
        return result

    def finish(self) -> dict[fx.Node, int]:
        """Nanoseconds by call since the last time."""
        spent, self._spent_ns = self._spent_ns, {}
        return spent


class _GpuClock:
    """CUDA events around every call, read when the run is over."""

    def __init__(self) -> None:
        self._events: dict[fx.Node, tuple[torch.cuda.Event, torch.cuda.Event]] = {}

    def time(self, node: fx.Node, call: Callable[[], Any]) -> Any:
        """Make the call between two events."""
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        result = call()
        end.record()
        if _is_tensor(result):
            self._events[node] = (start, end)
        return result

    def finish(self) -> dict[fx.Node, int]:
        """Nanoseconds by call since the last time."""
        torch.cuda.synchronize()
        events, self._events = self._events, {}
        return {node: round(start.elapsed_time(end) * 1e6) for node, (start, end) in events.items()}


def _is_tensor(value: Any) -> bool:
    return isinstance(value, torch.Tensor) or (
        isinstance(value, tuple | list) and any(isinstance(part, torch.Tensor) for part in value)
    )


def _own_names(node: fx.Node) -> tuple[str, ...]:
    """What the file calls the results of a call."""
    parts = [node, *(user for user in node.users if user.target is operator.getitem)]
    return tuple(dict.fromkeys(part.meta[ONNX_NAME] for part in parts if ONNX_NAME in part.meta))


def _carried(graph: fx.Graph, timed: Any) -> dict[fx.Node, tuple[str, ...]]:
    """Tensors of the file for every call: its own, else those that come of it, else those that it was made of."""
    found: dict[fx.Node, tuple[str, ...]] = {}
    for node in reversed(graph.nodes):
        found[node] = _own_names(node)
        if not found[node] and node in timed:
            found[node] = next((found[user] for user in node.users if found.get(user)), ())
    for node in graph.nodes:
        if node.op == "placeholder":
            found[node] = (node.meta.get(ONNX_NAME, str(node.target)),)
        elif not found[node]:
            found[node] = next((found[source] for source in node.all_input_nodes if found[source]), ())
    return found


def _op_name(node: fx.Node) -> str:
    """The function's name, as in PyTorch."""
    return node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
