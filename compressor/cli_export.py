"""``compressor export``: a PyTorch module, by the function that builds it, as ONNX files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from compressor.cli_options import JsonFlag, SeedOption
from compressor.cli_output import OUTCOME, emit, emit_json, progress, warn
from compressor.export_request import (
    axes_by_input,
    build_module,
    example_inputs,
    parse_argument,
    parse_axes,
    parse_input,
)

if TYPE_CHECKING:
    from compressor.exporting import Export


def export(
    factory: Annotated[
        str,
        typer.Argument(metavar="MODULE:FACTORY", help="What builds the module: package.module:name or file.py:name."),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT", help="Where the deploy form is written.")],
    inputs: Annotated[
        list[str],
        typer.Option("--input", metavar="[NAME=]SHAPE[:TYPE]", help="1x3x224x224, ids=1x128:int64. Repeatable."),
    ],
    dynamic: Annotated[
        list[str] | None,
        typer.Option("--dynamic", metavar="SYMBOL", help="batch (axis 0 of all), or x:2=height. Repeatable."),
    ] = None,
    form: Annotated[
        str, typer.Option("--form", help="both, training or deploy; both adds OUT's .train.onnx.")
    ] = "both",
    exporter: Annotated[str, typer.Option("--exporter", help="dynamo or torchscript.")] = "dynamo",
    opset: Annotated[int | None, typer.Option("--opset", help="Of ai.onnx.", show_default="20")] = None,
    checkpoint: Annotated[
        Path | None, typer.Option("--checkpoint", metavar="FILE", help="State dict: torch.save or .safetensors.")
    ] = None,
    arg: Annotated[
        list[str] | None, typer.Option("--arg", metavar="KEY=VALUE", help="For the factory. Repeatable.")
    ] = None,
    seed: SeedOption = 0,
    as_json: JsonFlag = False,
) -> None:
    """Write a PyTorch module as ONNX, compared with it first: for training and for deployment."""
    described = [parse_input(text) for text in inputs]
    options = dict(parse_argument(text) for text in arg or [])
    axes = parse_axes(dynamic or [])
    with progress("exporting") as report:
        module = build_module(factory, options, seed)
        from compressor.exporting import export as carry_out
        from compressor.models.export import DEFAULT_OPSET

        examples = example_inputs(described, seed)
        result = carry_out(
            module, examples, output, form=form, exporter=exporter,  # type: ignore[arg-type]  # checked there
            dynamic=axes_by_input(axes, module, examples), opset=DEFAULT_OPSET if opset is None else opset,
            checkpoint=checkpoint, progress=report,
        )  # fmt: skip
    OUTCOME.written[:] = [one.path for one in result.forms if one.path is not None]
    _show(result, as_json)


def _show(result: Export, as_json: bool) -> None:
    from compressor.cli_tables import line, table
    from compressor.units import count, size

    for note in result.notes:
        warn(note)
    if as_json:
        emit_json(result.to_json())
        return
    rows = [
        (one.form, one.path or "", str(one.nodes), size(one.size_bytes), f"{one.max_error:.1g}") for one in result.forms
    ]
    compared = ", ".join(" and ".join(f"{k} {v}" for k, v in sizes.items()) for sizes in result.sizes if sizes)
    at = f" at {compared}" if compared else ""
    emit(
        table(("form", "file", "nodes", "weights", "max error"), rows, left=2),
        line(f"{count(result.parameters)} parameters; {result.exporter}, opset {result.opset}"),
        line(f"equal to the module in ONNX Runtime{at} (error relative to the output's largest value, "
             f"tolerance {max(one.tolerance for one in result.forms):g})", "green"),
    )  # fmt: skip
