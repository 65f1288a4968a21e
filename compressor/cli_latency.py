"""Options of latency budgets, and ``compressor table``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from compressor.cli_options import DimOption, JsonFlag, ModelArgument, OutputOption, named_sizes
from compressor.cli_output import OUTCOME, emit, emit_json, progress
from compressor.errors import UsageError
from compressor.target_options import setting_of

LatencyOption: TypeAlias = Annotated[
    float | None,
    typer.Option("--latency", metavar="R", help="Share of the original's latency to come to, as measured here."),
]
MillisecondsOption: TypeAlias = Annotated[
    float | None, typer.Option("--latency-ms", metavar="MS", help="Latency to come to, in milliseconds.")
]
EnergyOption: TypeAlias = Annotated[
    float | None,
    typer.Option("--energy", metavar="R", help="Share of the original's energy to come to, where a meter tells it."),
]
ParetoOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--pareto", metavar="R1,R2,...", help="Several shares of the latency: OUT gets each in its name."),
]
BackendOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--backend", help="Runtime of a latency; `compressor doctor` lists them.", show_default="onnxruntime-cpu"
    ),
]
ThreadsOption: TypeAlias = Annotated[
    int | None, typer.Option("--threads", min=1, help="Of a latency, per operator.", show_default="1")
]
BatchOption: TypeAlias = Annotated[
    int | None,
    typer.Option("--batch", min=1, help="Of a latency or memory: a symbolic leading dimension.", show_default="1"),
]
TableOption: TypeAlias = Annotated[
    Path | None,
    typer.Option("--table", metavar="FILE", help="A latency table, of this or another machine (`compressor table`)."),
]
MinutesOption: TypeAlias = Annotated[
    float | None,
    typer.Option("--table-minutes", help="Of measuring for the latency table, at most.", show_default="5"),
]
GOES_ON = "(the same command goes on from there)"


def ratios(text: str) -> list[float]:
    """The shares that ``--pareto`` names.

    Raises:
        UsageError: they are none.
    """
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise UsageError(f"--pareto {text!r} are no numbers", fix="Give them like 0.8,0.65,0.5.") from error
    wrong = [share for share in found if not 0 < share < 1]
    if wrong or len(set(found)) < len(found):
        raise UsageError(f"--pareto {text!r}: different shares between 0 and 1 are wanted", fix="Such as 0.8,0.5.")
    return found


def table(
    model: ModelArgument,
    output: OutputOption,
    backend: BackendOption = None,
    threads: ThreadsOption = None,
    batch: BatchOption = None,
    dim: DimOption = None,
    minutes: Annotated[float, typer.Option("--minutes", help="Of measuring, at most; run again to go on.")] = 5.0,
    as_json: JsonFlag = False,
) -> None:
    """Measure what a model's layers cost on this machine at many widths: a table for `compress --latency --table`."""
    from compressor.cli_latency_tables import table_lines
    from compressor.latency.make_table import make_table

    with progress("measuring") as report:

        def tell(done: int, total: int) -> None:
            OUTCOME.written[:] = [f"{output}, {done} samples {GOES_ON}"]
            report("samples", done, total)

        setting = setting_of(backend, threads, batch, named_sizes(dim))
        made = make_table(model, output, setting, minutes, progress=tell)
    OUTCOME.written[:] = [str(output)]
    if as_json:
        emit_json(made.to_json())
    else:
        emit(*table_lines(made))
