"""``export``: PyTorch module -> ONNX files that compute what the module computes, or no file at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from compressor import model_io
from compressor.checkpoint_file import load_checkpoint
from compressor.errors import UsageError
from compressor.export_check import References, compare, references
from compressor.extras import require_torch
from compressor.models.export import (
    DEFAULT_OPSET,
    Dynamic,
    Exporter,
    Form,
    Inputs,
    Trace,
    dynamic_axes,
    named_inputs,
    trace,
)

if TYPE_CHECKING:
    import onnx
    import onnx_graphsurgeon as gs
    from torch import nn

Forms = Literal["both", "training", "deploy"]
Progress = Callable[[str, int, int], None]

_INSIDE_BYTES = 1_900_000_000  # a protobuf message holds 2 GiB
_FORMS: dict[str, tuple[Form, ...]] = {"both": ("training", "deploy"), "training": ("training",), "deploy": ("deploy",)}


@dataclass(frozen=True)
class ExportedForm:
    """One of the forms.

    Attributes:
        form: "training" or "deploy".
        path: its file, None where none was asked for.
        model: weights inside; None where it was written to a file.
        max_error: largest |ONNX - module| relative to the largest |module| of its output, over all inputs tried.
        tolerance: what that was held against.
        nodes, size_bytes: of the graph, and of its weights.
    """

    form: Form
    path: str | None
    model: onnx.ModelProto | None
    max_error: float
    tolerance: float
    nodes: int
    size_bytes: int


@dataclass(frozen=True)
class Export:
    """What ``export`` made.

    Attributes:
        forms: in the order training, deploy.
        exporter, opset: what wrote them.
        parameters: elements of the module's parameters, tied ones counted once.
        dynamic: axis -> symbol, by input.
        sizes: of the dynamic axes in each comparison with the module; one empty dict where all axes are fixed.
        notes: what the user should know: unread parameters, dropouts that ONNX cannot hold, sizes not compared.
    """

    forms: list[ExportedForm]
    exporter: Exporter
    opset: int
    parameters: int
    dynamic: dict[str, dict[int, str]]
    sizes: list[dict[str, int]]
    notes: list[str]

    def form(self, name: Form) -> ExportedForm:
        """The form called ``name``; UsageError where it was not asked for."""
        for one in self.forms:
            if one.form == name:
                return one
        raise UsageError(f"the {name} form was not exported", fix='Export with form="both".')

    @property
    def max_error(self) -> float:
        """The largest of its forms'."""
        return max(one.max_error for one in self.forms)

    def to_json(self) -> dict[str, Any]:
        """The fields, less the models, as JSON-ready values."""
        fields = {key: value for key, value in vars(self).items() if key != "forms"}
        forms = [{k: v for k, v in vars(one).items() if k != "model"} for one in self.forms]
        return {"kind": "export", "version": 1, "forms": forms, **fields, "max_error": self.max_error}


