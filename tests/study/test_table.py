"""The table of a study, on results whose figures are known."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from compressor.study.crossover import crossovers
from compressor.study.grid import trials_of
from compressor.study.outcome import Outcome, curves_of, panels_of, write_outcome
from compressor.study.plots import plot_name, write_plots
from compressor.study.shared import Finished, Tally
from compressor.study.table import interval, rows_of
from tests.study.small import finished, recipe

PANEL = ("digits", "structured", "l1")
# [seeds, ratios] of each regime
FIGURES = {"one-shot": [[0.90, 0.50], [0.94, 0.56]], "geometric": [[0.80, 0.60], [0.84, 0.70]]}


def synthetic() -> list[Finished]:
    """One-shot is better at 0.5 and worse at 0.8."""
    found = recipe()
    at = {ratio: index for index, ratio in enumerate(found.ratios)}
    return finished([(trial, FIGURES[trial.regime][trial.seed][at[trial.ratio]]) for trial in trials_of(found)])


def outcome() -> Outcome:
    """All of it."""
    found, several = recipe(), synthetic()
    crossings = {panel: crossovers(*curves_of(found, panel, several)) for panel in panels_of(several)}
    originals = {"digits": {"metric": 0.99, "test": {}}}
    return Outcome(found, Tally(8, 8, 0, 0), several, originals, rows_of(several), crossings)


def test_the_interval_is_students() -> None:
    # mean 2, s = 1, n = 3: half width t(0.975; 2) / sqrt(3), t = 4.302653 from tables
    assert interval([1.0, 2.0, 3.0]) == pytest.approx((2 - 4.302653 / 3**0.5, 2 + 4.302653 / 3**0.5), abs=1e-6)
    assert interval([1.0]) is None


def test_rows_hold_mean_deviation_and_number() -> None:
    rows = {(row.regime, row.ratio): row for row in rows_of(synthetic())}
    assert len(rows) == 4
    row = rows["geometric", 0.8]
    assert row.n == 2
    assert (row.mean, row.std) == pytest.approx((0.65, 0.005**0.5))
    half = 12.706205 * 0.005**0.5 / 2**0.5  # t(0.975; 1)
    assert (row.low, row.high) == pytest.approx((0.65 - half, 0.65 + half), abs=1e-6)
    assert (row.removed, row.epochs, row.seconds) == (0.8, 2.0, 0.5)


def test_failed_trials_do_not_count_and_one_seed_has_no_deviation() -> None:
    several = [Finished(entry.trial, None, "no") if entry.trial.seed else entry for entry in synthetic()]
    assert {(row.n, row.std, row.low, row.high) for row in rows_of(several)} == {(1, None, None, None)}


def test_the_crossover_of_the_table() -> None:
    (found,) = outcome().crossings[PANEL]
    assert (found.below, found.above) == ("one-shot", "geometric")
    assert found.ratio == pytest.approx(0.5 + 0.3 * 0.10 / (0.10 + 0.12))


def test_a_lower_metric_is_better_where_the_recipe_says_so() -> None:
    found = recipe(metric="perplexity")
    ratios, curves = curves_of(found, PANEL, synthetic())
    assert ratios == [0.5, 0.8]
    assert np.array_equal(curves["one-shot"], -np.array(FIGURES["one-shot"]))


def test_only_what_all_regimes_have_is_compared() -> None:
    several = [
        entry for entry in synthetic()
        if not (entry.trial.regime == "geometric" and entry.trial.seed == 1 and entry.trial.ratio == 0.8)
    ]  # fmt: skip
    ratios, curves = curves_of(recipe(), PANEL, several)
    assert (ratios, curves["one-shot"].shape) == ([0.5, 0.8], (1, 2))


def test_files_say_the_same(tmp_path: Path) -> None:
    found = outcome()
    paths = write_outcome(found, tmp_path / "new")
    assert [path.name for path in paths] == ["study.json", "table.csv", "trials.csv"]
    read = json.loads(paths[0].read_text(encoding="utf-8"))
    with paths[1].open(encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    with paths[2].open(encoding="utf-8") as file:
        trials = list(csv.DictReader(file))
    assert [float(row["mean"]) for row in table] == [row["mean"] for row in read["table"]]
    assert [float(row["metric"]) for row in trials] == [row["result"]["metric"] for row in read["results"]]
    assert read["crossovers"][0]["ratio"] == found.crossings[PANEL][0].ratio


def test_a_plot_for_each_panel(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    (path,) = write_plots(outcome(), tmp_path)
    assert path == tmp_path / "digits-structured-l1.png"
    assert path.read_bytes().startswith(b"\x89PNG")


def test_plots_have_names_that_any_disk_takes() -> None:
    assert plot_name(("my model", "2:4", "l1")) == "my_model-2_4-l1.png"
