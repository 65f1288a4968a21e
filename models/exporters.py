"""PyTorch's two ONNX exporters behind one interface: a request in, a model out, nothing on the screen.

Both are asked for the graph as it was traced: nothing folded, so that every parameter is still itself and
under its own name, and with dropouts. ``training_form`` makes it presentable, ``deploy_form`` folds it.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compressor.errors import GraphError
from compressor.extras import require

if TYPE_CHECKING:
    import onnx_ir
    from torch import Tensor, nn

_STDOUT = 1  # the file descriptor
_TALKATIVE_LOGGERS = ("torch.onnx", "onnxscript")


@dataclass(frozen=True)
class ExportRequest:
    """What an exporter is asked for, its module apart; ``module`` is in evaluation mode already.

    Attributes:
        inputs: by the names of ``forward``'s parameters, in their order.
        positional: how many of them are passed by position; the others by name.
        dynamic: axis -> symbol, for the inputs that have dynamic axes.
        folder: an empty folder that outlives the model, for weights beyond 2 GiB.
    """

    inputs: Mapping[str, Tensor]
    positional: int
    output_names: Sequence[str] | None
    dynamic: Mapping[str, Mapping[int, str]]
    opset: int
    folder: Path

    def arguments(self) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
        """(positional, by name) as ``module(*positional, **by_name)`` takes them."""
        items = list(self.inputs.items())
        return tuple(value for _, value in items[: self.positional]), dict(items[self.positional :])


def require_exporters() -> None:
    """Raise EnvironmentProblem with what to install where onnxscript is absent, which tidies both exporters' graphs."""
    require("onnxscript", "torch", "exporting")


def by_dynamo(module: nn.Module, request: ExportRequest) -> onnx_ir.Model:
    """Export by ``torch.export``; raises whatever PyTorch raises."""
    import torch

    symbols = {symbol for axes in request.dynamic.values() for symbol in axes.values()}
    dims = {symbol: torch.export.Dim(symbol) for symbol in sorted(symbols)}
    axes = [
        {axis: dims[symbol] for axis, symbol in request.dynamic.get(name, {}).items()} or None
        for name in request.inputs
    ]
    args, kwargs = request.arguments()
    by_name = dict(zip(request.inputs, axes, strict=True))
    shapes: Any = None if not dims else by_name if kwargs else tuple(axes)
    program = torch.onnx.export(
        module,
        args,
        kwargs=kwargs,
        dynamo=True,
        verbose=False,
        opset_version=request.opset,
        input_names=list(request.inputs),
        output_names=request.output_names,
        dynamic_shapes=shapes,
        optimize=False,
    )
    if program is None:
        raise GraphError("the dynamo exporter returned nothing", where=type(module).__name__)
    model: onnx_ir.Model = program.model
    return model


def by_torchscript(module: nn.Module, request: ExportRequest) -> onnx_ir.Model:
    """Export by tracing; raises whatever PyTorch raises."""
    import onnx_ir
    import torch

    path = request.folder / "traced.onnx"
    args, kwargs = request.arguments()
    with _native_stdout_off():
        torch.onnx.export(
            module,
            args,
            str(path),  # a path, not a file: beyond 2 GiB the weights go beside it
            kwargs=kwargs,
            dynamo=False,
            opset_version=request.opset,
            input_names=list(request.inputs),
            output_names=request.output_names,
            dynamic_axes={name: dict(axes) for name, axes in request.dynamic.items()},
            # Only PRESERVE leaves batch norms of a module in evaluation mode as nodes, with training_mode = 0.
            training=torch.onnx.TrainingMode.PRESERVE,
            do_constant_folding=False,
        )
    return onnx_ir.load(path)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps the exporters' deprecation notes, progress and graph dumps off the user's screen."""
    levels = {name: logging.getLogger(name).level for name in _TALKATIVE_LOGGERS}
    for name in levels:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


@contextlib.contextmanager
def _native_stdout_off() -> Iterator[None]:
    """Drops what C++ prints: the whole graph of a failed TorchScript export.

    PyTorch 2.13 switches that log on whatever was set: ``setup_onnx_logging`` tests a function it forgot to call.
    """
    sys.stdout.flush()
    kept = os.dup(_STDOUT)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), _STDOUT)
        yield
    finally:
        os.dup2(kept, _STDOUT)
        os.close(kept)
