"""The value of a Constant node, whichever of its eight attributes holds it."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_graphsurgeon as gs

from compressor.errors import GraphError

_TYPES: dict[str, Any] = {
    "value_float": np.float32,
    "value_floats": np.float32,
    "value_int": np.int64,
    "value_ints": np.int64,
    "value_string": object,
    "value_strings": object,
}


def constant_values(node: Any) -> Any:
    """What the gs.Constant in place of a Constant node holds: lazy values, or an array for the short forms.

    Raises:
        GraphError: the value is sparse or missing.
    """
    where = f"Constant node {node.name!r} (output {node.outputs[0].name!r})"
    if len(node.attrs) != 1:
        fix = "Export the model again."
        raise GraphError(f"has attributes {sorted(node.attrs)} where exactly one is needed", where=where, fix=fix)
    ((name, value),) = node.attrs.items()
    if name == "value" and isinstance(value, gs.Constant):
        return value._values
    if name in _TYPES:
        array = np.array(value, dtype=_TYPES[name])
        array.flags.writeable = False
        return array
    what = "is a sparse tensor, which is not supported" if name == "sparse_value" else f"has attribute {name!r}"
    raise GraphError(what, where=where, fix="Export the model with dense constants.")
