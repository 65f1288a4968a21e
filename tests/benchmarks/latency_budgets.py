"""Latency ratios asked for against those measured, in fresh processes, with what it took to get there."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from rich.console import Console

from compressor.errors import CompressorError
from compressor.latency.loop import Loop
from compressor.latency.setting import Setting
from compressor.passes.scores import CRITERIA, ScoreContext
from compressor.passes.selection import Options
from tests.benchmarks.latency_networks import NETWORKS, SETTINGS, Network, network, words
from tests.benchmarks.report import new_table, show
from tests.zoo import source

RATIOS = (0.8, 0.65, 0.5, 0.35)


def run(
    console: Console, networks: Sequence[str] = NETWORKS, settings: Sequence[Setting] = SETTINGS,
    ratios: Sequence[float] = RATIOS,
) -> list[dict[str, Any]] | None:  # fmt: skip
    """The table."""
    if not source.is_present():
        console.print(f"latency_budgets: skipped: {source.ABSENT}.")
        return None
    table = new_table(
        "Latency ratio asked for and measured (three fresh processes, 95 % interval)",
        "network, runtime, asked", "measured", "interval", "off by", "noise", "rounds", "s", "samples", "table s",
    )  # fmt: skip
    rows = []
    for name in networks:
        for setting in settings:
            for ratio in ratios:
                row = measure(network(name), setting, ratio)
                rows.append(row)
                cells = _cells(row)
                console.print(f"{name}, {words(setting)}, {ratio:g}: {' '.join(cells)}", style="dim", markup=False)
                table.add_row(f"{name}, {words(setting)}, {ratio:g}", *cells)
    show(console, table)
    met = [row for row in rows if row.get("ratio") and abs(row["ratio"] / row["asked"] - 1) <= 0.03]
    console.print(f"within 3 %: {len(met)} of {len(rows)}")
    return rows


def measure(subject: Network, setting: Setting, ratio: float) -> dict[str, Any]:
    """One budget: analysis is done, the table may be in the cache."""
    scores = CRITERIA.get("l1")(ScoreContext(subject.analysis, 0))
    row: dict[str, Any] = {"network": subject.name, "setting": words(setting), "asked": ratio}
    start = time.perf_counter()
    try:
        found = subject.table(setting)
        row |= {"samples": len(found.table.samples), "measured_now": found.measured, "table_s": found.table.seconds}
        solving = time.perf_counter()
        loop = Loop(subject.analysis, subject.cost, found, setting, lambda *_: None)
        selection, outcome = loop.reach(ratio, scores, Options())
        row |= {**outcome.to_json(), "macs": selection.after.macs / selection.before.macs}
        row["loop_s"] = time.perf_counter() - solving
    except CompressorError as error:
        row["reason"] = str(error)
    row["seconds"] = time.perf_counter() - start
    return row


def _cells(row: dict[str, Any]) -> list[str]:
    if "reason" in row:
        return [row["reason"][:90], *[""] * 5, f"{row['seconds']:.0f}", "", ""][:8]
    low, high = row["interval"]
    return [
        f"{row['ratio']:.3f}", f"{low:.3f}-{high:.3f}", f"{row['ratio'] / row['asked'] - 1:+.1%}",
        f"{row['noise_floor']:.1%}", str(len(row["rounds"])), f"{row['loop_s']:.0f}", str(row["samples"]),
        f"{row['table_s']:.0f}",
    ]  # fmt: skip
