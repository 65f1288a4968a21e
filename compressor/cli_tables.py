"""Tables of the command line. Every name is put in as a ``Text``: nothing in it is taken for markup."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from compressor.cli_output import plain
from compressor.units import count, percent, seconds, size

if TYPE_CHECKING:
    from compressor.backends.comparison import Comparison
    from compressor.results import Compression, Inspection

_SHOWN_PARAMETERS = 2
_SHOWN_EXAMPLES = 2
_NODE = re.compile(r" \((?P<op>[^()']+) '.*'\)$", re.DOTALL)  # the end of a reason, which names one node


def line(text: str, style: str = "") -> Text:
    """A line of literal text."""
    return Text(plain(text), style=style)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1, headings: bool = True) -> Table:
    """A plain table whose first ``left`` columns are texts and whose others are numbers."""
    built = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_header=headings)
    for index, column in enumerate(columns):
        built.add_column(column, justify="left" if index < left else "right", overflow="fold")
    for row in rows:
        built.add_row(*map(line, row))
    return built


def inspection_tables(result: Inspection, *, everything: bool) -> list[RenderableType]:
    """Headline, channel spaces, and what is fixed."""
    signature = [f"{name} {_shape(shape)}" for name, shape in result.inputs.items()]
    outcome = [f"{name} {_shape(shape)}" for name, shape in result.outputs.items()]
    headline = (
        f"{result.model}: opset {result.opset}, {result.nodes} nodes, {count(result.params)} parameters, "
        f"{count(result.macs)} MACs per sample, {size(result.size_bytes)}; "
        f"{percent(result.weights_reached)} of the weights reachable; {seconds(result.seconds)}"
    )
    interface = f"{', '.join(signature)} -> {', '.join(outcome)}"
    tables: list[RenderableType] = [line(headline, "bold"), line(interface), *_spaces(result, everything)]
    if result.fixed:
        tables += _every_fixed_axis(result) if everything else _fixed_by_reason(result)
    return tables


def _shape(shape: Sequence[int | str | None]) -> str:
    return "[" + ", ".join("?" if n is None else str(n) for n in shape) + "]"


def _spaces(result: Inspection, everything: bool) -> list[RenderableType]:
    if not result.spaces:
        return [line("No channel can be removed.", "bold")]
    limit = None if everything else _SHOWN_PARAMETERS
    rows = [
        (s.name, _shortened(s.parameters, limit), str(s.size), "soft" if s.soft else "", count(s.params), count(s.macs))
        for s in result.spaces
    ]
    channels = sum(space.size for space in result.spaces)
    title = f"Channel spaces: {len(result.spaces)}, with {channels} removable channels"
    if any(space.soft for space in result.spaces):
        title += " (soft: a normalisation runs over it, cut only with --allow-width)"
    columns = ("space", "coupled parameters [axis]", "channels", "", "params", "MACs")
    return [line(title, "bold"), table(columns, rows, left=2)]


def _shortened(names: Sequence[str], limit: int | None) -> str:
    shown = names if limit is None else names[:limit]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f", ... {more} more" if more else "")


def _fixed_by_reason(result: Inspection) -> list[RenderableType]:
    groups: dict[str, list[str]] = {}
    for name, axis, reason in result.fixed:
        groups.setdefault(_summary(reason), []).append(f"{name}[{axis}]")
    rows = [
        (reason, _shortened(axes, _SHOWN_EXAMPLES), str(len(axes)))
        for reason, axes in sorted(groups.items(), key=lambda group: -len(group[1]))
    ]
    title = f"Fixed: {len(result.fixed)} axes (--all lists each)"
    return [line(title, "bold"), table(("why", "for example", "axes"), rows, left=2)]


def _summary(reason: str) -> str:
    """A reason without the node it was found at, so that equal ones meet."""
    if reason.startswith("graph output "):
        return "graph output"
    return _NODE.sub(lambda found: f" ({found['op']})", reason)


def _every_fixed_axis(result: Inspection) -> list[RenderableType]:
    rows = [(f"{name}[{axis}]", reason) for name, axis, reason in result.fixed]
    return [line(f"Fixed: {len(rows)} axes", "bold"), table(("axis", "why"), rows, left=2)]


def compression_tables(result: Compression) -> list[RenderableType]:
    """Before and after, the proof, the times and the files."""
    rows = [
        (name, form(before), form(after), f"{after / before:.3f}" if before else "")
        for name, form, before, after in (
            ("channels", count, result.before.channels, result.after.channels),
            ("parameters", count, result.before.params, result.after.params),
            ("MACs per sample", count, result.before.macs, result.after.macs),
            ("file", size, result.before.size_bytes, result.after.size_bytes),
        )
    ]
    made = result.made_with
    title = f"{result.model}: {made.get('metric')} {made.get('keep')}, {made.get('criterion')}, {made.get('scope')}"
    times = ", ".join(f"{stage} {seconds(spent)}" for stage, spent in result.seconds.items())
    lines = [
        proof_line(result.verification),
        line(f"{result.spaces_cut} of {result.spaces} channel spaces cut; {times}"),
        line(f"model: {result.output}"),
    ]
    if result.plan is not None:
        lines.append(line(f"plan: {result.plan}"))
    return [line(title, "bold"), table(("", "before", "after", "ratio"), rows), *lines]


def proof_line(evidence: Mapping[str, Any] | None) -> Text:
    """What was proven, in one line."""
    if evidence is None:
        return line("not verified, as asked", "yellow")
    sizes = [", ".join(f"{name} {size}" for name, size in each.items()) for each in evidence["sizes"]]
    at = f" at {' and at '.join(sizes)}" if any(sizes) else ""
    error, plural = evidence["max_error"], "" if evidence["inputs"] == 1 else "s"
    return line(
        f"proven: pruned equals masked original, max error {error:.1g} of the output "
        f"(tolerance {evidence['tolerance']:g}), {evidence['inputs']} random input{plural}{at}",
        "green",
    )


def comparison_tables(result: Comparison) -> list[RenderableType]:
    """Medians, ratios with intervals and verdicts, and how they were measured."""
    ratio_columns = ("ratio", f"{_confidence(result)} interval", "verdict") if result.ratios else ()
    columns = ("model", "median ms", "fastest ms", *ratio_columns)
    setup = (
        f"{result.backend} ({result.provider}), {result.threads} thread{'s' if result.threads > 1 else ''}, "
        f"{result.processes} processes of {result.blocks} blocks; "
        f"baseline against itself: up to {result.noise_floor:.1%} off"
    )
    return [table(columns, list(_comparison_rows(result))), line(setup)]


def _confidence(result: Comparison) -> str:
    return f"{result.noise.confidence:.0%}"


def _comparison_rows(result: Comparison) -> Iterator[tuple[str, ...]]:
    for label, timing in result.timings.items():
        row = (label, f"{timing.median_ms:.4g}", f"{timing.min_ms:.4g}")
        if not result.ratios:
            yield row
        elif label not in result.ratios:
            yield (*row, "1", "", "baseline")
        else:
            ratio = result.ratios[label]
            yield (*row, f"{ratio.ratio:.3f}", f"{ratio.low:.3f} to {ratio.high:.3f}", result.verdicts[label])
