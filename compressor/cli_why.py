"""``compressor why``: where the time goes, op by op as the runtime fused them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from compressor.cli_options import DimOption, JsonFlag, SeedOption, named_sizes
from compressor.cli_output import emit, emit_json, progress, warn


def why(
    before: Annotated[Path, typer.Argument(metavar="A", help="An ONNX file.")],
    after: Annotated[
        Path | None, typer.Argument(metavar="B", help="The same network with fewer channels.", show_default=False)
    ] = None,
    backend: Annotated[
        str, typer.Option("--backend", help="onnxruntime-cpu, openvino-cpu, torch-cpu or torch-cuda.")
    ] = ("onnxruntime-cpu"),
    threads: Annotated[int, typer.Option("--threads", min=1, help="Threads per operator.")] = 1,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Size of a symbolic leading dimension.")] = 1,
    dim: DimOption = None,
    top: Annotated[int, typer.Option("--top", min=1, help="How many ops the table shows.")] = 15,
    probe: Annotated[
        int, typer.Option("--probe", min=0, help="How many of the slowest layers are timed alone at other widths.")
    ] = 3,
    seed: SeedOption = 0,
    as_json: JsonFlag = False,
) -> None:
    """Show where a model's time goes, what a cut changed, and what would help."""
    dims = named_sizes(dim)
    from compressor.cli_why_tables import why_tables
    from compressor.why.explain import explain

    with progress("reading and analysing") as report:
        result = explain(
            before, after, backend=backend, threads=threads, batch=batch, dims=dims, probed=probe, seed=seed,
            progress=lambda done, total: report("turns measured", done, total),
        )  # fmt: skip
    for warning in result.warnings:
        warn(warning)
    if as_json:
        emit_json(result.to_json())
    else:
        emit(*why_tables(result, top))
