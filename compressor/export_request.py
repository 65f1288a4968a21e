"""What is asked of an export in words: inputs, dynamic axes, the factory's arguments; for command line and recipes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from compressor.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor, nn

_DTYPES = ("float32", "float64", "float16", "bfloat16", "int64", "int32", "int8", "uint8", "bool")
_INPUT = re.compile(r"(?:(?P<name>[^=:]+)=)?(?P<shape>\d+(?:x\d+)*|scalar)(?::(?P<dtype>\w+))?", re.ASCII)
_AXIS = re.compile(r"(?P<name>[^=:]+):(?P<axis>\d+)=(?P<symbol>.+)", re.ASCII)
_LARGEST_INDEX = 2  # integers are drawn below it: valid for any embedding, and for masks


def parse_input(text: str) -> tuple[str | None, tuple[int, ...], str]:
    """(name or None, shape, type) of ``[NAME=]SHAPE[:TYPE]``."""
    found = _INPUT.fullmatch(text)
    if found is None:
        raise UsageError(f"--input {text!r} is not [NAME=]SHAPE[:TYPE]", fix="Give for example --input x=1x3x32x32.")
    shape, dtype = found["shape"], found["dtype"] or "float32"
    if dtype not in _DTYPES:
        raise UsageError(f"--input {text!r}: unknown type {dtype!r}", fix=f"Known: {', '.join(_DTYPES)}.")
    return found["name"], () if shape == "scalar" else tuple(map(int, shape.split("x"))), dtype


def parse_argument(text: str) -> tuple[str, Any]:
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


def parse_axes(texts: list[str]) -> str | dict[str, dict[int, str]] | None:
    """A name for axis 0 of all inputs, or axis -> name by input, of ``batch`` or ``INPUT:AXIS=NAME`` ..."""
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


def axes_by_input(axes: Any, module: nn.Module, examples: Any) -> Any:
    """The axes in the order of the module's inputs."""
    from compressor.models.export import named_inputs

    known = named_inputs(module, examples)  # says what is wrong with the inputs before what is with the axes
    return {name: axes[name] for name in (*known, *axes) if name in axes} if isinstance(axes, dict) else axes


def build_module(factory: str, options: dict[str, Any], seed: int) -> nn.Module:
    """What the user's function returns, called with ``options`` under a seed of its own.

    Raises:
        UsageError: it is no module, or the function raised.
        EnvironmentProblem: PyTorch is not installed.
    """
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


def example_inputs(
    described: list[tuple[str | None, tuple[int, ...], str]], seed: int
) -> list[Tensor] | dict[str, Tensor]:
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