def export(
    module: nn.Module,
    example_inputs: Inputs,
    path: str | os.PathLike[str] | None = None,
    *,
    form: Forms = "both",
    dynamic: Dynamic = None,
    exporter: Exporter = "dynamo",
    opset: int = DEFAULT_OPSET,
    checkpoint: str | os.PathLike[str] | None = None,
    output_names: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Export:
    """Write ``module`` as ONNX, in evaluation mode, compared with it in ONNX Runtime first.

    The *training form* is the graph as traced: each parameter under its name in the state dict with its own shape,
    batch norms as BatchNormalization, dropouts as Dropout with their ratio and ``training_mode`` false; its metadata
    "compressor.constants" lists the floating-point initializers that are no parameters. The *deploy form* is the same
    graph folded: no dropout, batch norms inside the layer before where that is exact, weights in the layout that
    they are used in, under the same names. Tied parameters are one initializer, under the first of their names.
    Recurrent layers pack several parameters into each weight of the deploy form; it is called like the first.

    Args:
        module: its parameters and training flags are left as they are, unless ``checkpoint`` replaces the former.
        example_inputs: the arguments of ``forward``: a sequence, or a mapping by name.
        path: where to write. With ``form="both"`` the deploy form goes there and the training form beside
            it (``model.onnx`` and ``model.train.onnx``); else the one asked for. None writes nothing.
        form: "both", "training" or "deploy".
        dynamic: a name for axis 0 of every input ("batch"), or axis -> name by input; equal names, equal sizes.
        exporter: "dynamo" or "torchscript"; both write both forms.
        opset: of ai.onnx; dynamo writes 18 and later.
        checkpoint: a state dict to load first, of ``torch.save`` or safetensors; pickled code is refused.
        output_names: what to call the outputs; None leaves it to the exporter.
        progress: told (stage, done, total).

    Raises:
        UsageError: the inputs, axes or options do not fit the module.
        GraphError: the exporter cannot express the module; says why and which other exporter to try.
        VerificationError: the graph does not compute what the module computes. Nothing is written.
        ModelFileError: the checkpoint does not fit or a file cannot be written.
        EnvironmentProblem: PyTorch, onnxscript or safetensors is not installed.
    """
    require_torch("exporting")
    if form not in _FORMS:
        raise UsageError(f"unknown form {form!r}", fix=f"Known: {', '.join(_FORMS)}.")
    target = None if path is None else Path(path)
    say = progress or (lambda stage, done, total: None)
    if checkpoint is not None:
        load_checkpoint(module, checkpoint)
    inputs = named_inputs(module, example_inputs)
    axes = dynamic_axes(dynamic, inputs)
    positional = 0 if isinstance(example_inputs, Mapping) else len(inputs)
    say("module", 0, 1)
    against = references(module, inputs, positional, axes)
    say("module", 1, 1)
    with _scratch_folder(target) as folder:
        traced = trace(module, inputs, example_inputs, folder, exporter=exporter, dynamic=axes, opset=opset,
                       output_names=output_names)  # fmt: skip
        say("trace", 1, 1)
        graphs, checked = [], []
        for name in _FORMS[form]:
            if name == "deploy":
                traced.fold()
            graphs.append(_graph(traced, folder / f"{name}.onnx"))
            checked.append(compare(graphs[-1], against))
            say("compare", len(graphs), len(_FORMS[form]))
        paths = _paths(target, form)
        models = _write(graphs, paths)
        forms = [
            ExportedForm(name, None if at is None else str(at), model, *errors, len(graph.nodes), _size_bytes(graph))
            for name, at, model, errors, graph in zip(_FORMS[form], paths, models, checked, graphs, strict=True)
        ]
    parameters = sum(parameter.numel() for parameter in module.parameters())
    sizes = [case.sizes for case in against.cases]
    return Export(forms, exporter, opset, parameters, axes, sizes, _notes(traced, against))


@contextmanager
def _scratch_folder(target: Path | None) -> Iterator[Path]:
    """For what exceeds a message of 2 GiB; on the target's disk, which must have the room anyway."""
    beside = target.resolve().parent if target is not None and target.resolve().parent.is_dir() else None
    with tempfile.TemporaryDirectory(prefix=".compressor-export-", dir=beside) as folder:
        yield Path(folder)


def _graph(traced: Trace, path: Path) -> gs.Graph:
    """The trace as it is now; later changes of it do not show."""
    import onnx_ir

    size = sum(value.const_value.nbytes for value in traced.model.graph.initializers.values() if value.const_value)
    if size < _INSIDE_BYTES:
        return model_io.from_proto(onnx_ir.to_proto(traced.model), name=path.stem)
    onnx_ir.save(traced.model, path, external_data=model_io.data_path(path).name)
    return model_io.read(path)


def _paths(target: Path | None, form: Forms) -> list[Path | None]:
    if target is None or form != "both":
        return [target] * len(_FORMS[form])
    return [target.with_name(f"{target.stem}.train{target.suffix or '.onnx'}"), target]


def _write(graphs: Sequence[gs.Graph], paths: Sequence[Path | None]) -> list[onnx.ModelProto | None]:
    """Files appear together where both fit a message, else one after the other; without paths, the models."""
    if paths[0] is None:
        return [model_io.to_proto(graph) for graph in graphs]
    others: dict[Path, bytes] = {}
    for graph, path in zip(graphs[:-1], paths, strict=False):
        if path is not None and _size_bytes(graph) < _INSIDE_BYTES:
            others[path] = model_io.to_proto(graph).SerializeToString()
        elif path is not None:
            model_io.write(graph, path)
    if paths[-1] is not None:
        model_io.write(graphs[-1], paths[-1], others)
    return [None] * len(graphs)


def _size_bytes(graph: gs.Graph) -> int:
    return sum(t._values.nbytes for t in graph.tensors().values() if hasattr(t, "_values"))


def _notes(traced: Trace, against: References) -> list[str]:
    notes = [
        f"the module takes {symbol!r} of its example's size only: other sizes were not compared"
        for symbol in against.unchecked
    ]
    if traced.unused:
        some = ", ".join(traced.unused[:3]) + (" ..." if len(traced.unused) > 3 else "")
        notes.append(f"{len(traced.unused)} parameters are not in the graph, since forward never reads them: {some}")
    return notes + traced.notes
