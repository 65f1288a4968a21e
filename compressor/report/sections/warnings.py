"""What the reader should know before believing a number: warnings, advice, what is missing."""

from __future__ import annotations

from compressor.report.blocks import Items, Section
from compressor.report.results import Results
from compressor.report.section import section


@section("warnings", 30)
def warnings(results: Results) -> Section | None:
    """Each once, in the order of the results."""
    said = list(results.notes)
    for times in results.comparisons:
        said += times.warnings
    for gate in results.gates:
        said += [str(text) for one in gate.findings for text in _listed(one.details.get("warnings"))]
    for one in results.every_compression():
        said += one.advice
    for why in results.whys:
        said += [*why.warnings, *why.advice]
    return Section("Warnings and advice", [Items(list(dict.fromkeys(said)))] if said else [], card=True)


def _listed(found: object) -> list[object]:
    return found if isinstance(found, list) else []
