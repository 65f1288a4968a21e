"""How long it takes to choose a cut of ResNet-50 for a latency: analysis, table, solving; cold cache and warm."""

from __future__ import annotations

import os
import tempfile
import time
from typing import Any

from rich.console import Console

from compressor.latency.goal import LatencyGoal
from compressor.latency.setting import Setting
from compressor.latency.source import table_for
from compressor.model_io import from_proto
from compressor.normalize import normalize
from compressor.passes.analysis import analyse
from compressor.passes.cost import CostModel
from compressor.passes.fold_shuffles import fold_shuffles
from compressor.passes.latency.selection import select_within
from compressor.passes.scores import CRITERIA, ScoreContext
from compressor.passes.selection import Options
from tests.benchmarks.report import new_table, show
from tests.zoo import source

NETWORK = "tv_resnet50.dyn"


def run(console: Console) -> list[dict[str, Any]] | None:
    """Both, one after the other, in a cache of their own."""
    if not source.is_present():
        console.print(f"latency_seconds: skipped: {source.ABSENT}.")
        return None
    table = new_table(f"{NETWORK} to half its latency, seconds", "cache", "analysis", "table", "solving", "all")
    model, rows = source.load(NETWORK), []
    before = os.environ.get("XDG_CACHE_HOME")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        try:
            for cache in ("cold", "warm"):
                row = {"cache": cache, **_seconds(model)}
                table.add_row(cache, *(f"{row[key]:.2f}" for key in ("analysis", "table", "solving", "all")))
                rows.append(row)
        finally:
            os.environ.pop("XDG_CACHE_HOME")
            if before is not None:
                os.environ["XDG_CACHE_HOME"] = before
    show(console, table)
    return rows


def _seconds(model: Any) -> dict[str, float]:
    times = [time.perf_counter()]
    analysis = analyse(fold_shuffles(normalize(from_proto(model))))
    cost = CostModel(analysis)
    scores = CRITERIA.get("l1")(ScoreContext(analysis, 0))
    times.append(time.perf_counter())
    found = table_for(LatencyGoal(0.5, setting=Setting()), analysis, cost)
    times.append(time.perf_counter())
    prediction = found.prediction(analysis, cost)
    budget = {"latency in ms": (0.5 * prediction.original_ms, prediction.ms)}
    select_within(analysis, cost, scores, budget, Options(), steps=prediction.steps_by_row)
    times.append(time.perf_counter())
    return {
        "analysis": times[1] - times[0], "table": times[2] - times[1], "solving": times[3] - times[2],
        "all": times[3] - times[0], "samples": len(found.table.samples),
    }  # fmt: skip
