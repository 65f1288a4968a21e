"""Predicted against measured latency of whole models, over random plans that the table has not seen.

Half of the plans keep any number of channels, half multiples of 8 or 16. Each is timed against the original in turns;
ratios are compared, as those are what a budget is about.
"""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.console import Console

from compressor.backends.timing import compare_here
from compressor.latency.measuring import drawn, proto_of
from compressor.latency.setting import Setting
from compressor.passes.cost import NO_ATOMS
from compressor.passes.selection import Options, candidates
from tests.benchmarks.latency_networks import NETWORKS, SETTINGS, Network, network, words
from tests.benchmarks.report import new_table, show
from tests.zoo import source

PLANS = 20
SEED = 1234  # not that of the tables
_TIME_S = 0.4  # for each of the two


def run(
    console: Console, networks: Sequence[str] = NETWORKS, settings: Sequence[Setting] = SETTINGS, plans: int = PLANS
) -> list[dict[str, Any]] | None:
    """The table."""
    if not source.is_present():
        console.print(f"latency_prediction: skipped: {source.ABSENT}.")
        return None
    table = new_table(
        f"Predicted against measured ratio to the original, {plans} random plans each",
        "network, runtime", "median error", "worst", "A/A noise", "ratios", "samples", "table s",
    )  # fmt: skip
    rows = []
    for name in networks:
        for setting in settings:
            row = measure(network(name), setting, plans)
            low, high = min(row["measured"]), max(row["measured"])
            found = f"median {row['median_error']:.1%}, worst {row['worst_error']:.1%}"
            console.print(f"{name}, {words(setting)}: {found}", style="dim")
            table.add_row(
                f"{name}, {words(setting)}", f"{row['median_error']:.1%}", f"{row['worst_error']:.1%}",
                f"{row['noise']:.1%}", f"{low:.2f}-{high:.2f}", str(row["samples"]), f"{row['table_seconds']:.0f}",
            )  # fmt: skip
            rows.append(row)
    show(console, table)
    return rows


def measure(subject: Network, setting: Setting, plans: int) -> dict[str, Any]:
    """All plans of one network on one runtime."""
    start = time.perf_counter()
    found = subject.table(setting)
    seconds = time.perf_counter() - start
    prediction = found.prediction(subject.analysis, subject.cost)
    backend, original = setting.opened(), proto_of(subject.analysis, NO_ATOMS)
    predicted, measured, noise = [], [], []
    for number in range(1, plans + 1):
        atoms = random_plan(subject, number)
        model = proto_of(subject.analysis, atoms)
        openers = {
            "original": functools.partial(backend.open, original, threads=setting.threads),
            "pruned": functools.partial(backend.open, model, threads=setting.threads),
        }
        with openers["original"]() as session:
            feeds = setting.feeds(original, session)
        result = compare_here(openers, feeds, min_time_s=_TIME_S, seed=number)
        predicted.append(prediction.ratio(atoms))
        measured.append(result.ratios["pruned"].ratio)
        noise.append(abs(result.noise.ratio - 1))
    errors = [abs(one / other - 1) for one, other in zip(predicted, measured, strict=True)]
    return {
        "network": subject.name, "setting": words(setting), "predicted": predicted, "measured": measured,
        "median_error": statistics.median(errors), "worst_error": max(errors), "noise": statistics.median(noise),
        "samples": len(found.table.samples), "table_seconds": found.table.seconds, "seconds_now": seconds,
        "steps": prediction.steps,
    }  # fmt: skip


def random_plan(subject: Network, number: int) -> Any:
    """Atoms of a random removal that empties no axis; widths go only where nothing else can."""
    spaces = candidates(subject.analysis, Options()) or candidates(subject.analysis, Options(allow_width=True))
    widths = drawn([space.size for space in spaces], number, SEED)
    rng = np.random.default_rng([SEED, number, 1])
    pairs = zip(spaces, widths, strict=True)
    parts = [rng.permutation(space.atoms)[width:] for space, width in pairs]
    return subject.cost.protect(np.sort(np.concatenate([np.zeros(0, np.int64), *parts])))
