"""Any kind of model as a ModelProto, for the runtimes that do not read ONNX files the way ONNX Runtime does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from compressor.backends.base import InputSpec, ModelSource, model_path
from compressor.backends.ort_model import with_outputs
from compressor.errors import BackendError

if TYPE_CHECKING:
    import onnx


def load_structure(model: ModelSource) -> onnx.ModelProto:
    """``model`` without the weights that lie in other files; a ModelProto is handed back as it is.

    Raises:
        BackendError: it is no ONNX model.
        ModelFileError: a path to no file.
    """
    import onnx
    from google.protobuf.message import DecodeError

    if isinstance(model, onnx.ModelProto):
        return model
    where = None if isinstance(model, bytes) else str(model_path(model))
    try:
        if isinstance(model, bytes):
            loaded = onnx.load_from_string(model)
        else:
            loaded = onnx.load(str(model_path(model)), load_external_data=False)
    except DecodeError as error:
        raise BackendError("not an ONNX model", where=where, fix="Give a serialised ModelProto.") from error
    if not loaded.graph.output:
        raise BackendError("not an ONNX model: it has no outputs", where=where)
    return loaded


def load_whole(model: ModelSource, structure: onnx.ModelProto, extra_outputs: Sequence[str]) -> onnx.ModelProto:
    """``structure`` with all weights inside and ``extra_outputs`` added; neither argument is changed.

    Raises:
        BackendError: weights of a file cannot be read, or there is no tensor of a name in ``extra_outputs``.
    """
    import onnx

    whole = with_outputs(structure, extra_outputs)
    if isinstance(model, bytes | onnx.ModelProto):
        return whole
    path = model_path(model)
    if whole is structure:
        whole = onnx.ModelProto()
        whole.CopyFrom(structure)
    try:
        onnx.external_data_helper.load_external_data_for_model(whole, str(path.resolve().parent))
    except (OSError, ValueError, onnx.checker.ValidationError) as error:
        raise BackendError(f"weights beside the model cannot be read: {error}", where=str(path)) from error
    return whole


def input_specs(model: onnx.ModelProto) -> list[InputSpec]:
    """The inputs that must be fed: those that no initializer gives a value."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return [_input_spec(value) for value in model.graph.input if value.name not in weights]


def _input_spec(value: onnx.ValueInfoProto) -> InputSpec:
    import onnx

    tensor = value.type.tensor_type
    if not tensor.elem_type or not tensor.HasField("shape"):
        raise BackendError("not a tensor of known type and rank", where=value.name)
    if tensor.elem_type == onnx.TensorProto.STRING:
        raise BackendError("inputs and outputs of type tensor(string) are not supported", where=value.name)
    shape = tuple(dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None for dim in tensor.shape.dim)
    return InputSpec(value.name, np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)), shape)
