"""A training step of OnnxModule against the same step of the network it was exported from, and conversion time."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from typing import Any

from rich.console import Console

from compressor.bridge import from_onnx
from compressor.models.export import Exporter
from compressor.models.registry import build, example_inputs
from tests.benchmarks.report import new_table, show
from tests.zoo import source

NETWORKS = ("resnet20", "mobilenet_v2", "vit", "gpt", "lstm")
EXPORTERS: tuple[Exporter, ...] = ("dynamo", "torchscript")
BATCH, ROUNDS, WARM_UP = 32, 60, 5
LIMIT_RATIO, LIMIT_CONVERT_S = 1.05, 1.0
PLAIN, TWIN = "nn.Module", "nn.Module again"


def run(console: Console) -> dict[str, Any]:
    """Both tables."""
    return {"steps": [steps(console, name) for name in NETWORKS], "convert": conversion(console)}


def steps(console: Console, name: str) -> dict[str, Any]:
    """Interleave steps of the network, of a copy of it, and of both exports; ratios of medians."""
    import torch

    from compressor.models.export import export

    before, inputs = torch.get_num_threads(), example_inputs(name, batch=BATCH)
    torch.set_num_threads(1)
    modules: dict[str, Any] = {PLAIN: build(name), TWIN: build(name)}
    for exporter in EXPORTERS:
        model = export(build(name), example_inputs(name), exporter=exporter, form="training", dynamic="batch")
        modules[exporter] = from_onnx(model)
    seconds = _interleaved({key: _stepper(module, inputs) for key, module in modules.items()})
    torch.set_num_threads(before)
    base = statistics.median(seconds[PLAIN])
    table = new_table(
        f"{name}, batch {BATCH}, 1 thread, {ROUNDS} steps each, interleaved", "module", "median ms", "ratio"
    )
    ratios = {key: statistics.median(values) / base for key, values in seconds.items()}
    for key, values in seconds.items():
        over = key in EXPORTERS and ratios[key] > LIMIT_RATIO
        table.add_row(key, f"{1e3 * statistics.median(values):.2f}", f"{ratios[key]:.3f}{' over' if over else ''}")
    show(console, table)
    return {"network": name, "ratios": ratios, "median_ms": {k: 1e3 * statistics.median(v) for k, v in seconds.items()}}


def _stepper(module: Any, inputs: Any) -> Callable[[], None]:
    import torch

    module.train()
    optimizer = torch.optim.SGD(module.parameters(), 1e-6)

    def step() -> None:
        optimizer.zero_grad()
        module(*inputs).square().mean().backward()
        optimizer.step()

    return step


def _interleaved(steppers: dict[str, Callable[[], None]]) -> dict[str, list[float]]:
    """Seconds of each step; every round runs all in random order."""
    seconds: dict[str, list[float]] = {key: [] for key in steppers}
    order = list(steppers)
    generator = random.Random(0)
    for number in range(WARM_UP + ROUNDS):
        generator.shuffle(order)
        for key in order:
            start = time.perf_counter()
            steppers[key]()
            if number >= WARM_UP:
                seconds[key].append(time.perf_counter() - start)
    return seconds


def conversion(console: Console) -> dict[str, float] | None:
    """Seconds from a ModelProto in memory to a module; the best of three, and the first."""
    if not source.is_present():
        console.print(f"conversion: skipped: {source.ABSENT}.")
        return None
    table = new_table(f"from_onnx, limit {LIMIT_CONVERT_S:g} s for resnet50", "network", "first s", "best s")
    found = {}
    for name in ("tv_resnet50.dyn", "tv_vit_b_16.dyn", "tv_swin_t.leg", "hf_bert-dynaxes.leg"):
        model, seconds = source.load(name), []
        for _ in range(3):
            start = time.perf_counter()
            from_onnx(model)
            seconds.append(time.perf_counter() - start)
        found[name] = min(seconds)
        table.add_row(name, f"{seconds[0]:.2f}", f"{min(seconds):.2f}")
    show(console, table)
    return found
