"""``compressor export``: a PyTorch module, by the function that builds it, as ONNX files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from compressor.cli_options import JsonFlag, SeedOption
from compressor.cli_output import OUTCOME, emit, emit_json, progress, warn
from compressor.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from compressor.exporting import Export

_DTYPES = ("float32", "float64", "float16", "bfloat16", "int64", "int32", "int8", "uint8", "bool")
_INPUT = re.compile(r"(?:(?P<name>[^=:]+)=)?(?P<shape>\d+(?:x\d+)*|scalar)(?::(?P<dtype>\w+))?", re.ASCII)
_AXIS = re.compile(r"(?P<name>[^=:]+):(?P<axis>\d+)=(?P<symbol>.+)", re.ASCII)
_LARGEST_INDEX = 2  # integers are drawn below it: valid for any embedding, and for masks


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
    described = [_input(text) for text in inputs]
    options = dict(_argument(text) for text in arg or [])
    axes = _dynamic(dynamic or [])
    with progress("exporting") as report:
        module = _build(factory, options, seed)
        from compressor.exporting import export as carry_out
        from compressor.models.export import DEFAULT_OPSET

        examples = _examples(described, seed)
        result = carry_out(
            module, examples, output, form=form, exporter=exporter,  # type: ignore[arg-type]  # checked there
            dynamic=_by_input(axes, module, examples), opset=DEFAULT_OPSET if opset is None else opset,
            checkpoint=checkpoint, progress=report,
        )  # fmt: skip
    OUTCOME.written[:] = [one.path for one in result.forms if one.path is not None]
    _show(result, as_json)


def _input(text: str) -> tuple[str | None, tuple[int, ...], str]:
    found = _INPUT.fullmatch(text)
    if found is None:
        raise UsageError(f"--input {text!r} is not [NAME=]SHAPE[:TYPE]", fix="Give for example --input x=1x3x32x32.")
    shape, dtype = found["shape"], found["dtype"] or "float32"
    if dtype not in _DTYPES:
        raise UsageError(f"--input {text!r}: unknown type {dtype!r}", fix=f"Known: {', '.join(_DTYPES)}.")
    return found["name"], () if shape == "scalar" else tuple(map(int, shape.split("x"))), dtype


def _argument(text: str) -> tuple[str, Any]:
    """A number, true, false or none where it reads as one, else text."""
    key, equals, value = text.partition("=")
    if not (equals and key.isidentifier()):
        raise UsageError(f"--arg {text!r} is not KEY=VALUE", fix="Give for example --arg width=64.")
    constants = {"true": True, "false": False, "none": None}
    if value.lower() in constants:
        return key, constants[value.lower()]
    for kind in (int, float):
        try:
            return key, kind(value)
        except ValueError:
            continue
    return key, value


def _dynamic(texts: list[str]) -> str | dict[str, dict[int, str]] | None:
    if not texts:
        return None
    if len(texts) == 1 and ":" not in texts[0] and "=" not in texts[0]:
        return texts[0]
    axes: dict[str, dict[int, str]] = {}
    for text in texts:
        found = _AXIS.fullmatch(text)
        if found is None:
            fix = "Give --dynamic batch alone, or INPUT:AXIS=NAME for each axis, such as x:0=batch."
            raise UsageError(f"--dynamic {text!r} names no axis", fix=fix)
        axes.setdefault(found["name"], {})[int(found["axis"])] = found["symbol"]
    return axes


def _by_input(axes: Any, module: nn.Module, examples: Any) -> Any:
    from compressor.models.export import named_inputs

    known = named_inputs(module, examples)  # says what is wrong with the inputs before what is with the axes
    return {name: axes[name] for name in (*known, *axes) if name in axes} if isinstance(axes, dict) else axes


def _build(factory: str, options: dict[str, Any], seed: int) -> nn.Module:
    from compressor.extras import require_torch
    from compressor.user_code import load_callable

    require_torch("exporting")
    import torch

    torch.manual_seed(seed)
    build = load_callable(factory)
    module = build(**options)
    if not isinstance(module, torch.nn.Module):
        said = f"returned a {type(module).__name__}, not a torch.nn.Module"
        raise UsageError(said, where=factory, fix="Name a function or class that returns the module.")
    return module


def _examples(described: list[tuple[str | None, tuple[int, ...], str]], seed: int) -> list[Tensor] | dict[str, Tensor]:
    """Random inputs: by position where none has a name, by name where all have one."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    drawn = []
    for _, shape, name in described:
        dtype = getattr(torch, name)
        if dtype.is_floating_point:
            drawn.append(torch.randn(shape, generator=generator).to(dtype))
        else:
            drawn.append(torch.randint(_LARGEST_INDEX, shape, generator=generator).to(dtype))
    names = [name for name, _, _ in described if name is not None]
    if names and (len(names) < len(described) or len(set(names)) < len(names)):
        raise UsageError("--input: give every input its own name, or none", fix="Write --input NAME=SHAPE for each.")
    return dict(zip(names, drawn, strict=True)) if names else drawn


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
