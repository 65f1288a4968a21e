"""The demo's result as one table, as JSON and as a report."""

from __future__ import annotations

import json
from dataclasses import astuple, dataclass
from pathlib import Path

from compressor.demo import Demo
from compressor.report.blocks import Cell, Code, Items, Section, Table
from compressor.report.documents import Comparison, Compression
from compressor.report.figures import verdict_cell
from compressor.report.report import Report, add_files
from compressor.report.results import Results, parsed
from compressor.report.section import build_sections
from compressor.units import count, percent, size

RESULT = "result.json"
REPORT = "report.html"
TITLE = "A digit classifier, cut to several sizes"
LAYERS_OF = 2
"""Number of the cut whose layers are listed: half of the MACs."""


@dataclass(frozen=True)
class Row:
    """One model of the demo, in words."""

    label: str
    cut_only: str
    accuracy: str
    params: str
    macs: str
    size: str
    median_ms: str
    ratio: str
    interval: str
    verdict: str


HEADINGS = Row(
    "model", "only cut", "recovered", "parameters", "MACs", "file", "median ms", "time", "95 % interval", "verdict"
)


def rows(demo: Demo) -> list[Row]:
    """A row for each model, the original first."""
    found = []
    for cut in demo.cuts:
        ratio = demo.latency.ratios.get(cut.label)
        counts, original = cut.counts, demo.cuts[0].counts
        found.append(
            Row(
                cut.label,
                "" if cut.correct_cut is None else percent(cut.correct_cut / demo.pictures),
                percent(cut.correct / demo.pictures),
                _with_share(count(counts.params), counts.params, original.params),
                _with_share(count(counts.macs), counts.macs, original.macs),
                size(counts.size_bytes),
                f"{demo.latency.timings[cut.label].median_ms:.3f}",
                f"{ratio.ratio:.3f}" if ratio else "1",
                f"{ratio.low:.3f} to {ratio.high:.3f}" if ratio else "",
                demo.latency.verdicts.get(cut.label, "baseline"),
            )
        )
    return found


def _with_share(text: str, value: int, whole: int) -> str:
    return text if value == whole else f"{text} ({value / whole:.2f})"


def notes(demo: Demo) -> list[str]:
    """What the table rests on, in sentences."""
    proven = [cut.result.verification for cut in demo.cuts if cut.result is not None and cut.result.verification]
    latency = demo.latency
    machine = latency.fingerprint
    return [
        f"Accuracy on {demo.pictures} test pictures that the network never saw: straight after the cut, and recovered "
        "from unlabelled training pictures. Nothing was fine-tuned.",
        f"Each of the {len(proven)} cuts is proven before recovery: pruned equals masked original on random inputs, "
        f"max error {max(each['max_error'] for each in proven):.1g} of the output.",
        f"Latency of {demo.batch} pictures, {latency.threads} thread, models timed in turns in {latency.processes} "
        f"processes; time is the ratio to the original, which differs from itself by up to {latency.noise_floor:.1%}.",
        f"{latency.provider} of onnxruntime {machine['libraries']['onnxruntime']} on {machine['cpu_model']}.",
        "The runtime computes channels in blocks: kept sizes are multiples of 8, except where any width was allowed.",
    ]


def report_files(demo: Demo, folder: Path) -> None:
    """Write result.json and report.html; ``folder`` holds the demo's models."""
    (folder / RESULT).write_text(json.dumps(demo.to_json(), indent=1) + "\n", encoding="utf-8")
    (folder / REPORT).write_text(report_of(demo, folder).html(), encoding="utf-8")


def report_of(demo: Demo, folder: Path) -> Report:
    """The demo's own table and commands; between them what every report tells."""
    results = Results(comparisons=[parsed(Comparison, demo.latency.to_json(), "the demo")])
    results.compressions += [parsed(Compression, cut.result.to_json(), cut.file) for cut in demo.cuts if cut.result]
    add_files(results, folder / demo.cuts[0].file, folder / demo.cuts[LAYERS_OF].file)
    table: list[tuple[Cell | str, ...]] = [(*astuple(row)[:-1], verdict_cell(row.verdict)) for row in rows(demo)]
    compared = f"Layers are those of the original and of {demo.cuts[LAYERS_OF].label!r}."
    commands = "\n".join(cut.command for cut in demo.cuts if cut.command)
    sections = [
        Section("Result", [Table(astuple(HEADINGS), table), Items([*notes(demo), compared])]),
        *build_sections(results, without=("headline", "reproduce")),
        Section("How to reproduce it", [Code(commands), Items([f"{RESULT} beside this page has every number."])]),
    ]
    return Report(TITLE, sections)
