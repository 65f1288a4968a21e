"""PyTorch module -> ONNX, by either of PyTorch's two exporters, quietly and as one file.

The dynamo exporter (``torch.export``) folds every batch norm into the convolution before it, whatever
the module's mode, and offers no switch; the TorchScript exporter is deprecated since PyTorch 2.9 but
its graphs are what most existing files look like. Hence both, and ``keep_batchnorm``.
"""

from __future__ import annotations

import contextlib
import inspect
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import onnx

from compressor.atomic import FileSet
from compressor.errors import GraphError, UsageError
from compressor.models.exporters import ExportRequest, by_dynamo, by_torchscript, quiet
from compressor.models.registry import require_torch

if TYPE_CHECKING:
    from torch import Tensor, nn

Exporter = Literal["dynamo", "torchscript"]

DEFAULT_OPSET = 20
"""What both exporters write natively; dynamo needs 18 at least, TorchScript knows none above 23."""

_STACK_TRACE = "pkg.torch.onnx.stack_trace"


def export(
    module: nn.Module,
    example_inputs: Sequence[Tensor],
    path: str | os.PathLike[str] | None = None,
    *,
    exporter: Exporter = "dynamo",
    dynamic_batch: bool = False,
    opset: int = DEFAULT_OPSET,
    keep_batchnorm: bool = False,
    output_names: Sequence[str] | None = None,
) -> onnx.ModelProto:
    """The inference form of ``module`` as an ONNX model, weights inside.

    Args:
        module: exported in evaluation mode; its training flags are left as they were.
        example_inputs: the arguments of ``forward``, in order. Inputs are named as ``forward`` names them.
        path: where to write the model, whole or not at all; None writes nothing.
        exporter: "dynamo" (torch.export) or "torchscript" (tracing).
        dynamic_batch: axis 0 of every input has any size, under the name "batch".
        opset: the ONNX operator set wanted.
        keep_batchnorm: BatchNormalization nodes stay, instead of being folded into the layer before.
        output_names: what to call the outputs, in order; None leaves it to the exporter.

    Raises:
        EnvironmentProblem: PyTorch, or onnxscript for dynamo, is not installed.
        UsageError: the exporter is unknown or cannot write that opset.
        GraphError: the module has something the exporter cannot express, or ``forward`` fails.
        ModelFileError: the file cannot be written.
    """
    require_torch()
    if exporter not in ("dynamo", "torchscript"):
        raise UsageError(f"unknown exporter {exporter!r}", fix="Known: dynamo, torchscript.")
    inputs = _pairs(example_inputs) if dynamic_batch else example_inputs
    names = _input_names(module, len(inputs))
    request = ExportRequest(tuple(inputs), names, output_names, dynamic_batch, opset, keep_batchnorm)
    translate = by_dynamo if exporter == "dynamo" else by_torchscript
    with _evaluation_mode(module), quiet(), _one_line_errors(exporter):
        model = translate(module, request)
    _check_opset(model, opset, exporter)
    _drop_stack_traces(model)
    if path is not None:
        _write(model, Path(path))
    return model


def _pairs(inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The inputs, doubled where their batch is one: torch.export takes a size of one for a constant."""
    import torch

    return tuple(torch.cat([x, x]) if x.ndim and x.shape[0] == 1 else x for x in inputs)


def _input_names(module: nn.Module, count: int) -> list[str]:
    names = list(inspect.signature(module.forward).parameters)
    if count == 0 or count > len(names):
        raise UsageError(f"forward takes {len(names)} inputs, {count} examples were given", where=type(module).__name__)
    return names[:count]


@contextlib.contextmanager
def _evaluation_mode(module: nn.Module) -> Iterator[None]:
    training = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, was_training in training:
            part.training = was_training


@contextlib.contextmanager
def _one_line_errors(exporter: Exporter) -> Iterator[None]:
    other = "torchscript" if exporter == "dynamo" else "dynamo"
    try:
        yield
    except RuntimeError as error:  # the base of every exporter error, and what a failing forward raises
        cause = next(iter(str(error.__cause__ or error).strip().splitlines()), type(error).__name__)
        raise GraphError(f"{exporter} export failed: {cause}", fix=f"Try exporter={other!r}.") from error


def _check_opset(model: onnx.ModelProto, wanted: int, exporter: Exporter) -> None:
    """Dynamo only logs a warning where it cannot convert down to the opset asked for."""
    written = next(entry.version for entry in model.opset_import if entry.domain == "")
    if written != wanted:
        raise UsageError(f"{exporter} cannot write opset {wanted}: it wrote {written}", fix=f"Ask for {written}.")


def _drop_stack_traces(model: onnx.ModelProto) -> None:
    """Dynamo writes source lines with the absolute paths of this machine into every node."""
    for node in model.graph.node:
        kept = [entry for entry in node.metadata_props if entry.key != _STACK_TRACE]
        del node.metadata_props[:]
        node.metadata_props.extend(kept)


def _write(model: onnx.ModelProto, path: Path) -> None:
    with FileSet(path) as files:
        with files.create(path) as file:
            file.write(model.SerializeToString())
        files.commit()
