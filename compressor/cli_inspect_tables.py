"""Tables and sentences of ``compressor inspect``."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import RenderableType

from compressor.cli_tables import line, table
from compressor.errors import UsageError
from compressor.units import count, percent, seconds, size

if TYPE_CHECKING:
    from compressor.results import FixedSummary, Inspection, SpacePart, SpaceSummary

_SHOWN_PARAMETERS = 2
_SHOWN_EXAMPLES = 2
_SHOWN_STEPS = 4  # of a chain, at each end
_WORDS = {
    "makes": "made by (a weight whose indices give the channels)",
    "reads": "read by (a weight that sums over the channels)",
    "follows": "followed by (bias, scale and the like: cut with the channels)",
}
_AXIS = re.compile(r"(?P<name>.*):(?P<axis>-?\d+)", re.DOTALL)


def inspection_tables(result: Inspection, *, everything: bool) -> list[RenderableType]:
    """Headline, channel spaces, and what is fixed."""
    signature = [f"{name} {_shape(shape)}" for name, shape in result.inputs.items()]
    outcome = [f"{name} {_shape(shape)}" for name, shape in result.outputs.items()]
    interface = f"{', '.join(signature)} -> {', '.join(outcome)}"
    tables: list[RenderableType] = [line(headline(result), "bold"), line(interface), *_spaces(result, everything)]
    if result.fixed:
        tables += _every_fixed_axis(result) if everything else _fixed_by_reason(result)
    return tables


def headline(result: Inspection) -> str:
    """The model in one line."""
    return (
        f"{result.model}: opset {result.opset}, {result.nodes} nodes, {count(result.params)} parameters, "
        f"{count(result.macs)} MACs per sample, {size(result.size_bytes)}; "
        f"{percent(result.weights_reached)} of the weights reachable; {seconds(result.seconds)}"
    )


def _shape(shape: Sequence[int | str | None]) -> str:
    return "[" + ", ".join("?" if n is None else str(n) for n in shape) + "]"


def _spaces(result: Inspection, everything: bool) -> list[RenderableType]:
    if not result.spaces:
        return [line("No channel can be removed.", "bold")]
    limit = None if everything else _SHOWN_PARAMETERS
    rows = [
        (s.name, _shortened(s.parameters, limit), _through(s), _kind(s), str(s.size), count(s.params), count(s.macs))
        for s in result.spaces
    ]
    channels = sum(space.size for space in result.spaces)
    title = f"Channel spaces: {len(result.spaces)}, with {channels} removable channels"
    if any(space.soft for space in result.spaces):
        title += " (soft: a normalisation runs over it, cut only with --allow-width)"
    if any(space.branch for space in result.spaces):
        title += " (branch: may go whole with --drop-branches)"
    columns = ("space", "coupled parameters [axis]", "ops", "", "channels", "params", "MACs")
    return [line(title, "bold"), table(columns, rows, left=4), line("--space NAME shows one in full")]


def _through(space: SpaceSummary) -> str:
    """The ops that hold parameters of a space, by number."""
    nodes = dict.fromkeys(part.node for part in space.parts)
    return _counted(Counter(node.partition(" ")[0] for node in nodes).most_common())


def _counted(ops: Iterable[tuple[str, int]]) -> str:
    return ", ".join(op if number == 1 else f"{number} {op}" for op, number in ops)


def _kind(space: SpaceSummary) -> str:
    if not space.soft:
        return "branch" if space.branch else ""
    return f"soft: {', '.join(dict.fromkeys(node.partition(' ')[0] for node in space.normalised_by))}"


def _shortened(names: Sequence[str], limit: int | None) -> str:
    shown = names if limit is None else names[:limit]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f", ... {more} more" if more else "")


def _fixed_by_reason(result: Inspection) -> list[RenderableType]:
    groups: dict[str, list[FixedSummary]] = {}
    for one in result.fixed:
        groups.setdefault(one.group, []).append(one)
    rows = [
        (reason, _shortened([_place(one) for one in axes], _SHOWN_EXAMPLES), str(len(axes)))
        for reason, axes in sorted(groups.items(), key=lambda group: -len(group[1]))
    ]
    title = f"Fixed: {len(result.fixed)} axes (--all lists each, --why PARAMETER[:AXIS] explains one)"
    return [line(title, "bold"), table(("why", "for example", "axes"), rows, left=2)]


def _place(one: FixedSummary) -> str:
    part = "" if one.count == one.size else f" ({one.count} of {one.size})"
    return f"{one.parameter}[{one.axis}]{part}"


def _every_fixed_axis(result: Inspection) -> list[RenderableType]:
    rows = [(_place(one), chain_in_words(one.chain)) for one in result.fixed]
    return [line(f"Fixed: {len(rows)} axes", "bold"), table(("axis", "why <- ... <- where it is used"), rows, left=2)]


def chain_in_words(steps: Sequence[str]) -> str:
    """A chain in one line; the middle of a long one is counted."""
    left_out = len(steps) - 2 * _SHOWN_STEPS
    if left_out > 1:
        steps = [*steps[:_SHOWN_STEPS], f"({left_out} more)", *steps[-_SHOWN_STEPS:]]
    return " <- ".join(steps)


def space_in_full(result: Inspection, name: str) -> list[RenderableType]:
    """One space: every member in words."""
    known = {space.name: space for space in result.spaces}
    if name not in known:
        raise UsageError(f"no channel space is called {name!r}", fix=_near(name, known))
    space = known[name]
    lines: list[RenderableType] = [
        line(f"Space {space.name}: {space.size} channels, {count(space.params)} parameters, {count(space.macs)} MACs")
    ]
    if space.soft:
        lines.append(line(f"soft: normalised by {', '.join(space.normalised_by)}; cut only with --allow-width"))
    for role, words in _WORDS.items():
        parts = [part for part in space.parts if part.role == role]
        if parts:
            lines += [line(f"{words}:", "bold"), *(line(f"  {_part(part)}") for part in parts)]
    if space.passes:
        lines.append(line(f"runs through {_counted(space.passes.items())}"))
    return lines


def _part(part: SpacePart) -> str:
    each = "" if part.per_channel == 1 else f", {part.per_channel:g} indices a channel"
    return f"{part.parameter}[{part.axis}] of {part.node}{each}"


def explained(result: Inspection, place: str) -> list[RenderableType]:
    """Every axis of a parameter ("name"), or one ("name:axis"): which space it is in, or why it stays."""
    name, axes = _axes(result, place)
    return [line(f"{name}[{axis}]: {sentence}") for axis in axes for sentence in _sentences(result, name, axis)]


def _axes(result: Inspection, place: str) -> tuple[str, list[int]]:
    found = _AXIS.fullmatch(place)
    if place in result.parameters:  # a name may itself end in ":0"
        return place, list(range(len(result.parameters[place])))
    if found is None or found["name"] not in result.parameters:
        name = place if found is None else found["name"]
        raise UsageError(f"no parameter is called {name!r}", fix=_near(name, result.parameters))
    name, axis, rank = found["name"], int(found["axis"]), len(result.parameters[found["name"]])
    if not -rank <= axis < rank:
        raise UsageError(f"{name!r} has {rank} axes, so none is number {axis}", fix="Axes count from 0.")
    return name, [axis % rank]


def _near(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.3)
    return f"Did you mean {near[0]!r}?" if near else "`compressor inspect MODEL --json` lists them."


def _sentences(result: Inspection, name: str, axis: int) -> Iterator[str]:
    length = result.parameters[name][axis]
    fixed = [one for one in result.fixed if (one.parameter, one.axis) == (name, axis)]
    for one in fixed:
        part = "" if one.count == one.size else f" ({one.count} of {one.size} indices)"
        yield f"fixed{part}: {' <- '.join(one.chain)}"
    spaces = [space.name for space in result.spaces if any((p.parameter, p.axis) == (name, axis) for p in space.parts)]
    if spaces:
        yield f"{length} indices, cut with space {', '.join(spaces)}"
    elif not fixed and length == 1:
        yield "fixed: its only index"
    elif not fixed:
        yield f"{length} indices that no channel space reaches: it holds positions, flags or sizes, or nothing reads it"
