"""``compressor bench``: latency of model files side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from compressor.cli_options import DimOption, JsonFlag, SeedOption, named_sizes
from compressor.cli_output import OUTCOME, emit, emit_json, progress, warn
from compressor.errors import UsageError


def bench(
    models: Annotated[list[Path], typer.Argument(metavar="A [B ...]", help="ONNX files; the first is the baseline.")],
    threads: Annotated[int, typer.Option("--threads", min=1, help="Threads per operator.")] = 1,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Size of a symbolic leading dimension.")] = 1,
    dim: DimOption = None,
    backend: Annotated[str, typer.Option("--backend", help="Runtime; `compressor doctor` lists them.")] = (
        "onnxruntime-cpu"
    ),
    processes: Annotated[
        int | None,
        typer.Option("--processes", min=1, show_default="5, cold starts 12", help="Fresh processes to measure in."),
    ] = None,
    seconds: Annotated[float, typer.Option("--seconds", help="Measured time that each model gets in total.")] = 2.0,
    mode: Annotated[
        str | None,
        typer.Option("--mode", show_default="latency", help="latency, cold-start, throughput or paced (needs --rate)."),
    ] = None,
    streams: Annotated[int, typer.Option("--streams", min=1, help="Runs at once, of throughput and paced.")] = 1,
    rate: Annotated[float | None, typer.Option("--rate", help="Requests that arrive each second.")] = None,
    seed: SeedOption = 0,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Write all of it as JSON, with every raw time."),
    ] = None,
    samples: Annotated[bool, typer.Option("--samples", help="Put every raw time into the JSON.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Time models in turns on the same random inputs: ratios, intervals, noise floor, verdicts; energy, where told."""
    if not 0 < seconds <= 3600:
        raise UsageError(f"--seconds {seconds:g} is not between 0 and 3600", fix="Give for example --seconds 2.")
    dims = named_sizes(dim)
    from compressor.atomic import write_bytes
    from compressor.backends.modes import Mode
    from compressor.benchmark import bench as measure
    from compressor.cli_energy import energy_tables
    from compressor.cli_tables import comparison_tables

    if output is not None:
        from compressor.gate.facts import files_of
        from compressor.gate.reports.files import check_targets

        check_targets({"output": output}, [*models, *(file for model in models for file in files_of(model))])
    kind: Any = mode or ("latency" if rate is None else "paced")
    how = Mode(kind, streams, rate)
    with progress("opening the models") as report:
        result = measure(
            models, backend=backend, threads=threads, batch=batch, dims=dims, processes=processes, min_time_s=seconds,
            max_time_s=max(60.0, 10 * seconds * len(models)), seed=seed, mode=how,
            progress=lambda done, total: report("processes measured", done, total),
        )  # fmt: skip
    for warning in result.warnings:
        warn(warning)
    if output is not None:
        write_bytes(output, (json.dumps(result.to_json(), allow_nan=False) + "\n").encode())
        OUTCOME.written.append(str(output))
    if as_json:
        emit_json(result.to_json(samples=samples))
    else:
        emit(*comparison_tables(result), *energy_tables(result))
