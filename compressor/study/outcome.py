"""What a study has found so far: rows, crossovers, failures; as JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from compressor.atomic import FileSet
from compressor.backends.fingerprint import fingerprint
from compressor.results import RESULT_VERSION
from compressor.study.crossover import Crossover, Curves, crossovers
from compressor.study.recipe import Recipe
from compressor.study.shared import Finished, Shared, Tally
from compressor.study.table import Row, rows_of

Panel = tuple[str, str, str]
"""(model, pattern, criterion): what one plot shows."""


@dataclass(frozen=True)
class Outcome:
    """A study's results.

    Attributes:
        originals: each model as it was: {"metric": ..., "test": ...}.
        crossings: of each panel.
    """

    recipe: Recipe
    tally: Tally
    finished: list[Finished]
    originals: dict[str, dict[str, Any]]
    rows: list[Row]
    crossings: dict[Panel, list[Crossover]]

    @property
    def failures(self) -> list[Finished]:
        """Trials that ended in an error."""
        return [entry for entry in self.finished if entry.error is not None]

    def to_json(self) -> dict[str, Any]:
        """Everything, JSON-ready."""
        names = ("model", "pattern", "criterion")
        return {
            "kind": "study", "version": RESULT_VERSION, "recipe": self.recipe.model_dump(mode="json"),
            "trials": vars(self.tally), "originals": self.originals, "table": [row.to_json() for row in self.rows],
            "crossovers": [
                {**dict(zip(names, panel, strict=True)), **found.to_json()}
                for panel, several in self.crossings.items() for found in several
            ],
            "results": [
                {**entry.trial.to_json(), "result": entry.result, "error": entry.error} for entry in self.finished
            ],
            "environment": fingerprint().to_json(),
        }  # fmt: skip


def outcome_of(shared: Shared) -> Outcome:
    """Of what is in the storage now."""
    finished, recipe = shared.finished(), shared.recipe
    crossings = {panel: crossovers(*curves_of(recipe, panel, finished)) for panel in panels_of(finished)}
    rows = rows_of(finished, recipe.of)
    return Outcome(recipe, shared.tally(), finished, shared.originals, rows, crossings)


def panels_of(finished: Sequence[Finished]) -> list[Panel]:
    """Those with results, in order."""
    done = [entry.trial for entry in finished if entry.result is not None]
    return list(dict.fromkeys((trial.model, trial.pattern, trial.criterion) for trial in done))


def curves_of(recipe: Recipe, panel: Panel, finished: Sequence[Finished]) -> tuple[list[float], dict[str, Curves]]:
    """(ratios, regime -> [seeds, ratios] with larger as better) of what all regimes of a panel have in common.

    Ratios at which a regime has no result at all are left out, then seeds that lack one anywhere: what is compared
    was measured on the same.
    """
    found = {}
    for entry in finished:
        trial = entry.trial
        if entry.result is not None and (trial.model, trial.pattern, trial.criterion) == panel:
            found[trial.regime, trial.ratio, trial.seed] = float(entry.result["metric"])
    regimes = [name for name in recipe.regimes if any(key[0] == name for key in found)]
    ratios = [
        ratio for ratio in sorted(recipe.ratios)
        if all(any(key[:2] == (regime, ratio) for key in found) for regime in regimes)
    ]  # fmt: skip
    seeds = [
        seed for seed in recipe.seeds
        if all((regime, ratio, seed) in found for regime in regimes for ratio in ratios)
    ]  # fmt: skip
    if not seeds or len(ratios) < 2:
        return ratios, {}
    sign = 1.0 if recipe.higher_is_better else -1.0
    table = {r: [[sign * found[r, ratio, seed] for ratio in ratios] for seed in seeds] for r in regimes}
    return ratios, {regime: np.array(values) for regime, values in table.items()}


def write_outcome(outcome: Outcome, folder: Path) -> list[Path]:
    """study.json, table.csv and trials.csv, whole or not at all; their paths."""
    content = {
        "study.json": json.dumps(outcome.to_json(), indent=1) + "\n",
        "table.csv": _csv([row.to_json() for row in outcome.rows]),
        "trials.csv": _csv([_flat(entry) for entry in outcome.finished]),
    }
    with FileSet(folder) as files:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in content.items():
            with files.create(folder / name) as file:
                file.write(text.encode())
        files.commit()
    return [folder / name for name in content]


def _flat(entry: Finished) -> dict[str, Any]:
    result = entry.result or {}
    figures: dict[str, Any] = {f"removed {name}": share for name, share in result.get("removed", {}).items()}
    test = result.get("test", {})
    return {
        **entry.trial.to_json(), "metric": result.get("metric"), "loss": test.get("loss"),
        "accuracy": test.get("accuracy"), **figures, "steps": len(result.get("shares", [])),
        "epochs": sum(result["epochs"]) if result else None, "seconds": result.get("seconds"), "error": entry.error,
    }  # fmt: skip


def _csv(rows: list[dict[str, Any]]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
