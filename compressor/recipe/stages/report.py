"""The stage ``report``: what all stages before found, as one page and a model card for people."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from compressor.errors import UsageError
from compressor.recipe.code_version import code_version, library_versions
from compressor.recipe.common import RecipeFile
from compressor.recipe.planning import hardware
from compressor.recipe.stage import MODEL, STAGES, Flow, Outcome, Stage, Work, block_of
from compressor.recipe.store import RECORD
from compressor.result_file import read_result
from compressor.settings import Part

REPORT, PAGE, CARD = "report", "report.html", "card.md"
_FIX = "Run the recipe again."
_RESULTS = {"analyse": "analysis.json", "prune": "plan.json", "bench": "bench.json", "gate": "gate.json"}
"""What holds more than the records of its stage."""


class Report(Part):
    """A page, and a model card beside it.

    Attributes:
        title: of both; by default the model's name.
        card: write the card too.
    """

    title: str | None = Field(default=None, min_length=1)
    card: bool = True


@STAGES.register(REPORT)
class ReportStage(Stage):
    """Tells times, memory and hardware, so it is one of what was measured."""

    place, settings, measures, publishes = 110, Report, True, (PAGE, CARD)

    def reads(self, recipe: RecipeFile, flow: Flow) -> tuple[str, ...]:
        """See Stage."""
        results = [f"{stage}/{name}" for stage, name in _RESULTS.items() if stage in flow.done]
        records = [f"{stage}/{RECORD}" for stage in flow.done]
        return tuple(dict.fromkeys((flow.original, f"clean/{MODEL}", flow.model, *results, *records)))

    def run(self, work: Work) -> Outcome:
        """See Stage."""
        from compressor.report.report import add_files, report_of, write_report
        from compressor.report.results import read_results

        flow, wish = work.flow, block_of(work.recipe, REPORT, Report)
        known = {name: work.files[f"{stage}/{name}"] for stage, name in _RESULTS.items() if stage in flow.done}
        found = read_results(list(known.values()))
        found.add_run(_run(work), str(work.recipe.path), beside=known)
        try:
            add_files(found, work.files[flow.original], work.model, analysed=work.files[f"clean/{MODEL}"])
        except UsageError as error:  # says what is missing, instead of failing a run whose model is done
            found.notes.append(f"There is no table of layers: {error.what}.")
        made = report_of(found, wish.title)
        write_report(made, work.folder / PAGE, work.folder / CARD if wish.card else None)
        titles = [one.title for one in made.sections]
        return Outcome({"sections": titles}, [", ".join(titles)])


def _run(work: Work) -> dict[str, Any]:
    """What run.json would say by now."""
    return {
        "recipe": work.recipe.values.model_dump(mode="json", exclude_none=True),
        "seed": work.recipe.seed,
        "stages": [read_result(work.files[f"{stage}/{RECORD}"], _FIX) for stage in work.flow.done],
        "compressor": code_version(), "libraries": library_versions(), "hardware": hardware(),
    }  # fmt: skip
