"""PyTorch module -> ONNX, by either of PyTorch's two exporters, quietly, in a form for training or deployment.

Both forms come from one trace. The training form has every parameter under its own name and shape, batch norms
and dropouts as nodes; the deploy form is the same graph folded. The dynamo exporter (``torch.export``) is
PyTorch's own default; the TorchScript exporter is deprecated since PyTorch 2.9 but takes some modules that the other
refuses, and its graphs are what most existing files look like.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from compressor.atomic import write_bytes
from compressor.errors import CompressorError, GraphError, UsageError
from compressor.extras import require_torch
from compressor.foreign_errors import ForeignErrors, reason
from compressor.models.exporters import ExportRequest, by_dynamo, by_torchscript, quiet, require_exporters

if TYPE_CHECKING:
    import onnx
    import onnx_ir
    from torch import Tensor, nn

Exporter = Literal["dynamo", "torchscript"]
Form = Literal["training", "deploy"]
Inputs: TypeAlias = "Sequence[Tensor] | Mapping[str, Tensor]"
Dynamic: TypeAlias = "str | Mapping[str, Mapping[int, str]] | None"

EXPORTERS = ("dynamo", "torchscript")
DEFAULT_OPSET = 20
"""What both exporters write natively; dynamo needs 18 at least, TorchScript knows none above 23."""


@dataclass(frozen=True)
class Trace:
    """What an exporter made of a module, in training form until ``fold``.

    Attributes:
        model: weights refer to the module's own tensors.
        names: of all parameters and buffers; tied ones lead to their first name.
        unused: parameters that ``forward`` never reads, so that the graph has none of them.
        notes: what the graph lacks, one sentence each.
    """

    model: onnx_ir.Model
    names: dict[str, str]
    unused: list[str]
    notes: list[str]

    def fold(self) -> None:
        """Turn ``model`` into its deploy form."""
        from compressor.models.deploy_form import make_deploy_form

        make_deploy_form(self.model, self.names)


def export(
    module: nn.Module,
    example_inputs: Inputs,
    path: str | os.PathLike[str] | None = None,
    *,
    form: Form = "deploy",
    exporter: Exporter = "dynamo",
    dynamic: Dynamic = None,
    opset: int = DEFAULT_OPSET,
    output_names: Sequence[str] | None = None,
) -> onnx.ModelProto:
    """``module`` as an ONNX model below 2 GiB, weights inside, unverified: ``compressor.export`` verifies.

    Args:
        module, example_inputs, exporter, dynamic, opset, output_names: as for ``trace``.
        path: where to write the model, whole or not at all; None writes nothing.
        form: "deploy" (folded) or "training".

    Raises:
        CompressorError: as ``trace`` does; ModelFileError if the file cannot be written.
    """
    inputs = named_inputs(module, example_inputs)
    axes = dynamic_axes(dynamic, inputs)
    with tempfile.TemporaryDirectory(prefix="compressor-") as folder:
        traced = trace(module, inputs, example_inputs, Path(folder), exporter=exporter, dynamic=axes, opset=opset,
                       output_names=output_names)  # fmt: skip
        if form == "deploy":
            traced.fold()
        model = _to_proto(traced.model)
    if path is not None:
        write_bytes(Path(path), model.SerializeToString())
    return model


def trace(
    module: nn.Module,
    inputs: Mapping[str, Tensor],
    example_inputs: Inputs,
    folder: Path,
    *,
    exporter: Exporter,
    dynamic: Mapping[str, Mapping[int, str]],
    opset: int,
    output_names: Sequence[str] | None,
) -> Trace:
    """Export ``module`` in evaluation mode; its training flags are left as they were.

    Args:
        inputs: of ``named_inputs``.
        example_inputs: what the user gave; those of a sequence are passed by position.
        folder: an empty folder that must outlive the trace.
        exporter: "dynamo" (torch.export) or "torchscript" (tracing). Both write both forms.
        dynamic: of ``dynamic_axes``.
        opset: the ONNX operator set wanted.
        output_names: what to call the outputs, in order; None leaves it to the exporter.

    Raises:
        EnvironmentProblem: PyTorch or onnxscript is not installed.
        UsageError: the exporter is unknown or cannot write that opset.
        GraphError: the module has something the exporter cannot express.
    """
    require_torch("exporting")
    require_exporters()
    if exporter not in EXPORTERS:
        raise UsageError(f"unknown exporter {exporter!r}", fix=f"Known: {', '.join(EXPORTERS)}.")
    from compressor.models.keep_dropout import KeepDropout, recurrent_notes
    from compressor.models.training_form import make_training_form, state_names

    grown = {name: _grown(value, dynamic.get(name, {})) for name, value in inputs.items()}
    positional = 0 if isinstance(example_inputs, Mapping) else len(inputs)
    request = ExportRequest(grown, positional, output_names, dynamic, opset, folder)
    translate = by_dynamo if exporter == "dynamo" else by_torchscript
    names = state_names(module)
    dropouts = KeepDropout()
    with evaluation_mode(module), quiet(), ForeignErrors(lambda error: _refused(exporter, error)), dropouts:
        model = translate(module, request)
    _check_opset(model, opset, exporter)
    parameters = dict.fromkeys(names[name] for name, _ in module.named_parameters(remove_duplicate=False))
    make_training_form(model, names, parameters)
    unused = [name for name in parameters if name not in model.graph.initializers]
    return Trace(model, names, unused, [*dropouts.notes, *recurrent_notes(module)])


def named_inputs(module: nn.Module, inputs: Inputs) -> dict[str, Tensor]:
    """The example inputs by the names of ``forward``'s parameters, in their order.

    Raises:
        UsageError: there are more than ``forward`` takes, one that it needs is missing or unknown, or one is no tensor.
    """
    require_torch("exporting")
    import torch

    where = type(module).__name__
    parameters = inspect.signature(module.forward).parameters
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    names = [name for name, parameter in parameters.items() if parameter.kind in kinds]
    required = [name for name in names if parameters[name].default is inspect.Parameter.empty]
    if isinstance(inputs, Mapping):
        unknown = [name for name in inputs if name not in names]
        named = {name: inputs[name] for name in names if name in inputs}
    else:
        unknown = list(map(str, range(len(names), len(inputs))))
        named = dict(zip(names, inputs, strict=False))
    missing = [name for name in required if name not in named]
    if unknown or missing or not named:
        given = list(inputs) if isinstance(inputs, Mapping) else len(inputs)
        said = f"forward takes {len(names)} inputs ({', '.join(names)}), given {given}"
        raise UsageError(said, where=where, fix=f"Give {', '.join(required or names)}.")
    for name, value in named.items():
        if not isinstance(value, torch.Tensor):
            raise UsageError(f"input {name!r} is a {type(value).__name__}, not a tensor", where=where)
    return named


def dynamic_axes(dynamic: Dynamic, inputs: Mapping[str, Tensor]) -> dict[str, dict[int, str]]:
    """Axis -> symbol for each input that has dynamic axes; a bare symbol means axis 0 of every input.

    Raises:
        UsageError: an input or axis does not exist, or a symbol is no identifier or stands for two sizes.
    """
    if dynamic is None:
        return {}
    if isinstance(dynamic, str):
        dynamic = {name: {0: dynamic} for name, value in inputs.items() if value.ndim}
    sizes: dict[str, tuple[int, str]] = {}
    for name, axes in dynamic.items():
        if name not in inputs:
            raise UsageError(f"dynamic axes of {name!r}, which is no input", fix=f"Inputs: {', '.join(inputs)}.")
        shape = tuple(inputs[name].shape)
        for axis, symbol in axes.items():
            if not 0 <= axis < len(shape):
                raise UsageError(f"input {name!r} has shape {list(shape)}, so no axis {axis}", fix="Axes count from 0.")
            if not symbol.isidentifier():
                raise UsageError(f"{symbol!r} cannot name a dynamic axis", fix="Give a name such as batch.")
            size, other = sizes.setdefault(symbol, (shape[axis], name))
            if size != shape[axis]:
                said = f"{symbol!r} is {size} in input {other!r} and {shape[axis]} in input {name!r}"
                raise UsageError(said, fix="Give them different names, or examples of one size.")
    return {name: dict(axes) for name, axes in dynamic.items() if axes}


@contextlib.contextmanager
def evaluation_mode(module: nn.Module) -> Iterator[None]:
    """``module.eval()``, after which every part's flag is as before."""
    training = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, was_training in training:
            part.training = was_training


def _grown(value: Tensor, axes: Mapping[int, str]) -> Tensor:
    """The input, doubled along dynamic axes of size one: torch.export takes a size of one for a constant."""
    import torch

    for axis in axes:
        value = torch.cat([value, value], axis) if value.shape[axis] == 1 else value
    return value


def _refused(exporter: Exporter, error: BaseException) -> CompressorError:
    other = "torchscript" if exporter == "dynamo" else "dynamo"
    return GraphError(f"{exporter} export failed: {reason(error)}", fix=f"Try the {other} exporter.")


def _check_opset(model: onnx_ir.Model, wanted: int, exporter: Exporter) -> None:
    """Dynamo only logs a warning where it cannot convert down to the opset asked for."""
    written = model.opset_imports[""]
    if written != wanted:
        raise UsageError(f"{exporter} cannot write opset {wanted}: it wrote {written}", fix=f"Ask for {written}.")


def _to_proto(model: onnx_ir.Model) -> onnx.ModelProto:
    import onnx_ir

    return onnx_ir.to_proto(model)
