"""A session of PyTorch on an NVIDIA GPU: inputs and outputs stay there, CUDA events take the times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from compressor.backends.base import Array, InputSpec
from compressor.backends.clock import no_collection
from compressor.backends.pytorch.session import Call, TorchSession, refusal
from compressor.errors import BackendError
from compressor.foreign_errors import ForeignErrors, reason

_RUNS_BEFORE_CAPTURE = 3


class CudaSession(TorchSession):
    """A module on a GPU.

    Args:
        module, inputs, output_names, threads, compiled, profile: see TorchSession.
        device: number of the GPU.
        graphed: time replays of a CUDA graph instead of calls; a module that cannot be captured is an error.
        exact: compute products and convolutions in full float32 instead of TensorFloat-32.
    """

    def __init__(
        self, module: torch.nn.Module, inputs: list[InputSpec], output_names: list[str], threads: int,
        compiled: bool, device: int, graphed: bool, *, exact: bool, profile: bool = False,
    ) -> None:  # fmt: skip
        self.device = torch.device("cuda", device)
        with ForeignErrors(lambda error: refusal("the GPU does not take the model", error)):
            super().__init__(module, inputs, output_names, threads, compiled, profile and not graphed)
        self._graphed, self._exact = graphed, exact
        how = "replays of a CUDA graph" if graphed else "whole runs, kernel launches by the host included"
        self.timed = f"{how}, by CUDA events, inputs and outputs in the GPU's memory"
        self.bound_timed = f"{how}, inputs and outputs in the GPU's memory"

    def time_ns(self, feeds: Mapping[str, Array], repeats: int) -> list[int]:
        """See Session.time_ns; nanoseconds between CUDA events around each run (resolution about 500 ns)."""
        with self._settings("run"):
            call = self._bind(feeds)
            self._compile_before_timing(feeds, call)
            if self._graphed:
                with ForeignErrors(self._no_graph):
                    call = _captured(call)
            return _time_on_gpu(call, repeats)

    @contextmanager
    def bound(self, feeds: Mapping[str, Array]) -> Iterator[Call]:
        """See Session.bound; every session works in a CUDA stream of its own, or they would wait for each other.

        Raises:
            BackendError: the session replays graphs. Capturing suffers no other work on the GPU (``Backend.replays``).
        """
        if self._graphed:
            raise BackendError("CUDA graphs are replayed by time_ns only", fix="Use torch-cuda.")
        stream = torch.cuda.Stream(self.device)
        with torch.cuda.stream(stream), super().bound(feeds) as call:

            def run() -> None:
                call()
                stream.synchronize()

            yield run

    def _no_graph(self, error: BaseException) -> BackendError:
        return BackendError(
            f"the model cannot be captured as a CUDA graph: {reason(error)}",
            fix="Ops whose results decide shapes or need the host prevent it: use torch-cuda.",
        )

    @contextmanager
    def _held(self) -> Iterator[None]:
        """As on the CPU; on this GPU, and in full float32 where that was asked for."""
        with super()._held(), torch.cuda.device(self.device):
            if not self._exact:
                yield
                return
            with full_float32():
                yield


@contextmanager
def full_float32() -> Iterator[None]:
    """No TensorFloat-32, which rounds the factors of products to 10 bits, in matrix products and convolutions."""
    backends: Any = torch.backends  # its stubs lack cudnn.conv
    kinds = (backends.cuda.matmul, backends.cudnn.conv)
    before = [kind.fp32_precision for kind in kinds]
    for kind in kinds:
        kind.fp32_precision = "ieee"
    try:
        yield
    finally:
        for kind, precision in zip(kinds, before, strict=True):
            kind.fp32_precision = precision


def _time_on_gpu(call: Call, repeats: int) -> list[int]:
    """Each run is waited for: the next one must not be launched while the GPU is still busy."""
    events = [(torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)) for _ in range(repeats)]
    torch.cuda.synchronize()
    with no_collection():
        for start, end in events:
            start.record()
            call()
            end.record()
            end.synchronize()
    return [max(1, round(start.elapsed_time(end) * 1e6)) for start, end in events]


def _captured(call: Call) -> Call:
    """``call`` as one CUDA graph. PyTorch wants a few runs on a side stream first (its notes on CUDA semantics)."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(_RUNS_BEFORE_CAPTURE):
            call()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        outputs = call()

    def replay() -> object:
        graph.replay()
        return outputs  # they live in the graph's memory pool: kept as long as the graph

    return replay
