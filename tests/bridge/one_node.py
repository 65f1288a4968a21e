"""Models of one node, for tests of lowerings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper

from compressor.bridge import OnnxModule, from_onnx

Array = np.ndarray[Any, Any]


def one_node(
    op: str, inputs: Sequence[Array | None], attributes: dict[str, Any] | None = None, *, constants: Sequence[int] = (),
    outputs: int = 1, opset: int = 21, domain: str = "", types: Sequence[int] = (),
) -> onnx.ModelProto:  # fmt: skip
    """A model of one node; inputs listed in ``constants`` are its initializers, None is an input left out.

    Outputs are of the first input's type, unless ``types`` lists them.
    """
    names = ["" if value is None else f"input.{i}" for i, value in enumerate(inputs)]
    results = [f"output.{i}" for i in range(outputs)]
    node = helper.make_node(op, names, results, name="node", domain=domain, **(attributes or {}))
    given, fixed = [], []
    for i, value in enumerate(inputs):
        if value is None:
            continue
        if i in constants:
            fixed.append(numpy_helper.from_array(value, names[i]))
        else:
            kind = helper.np_dtype_to_tensor_dtype(value.dtype)
            given.append(helper.make_tensor_value_info(names[i], kind, value.shape))
    first = next(helper.np_dtype_to_tensor_dtype(value.dtype) for value in inputs if value is not None)
    kinds = list(types) or [first] * outputs
    found = [helper.make_tensor_value_info(name, kind, None) for name, kind in zip(results, kinds, strict=True)]
    graph = helper.make_graph([node], "one", given, found, fixed)
    imports = [helper.make_opsetid("", opset)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    return helper.make_model(graph, opset_imports=imports, ir_version=10)


def module_of(
    op: str, inputs: Sequence[Array | None], attributes: dict[str, Any] | None = None, **how: Any
) -> OnnxModule:
    """The bridge's module of such a model."""
    return from_onnx(one_node(op, inputs, attributes, **how))


def arguments(inputs: Sequence[Array | None], constants: Sequence[int] = ()) -> list[torch.Tensor]:
    """The inputs that the module takes."""
    return [torch.from_numpy(v.copy()) for i, v in enumerate(inputs) if v is not None and i not in constants]


def compare_with_runtime(
    op: str, inputs: Sequence[Array | None], attributes: dict[str, Any] | None = None, *, atol: float = 1e-5, **how: Any
) -> None:
    """The module must give what ONNX Runtime gives for the same model."""
    import onnxruntime as ort

    model = one_node(op, inputs, attributes, **how)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    fixed = how.get("constants", ())
    feeds = {f"input.{i}": v for i, v in enumerate(inputs) if v is not None and i not in fixed}
    expected = session.run(None, feeds)
    with torch.no_grad():
        found = from_onnx(model)(*arguments(inputs, fixed))
    for value, wanted in zip(found if isinstance(found, tuple) else (found,), expected, strict=True):
        assert value.numpy().dtype == wanted.dtype
        np.testing.assert_allclose(value.numpy(), wanted, rtol=1e-4, atol=atol)
