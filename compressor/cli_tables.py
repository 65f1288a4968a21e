"""Tables of the command line. Every name is put in as a ``Text``: nothing in it is taken for markup."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from compressor.plain_text import plain
from compressor.units import count, seconds, size

if TYPE_CHECKING:
    from compressor.backends.comparison import Comparison
    from compressor.results import Compression


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


def compression_tables(result: Compression) -> list[RenderableType]:
    """Before and after, the proof, the times and the files."""
    rows = [
        (name, form(before), form(after), f"{after / before:.3f}" if before else "")
        for name, form, before, after in (
            ("channels", count, result.before.channels, result.after.channels),
            ("parameters", count, result.before.params, result.after.params),
            ("MACs per sample", count, result.before.macs, result.after.macs),
            ("weights", size, result.before.weight_bytes, result.after.weight_bytes),
            ("file", size, result.before.size_bytes, result.after.size_bytes),
        )
    ]
    if result.before.peak_bytes and result.after.peak_bytes:
        before, after = result.before.peak_bytes, result.after.peak_bytes
        rows.append(("peak of memory, computed", size(before), size(after), f"{after / before:.3f}"))
    made = result.made_with
    title = f"{result.model}: {made.get('metric')} {made.get('keep')}, {made.get('criterion')}, {made.get('scope')}"
    times = ", ".join(f"{stage} {seconds(spent)}" for stage, spent in result.seconds.items())
    lines: list[RenderableType] = [
        proof_line(result.verification) if result.spaces_cut else line("nothing was cut: this is the original"),
        line(f"{result.spaces_cut} of {result.spaces} channel spaces cut; {times}"),
        line(f"model: {result.output}"),
    ]
    if result.latency is not None:
        from compressor.cli_latency_tables import latency_lines

        lines[1:1] = latency_lines(result.latency)
    if result.recovery is not None:
        lines.insert(1, recovery_line(result.recovery))
    if result.training is not None or result.evaluation is not None:
        shown = {**result.training, "history": []} if result.training and result.steps else result.training
        lines[-2:-2] = training_lines(shown, result.evaluation)
    if result.steps:
        lines.insert(0, steps_table(result.steps))
    if result.plan is not None:
        lines.append(line(f"plan: {result.plan}"))
    lines += [line(f"note: {advice}", "yellow") for advice in result.advice]
    return [line(title, "bold"), table(("", "before", "after", "ratio"), rows), *lines]


def steps_table(steps: Sequence[Mapping[str, Any]]) -> Table:
    """A row for each step of a schedule: what was to be gone and is, of the original."""
    rows = [
        [
            str(step["step"]),
            f"{step['target_share']:.3f}",
            "-" if step["reached_share"] is None else f"{step['reached_share']:.3f}",
            f"{step['after']['params']:,}",
            str(step["epochs"]),
            *(_number((step["validation"] or {}).get(key)) for key in ("loss", "accuracy")),
            seconds(step["seconds"]),
        ]
        for step in steps
    ]
    columns = ("step", "to go", "gone", "parameters", "epochs", "validation loss", "validation accuracy", "time")
    return table(columns, rows)


def recovery_line(recovery: Mapping[str, Any]) -> Text:
    """How much closer the outputs are to the original's, on samples that the solution did not see."""
    solved = sum(layer["method"] != "kept" for layer in recovery["layers"])
    before, after = recovery["output_error_before"], recovery["output_error_after"]
    if not recovery["kept"]:
        return line("recovery found nothing better than the pruned model, which is left as it is", "yellow")
    on = f"{recovery['samples']:,} {'made-up inputs' if recovery['made_up_inputs'] else 'samples'}"
    errors = (
        f"error of the outputs {'not finite' if before is None else f'{before:.3g}'} -> {after:.3g} of their variance"
    )
    return line(f"recovered without training on {on}: {solved} layers, {errors}", "green")


def training_lines(training: Mapping[str, Any] | None, evaluation: Mapping[str, Any] | None) -> list[RenderableType]:
    """What fine-tuning reached, from first to best epoch, and the user's own figures."""
    lines: list[RenderableType] = []
    if training is not None:
        weights = training["weights"]
        share = f"{weights['trainable']:,} of {weights['total']:,} weights trained"
        lines.append(line(f"fine-tuned by {training['function']} on {training['device']}, {share}", "green"))
        lines += _epoch_lines(training["history"])
    for name, figures in (evaluation or {}).items():
        if figures is not None:
            shown = ", ".join(f"{key} {'none' if value is None else f'{value:.5g}'}" for key, value in figures.items())
            lines.append(line(f"{name}: {shown}"))
    return lines


def _epoch_lines(history: Sequence[Mapping[str, Any]]) -> list[RenderableType]:
    rows = [
        [
            str(entry["epoch"]),
            *(_number(entry[key]) for key in ("train_loss", "validation_loss", "validation_accuracy")),
        ]
        for entry in history
        if "epoch" in entry
    ]
    return [table(("epoch", "loss", "validation loss", "validation accuracy"), rows)] if rows else []


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


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
    columns = ("model", "median ms", "fastest ms", *_own_columns(result), *ratio_columns)
    setup = (
        f"{result.backend} ({result.provider}), {result.threads} thread{'s' if result.threads > 1 else ''}, "
        f"{result.processes} processes of {result.blocks} blocks, {result.timed}; "
        f"baseline against itself: up to {result.noise_floor:.1%} off"
    )
    if result.detectable:
        setup += f"; changes from {max(result.detectable.values()):.1%} on would probably be found"
    return [table(columns, list(_comparison_rows(result))), line(setup)]


def _own_columns(result: Comparison) -> list[str]:
    """What is of interest in this mode only."""
    timing = result.timings[result.baseline]
    if result.mode.kind == "throughput":
        return ["runs a second"]
    if result.mode.kind == "paced":
        return [f"{name} ms" for name in timing.percentiles_ms]
    return [f"{name} ms" for name in timing.parts_ms]


def _own_values(result: Comparison, label: str) -> list[str]:
    timing = result.timings[label]
    if result.mode.kind == "throughput":
        return [f"{result.per_second(label):,.1f}"]
    values = timing.percentiles_ms if result.mode.kind == "paced" else timing.parts_ms
    names = [column.removesuffix(" ms") for column in _own_columns(result)]
    return [f"{values[name]:.4g}" if name in values else "" for name in names]


def _confidence(result: Comparison) -> str:
    return f"{result.noise.confidence:.0%}"


def _comparison_rows(result: Comparison) -> Iterator[tuple[str, ...]]:
    for label, timing in result.timings.items():
        row = (label, f"{timing.median_ms:.4g}", f"{timing.min_ms:.4g}", *_own_values(result, label))
        if not result.ratios:
            yield row
        elif label not in result.ratios:
            yield (*row, "1", "", "baseline")
        else:
            ratio = result.ratios[label]
            yield (*row, f"{ratio.ratio:.3f}", f"{ratio.low:.3f} to {ratio.high:.3f}", result.verdicts[label])
