"""PyTorch's two ONNX exporters behind one interface: a request in, a model out, nothing on the screen."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx

from compressor.errors import EnvironmentProblem, GraphError

if TYPE_CHECKING:
    from torch import Tensor, nn

BATCH_AXIS = "batch"

_STDOUT = 1  # the file descriptor
_TALKATIVE_LOGGERS = ("torch.onnx", "onnxscript")


@dataclass(frozen=True)
class ExportRequest:
    """What ``export`` was asked for, its module apart; ``module`` is in evaluation mode already."""

    inputs: tuple[Tensor, ...]
    input_names: list[str]
    output_names: Sequence[str] | None
    dynamic_batch: bool
    opset: int
    keep_batchnorm: bool


def by_dynamo(module: nn.Module, request: ExportRequest) -> onnx.ModelProto:
    """Export by ``torch.export``.

    Raises:
        RuntimeError: as PyTorch raises it, where the module cannot be exported.
        EnvironmentProblem: onnxscript is not installed.
    """
    import torch

    try:
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise EnvironmentProblem(
            "the dynamo exporter needs onnxscript", fix="Install it with `pip install onnxscript`."
        ) from error
    batch = torch.export.Dim(BATCH_AXIS)
    program = torch.onnx.export(
        module,
        request.inputs,
        dynamo=True,
        verbose=False,
        opset_version=request.opset,
        input_names=request.input_names,
        output_names=request.output_names,
        dynamic_shapes=tuple({0: batch} for _ in request.inputs) if request.dynamic_batch else None,
        optimize=not request.keep_batchnorm,
    )
    if program is None:
        raise GraphError("the dynamo exporter returned nothing", where=type(module).__name__)
    model: onnx.ModelProto = program.model_proto
    return _fold_constants(model) if request.keep_batchnorm else model


def _fold_constants(model: onnx.ModelProto) -> onnx.ModelProto:
    """What dynamo's optimizer does, without its rewrite rules, of which one folds batch norms."""
    import onnx_ir
    from onnx_ir.passes import common
    from onnxscript import optimizer

    # The optimizer's own limits leave the gate reordering of LSTM weights in the graph, as slices of parameters.
    no_limit = 2**31
    folded = onnx_ir.from_proto(model)
    optimizer.fold_constants(folded, input_size_limit=no_limit, output_size_limit=no_limit)
    common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(folded)
    common.IdentityEliminationPass()(folded)
    common.RemoveUnusedNodesPass()(folded)
    return onnx_ir.to_proto(folded)


def by_torchscript(module: nn.Module, request: ExportRequest) -> onnx.ModelProto:
    """Export by tracing; raises RuntimeError as PyTorch raises it."""
    import torch

    # Only PRESERVE leaves batch norms of a module in evaluation mode as nodes, with training_mode = 0.
    mode: dict[str, Any] = {"training": torch.onnx.TrainingMode.PRESERVE} if request.keep_batchnorm else {}
    file = io.BytesIO()
    with _native_stdout_off():
        torch.onnx.export(
            module,
            request.inputs,
            file,  # type: ignore[arg-type]  # annotated as a path only, but files are what it is written for
            dynamo=False,
            opset_version=request.opset,
            input_names=request.input_names,
            output_names=request.output_names,
            dynamic_axes={name: {0: BATCH_AXIS} for name in request.input_names} if request.dynamic_batch else None,
            **mode,
        )
    return onnx.load_from_string(file.getvalue())


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
