"""A runtime whose time is a function of a model's widths, so that runs with a latency are quick and repeatable."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import onnx
import pytest

from compressor.backends.base import Array, Backend, ModelSource
from compressor.backends.comparison import Comparison
from compressor.backends.null import NullBackend
from compressor.backends.timing import compare_here
from compressor.latency import loop
from compressor.latency.goal import LatencyGoal
from compressor.latency.setting import Setting

FIXED_NS, NUMBER_NS = 20_000, 100


def time_ns(model: onnx.ModelProto, call: int = 0) -> int:
    """20 us, and 100 ns for every number of the weights: no jitter."""
    numbers: int = sum(math.prod(tensor.dims) for tensor in model.graph.initializer)
    return FIXED_NS + NUMBER_NS * numbers


def ms_of(path: Path) -> float:
    """What a run of a model file takes."""
    return time_ns(onnx.load(path)) / 1e6


class FakeBackend(NullBackend):
    """Tells whole runs only: which kernel takes what would be made up."""

    tells_kernels = False


def install(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """All that is measured in this process is measured on the fake, with tables in ``cache``."""

    def opened(self: Setting) -> Backend:
        return FakeBackend(time_ns)

    def compared(
        models: Mapping[str, ModelSource], feeds: Mapping[str, Array], *, threads: int | None, seed: int, **others: Any
    ) -> Comparison:
        openers: dict[str, Callable[[], Any]] = {
            name: functools.partial(FakeBackend(time_ns).open, model, threads=threads) for name, model in models.items()
        }
        return compare_here(openers, feeds, seed=seed, min_time_s=0.02)

    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setattr(Setting, "opened", opened)
    monkeypatch.setattr(loop, "compare", compared)
    monkeypatch.setattr(loop, "compare_here", functools.partial(compare_here, min_time_s=0.02))


def goal(ratio: float | None = None, *, ms: float | None = None, **more: Any) -> LatencyGoal:
    """On the fake."""
    return LatencyGoal(ratio, ms, Setting(backend="null"), **more)
