"""A report from results to its files: one HTML page, and a Markdown model card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from compressor.atomic import FileSet
from compressor.errors import UsageError
from compressor.gate.facts import facts_of
from compressor.model_io import same_file
from compressor.report.blocks import Section, shown
from compressor.report.card import card
from compressor.report.documents import Facts
from compressor.report.layers import compare_layers
from compressor.report.page import page
from compressor.report.results import Results, read_results
from compressor.report.section import build_sections
from compressor.targets import PathLike

_LONGEST_TITLE = 120


@dataclass(frozen=True)
class Report:
    """What a report says, whatever it is written as.

    Attributes:
        title: what it is about.
        sections: in order.
    """

    title: str
    sections: list[Section]

    def html(self) -> str:
        """One page that loads nothing and runs nothing."""
        return page(self.title, self.sections)

    def markdown(self) -> str:
        """A model card."""
        return card(self.title, self.sections)


def report_of(results: Results, title: str | None = None) -> Report:
    """A report of results that are there already.

    Raises:
        UsageError: they say nothing that a report shows.
    """
    sections = list(build_sections(results))
    if not sections:
        raise UsageError("these results say nothing that a report shows", fix="Give more of them.")
    return Report(shown(title or _title(results), _LONGEST_TITLE), sections)


def make_report(
    results: Sequence[PathLike], output: PathLike, *, card: PathLike | None = None, title: str | None = None,
    before: PathLike | None = None, after: PathLike | None = None,
) -> Report:  # fmt: skip
    """A page people read of results: what was gained, how sure that is, how it came about.

    Args:
        results: JSON files that ``compress``, ``bench``, ``gate``, ``run``, ``why`` or ``inspect`` wrote, and plans.
        output: the HTML page.
        card: a Markdown model card too.
        title: of both; by default the model's name.
        before, after: the two model files, for a table of their layers.

    Raises:
        UsageError: a file is no result, or would be replaced.
        ModelFileError: a model cannot be read, or the page not be written.
    """
    if (before is None) != (after is None):
        raise UsageError("one model alone has nothing to compare with", fix="Give both --before and --after.")
    inputs = [Path(path) for path in (*results, before, after) if path is not None]
    targets = [Path(path) for path in (output, card) if path is not None]
    for index, target in enumerate(targets):
        clash = next((other for other in (*inputs, *targets[:index]) if same_file(target, other)), None)
        if clash is not None:
            raise UsageError(f"would replace {clash}", where=str(target), fix="Choose another name.")
    found = read_results([Path(path) for path in results])
    if before is not None and after is not None:
        add_files(found, Path(before), Path(after))
    made = report_of(found, title)
    write_report(made, Path(output), None if card is None else Path(card))
    return made


def add_files(results: Results, before: Path, after: Path, *, analysed: Path | None = None) -> None:
    """What the two model files say themselves: their sizes and their layers.

    Args:
        before, after: ONNX files.
        analysed: the form of ``before`` that was analysed, whose layers are those of ``after``.

    Raises:
        ModelFileError: one cannot be read.
        UsageError: they are not forms of one network.
    """
    facts = [Facts(size_bytes=one.size_bytes, params=one.params) for one in map(facts_of, (before, after))]
    results.facts.insert(0, (facts[0], facts[1]))
    results.layers = compare_layers(analysed or before, after)


def write_report(made: Report, output: Path, card: Path | None = None) -> None:
    """Write the page, and the card where asked for; both appear whole, or neither.

    Raises:
        ModelFileError: the disk is full, the folder missing, and the like.
    """
    contents = {output: made.html(), **({} if card is None else {card: made.markdown()})}
    with FileSet(output) as files:
        for path, text in contents.items():
            files.about(path)
            with files.create(path) as file:
                file.write(text.encode("utf-8", "backslashreplace"))  # names may hold halves of surrogate pairs
                files.sync(file)
        files.commit()


def _title(results: Results) -> str:
    """What the results are about, by the first that names it."""
    named = [PurePath(one.model).name for one in results.every_compression()]
    named += [PurePath(str(run.recipe.get("model", ""))).name for run in results.runs]
    named += [PurePath(gate.candidate.name).name for gate in results.gates]
    named += [times.baseline for times in results.comparisons]
    named += [PurePath(name).name for why in results.whys for name in why.models.values()]
    named += [PurePath(one.model).name for one in results.inspections]
    return next((name for name in named if name), "A model")
