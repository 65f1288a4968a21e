"""The stage ``analyse``: what can go and what is fixed, as ``compressor inspect`` tells it."""

from __future__ import annotations

import json

from compressor.inspection import inspect_model
from compressor.recipe.common import RecipeFile
from compressor.recipe.stage import STAGES, Flow, Outcome, Stage, Work
from compressor.settings import Part
from compressor.units import count, percent

ANALYSIS = "analysis.json"


class Analyse(Part):
    """Nothing to set."""


@STAGES.register("analyse")
class AnalyseStage(Stage):
    """Writes the analysis; later stages make their own."""

    place, settings, always, publishes = 30, Analyse, True, (ANALYSIS,)

    def reads(self, recipe: RecipeFile, flow: Flow) -> tuple[str, ...]:
        """See Stage."""
        return (flow.model,)

    def run(self, work: Work) -> Outcome:
        """See Stage."""
        found = inspect_model(work.model)
        # Times and places would make equal analyses differ.
        document = {key: value for key, value in found.to_json().items() if key not in ("seconds", "model")}
        (work.folder / ANALYSIS).write_text(json.dumps(document, indent=1, allow_nan=False), encoding="utf-8")
        channels = sum(space.size for space in found.spaces)
        record = {"params": found.params, "macs": found.macs, "spaces": len(found.spaces), "channels": channels}
        said = f"{count(found.params)} parameters, {count(found.macs)} MACs, {len(found.spaces)} channel spaces"
        return Outcome(record, [f"{said}; {percent(found.weights_reached)} of the weights can be cut"])
