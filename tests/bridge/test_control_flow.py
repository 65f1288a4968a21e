"""Branches, loops and scans: equal to ONNX Runtime, with trainable weights inside and outside the bodies."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch

from compressor.bridge import OnnxModule, from_onnx, to_onnx
from compressor.bridge.lowering import LoweringError
from compressor.bridge.ops.control_flow import branch

_HEAD = '<ir_version: 10, opset_import: ["" : 18]>\n'
_IF = """
g (float[n, 2] x, bool which) => (float[n, 2] y)
<float[2, 2] outer_weight = {1, 2, 3, 4}>
{
   h = MatMul(x, outer_weight)
   y = If (which) <
      then_branch = yes () => (float[n, 2] a) <float[2, 2] then_weight = {2, 0, 1, 2}> { a = MatMul(h, then_weight) },
      else_branch = no () => (float[n, 2] b) { b = MatMul(h, outer_weight) }
   >
}
"""
_LOOP = """
g (float[2] x, int64 count) => (float[2] last, float[m, 2] all)
<bool yes = {1}, float[2] layer_scale = {0.5, 1.5}>
{
   last, all = Loop (count, yes, x) <
      body = step (int64 i, bool go, float[2] state) => (bool next, float[2] new, float[2] each)
      {
         number = Cast <to = 1> (i)
         scaled = Mul(state, layer_scale)
         new = Add(scaled, number)
         each = Mul(new, new)
         total = ReduceSum <keepdims = 0> (each)
         limit = Constant <value_float = 100.0> ()
         next = Less(total, limit)
      }
   >
}
"""
_SCAN = """
g (float[2] start, float[t, 2] x) => (float[2] end, float[2, t] y)
<float[2, 2] cell_weight = {0.5, 0.25, -0.5, 1}>
{
   end, y = Scan (start, x) <
      num_scan_inputs = 1, scan_input_directions = [1], scan_output_directions = [1], scan_output_axes = [1],
      body = step (float[2] h, float[2] part) => (float[2] new, float[2] out)
      {
         moved = MatMul(h, cell_weight)
         both = Add(moved, part)
         new = Tanh(both)
         out = Identity(new)
      }
   >
}
"""


def _check(text: str, *inputs: Any) -> OnnxModule:
    """The module, after comparing it with the runtime and pulling gradients through every parameter."""
    model = onnx.parser.parse_model(_HEAD + text)
    module = from_onnx(model)
    session = ort.InferenceSession(model.SerializeToString())
    feeds = {tensor.name: np.asarray(v) for tensor, v in zip(model.graph.input, inputs, strict=True)}
    found = module(*(torch.from_numpy(np.asarray(v)) for v in inputs))
    found = found if isinstance(found, tuple) else (found,)
    for value, wanted in zip(found, session.run(None, feeds), strict=True):
        np.testing.assert_allclose(value.detach().numpy(), wanted, rtol=1e-5, atol=1e-6)
    torch.stack([value.square().sum() for value in found]).sum().backward()
    return module


def _floats(*values: Any) -> np.ndarray[Any, Any]:
    return np.array(values, dtype=np.float32)


@pytest.mark.parametrize("which", [True, False])
def test_branch_at_run_time(which: bool) -> None:
    module = _check(_IF, _floats([1, 2], [3, 4]), np.array(which))
    assert set(dict(module.named_parameters())) == {"outer_weight", "then_weight"}
    grads = {name: p.grad is not None for name, p in module.named_parameters()}
    assert grads == {"outer_weight": True, "then_weight": which}


def test_weights_of_branches_are_written_back() -> None:
    model = onnx.parser.parse_model(_HEAD + _IF)
    module = from_onnx(model)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(2)
    tuned = to_onnx(module, model)
    x = _floats([1, 2])
    (found,) = ort.InferenceSession(tuned.SerializeToString()).run(None, {"x": x, "which": np.array(True)})
    (before,) = ort.InferenceSession(model.SerializeToString()).run(None, {"x": x, "which": np.array(True)})
    np.testing.assert_allclose(found, 4 * before)


def test_a_condition_on_sizes_is_a_python_branch() -> None:
    """No tensor decides, so that torch.compile follows it."""
    text = """
    g (float[n, 2] x) => (float[n, 2] y)
    <int64 zero = {0}, int64 two = {2}>
    {
       shape = Shape(x)
       count = Gather(shape, zero)
       many = Greater(count, two)
       y = If (many) <
          then_branch = yes () => (float[n, 2] a) { a = Exp(x) },
          else_branch = no () => (float[n, 2] b) { b = Neg(x) }
       >
    }
    """
    module = from_onnx(onnx.parser.parse_model(_HEAD + text))
    assert torch.gt not in {node.target for node in module.graph.nodes}
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    for count in (2, 3):
        x = torch.randn(count, 2)
        torch.testing.assert_close(compiled(x), x.exp() if count > 2 else -x)


def test_a_known_condition_leaves_no_branch() -> None:
    known = _IF.replace(", bool which", "").replace("<float[2, 2] outer", "<bool which = {1}, float[2, 2] outer")
    module = _check(known, _floats([1, 2]))
    assert branch not in {node.target for node in module.graph.nodes}
    assert set(dict(module.named_parameters())) == {"outer_weight", "then_weight"}


@pytest.mark.parametrize("count", [1, 3, 50])
def test_loop_by_count_and_by_condition(count: int) -> None:
    module = _check(_LOOP, _floats(1, 2), np.array(count))
    (scale,) = module.parameters()
    assert scale.grad is not None
    assert scale.grad.abs().min() > 0


def test_loop_that_never_runs() -> None:
    last, rows = from_onnx(onnx.parser.parse_model(_HEAD + _LOOP))(torch.ones(2), torch.tensor(0))
    assert last.tolist() == [1, 1]
    assert rows.shape == (0, 2)


def test_scan_backwards() -> None:
    module = _check(_SCAN, _floats(0.5, -0.5), _floats([1, 2], [3, 4], [-1, 0.5]))
    assert [name for name, p in module.named_parameters() if p.grad is not None] == ["cell_weight"]


def test_a_branch_inside_a_loop() -> None:
    text = """
    g (float[2] x, int64 count, bool which) => (float[2] last)
    <bool yes = {1}, float[2] layer_scale = {0.5, 1.5}, float[2] layer_shift = {2, 3}>
    {
       last = Loop (count, yes, x) <
          body = step (int64 i, bool go, float[2] state) => (bool next, float[2] new)
          {
             next = Identity(go)
             new = If (which) <
                then_branch = yes () => (float[2] a) { a = Mul(state, layer_scale) },
                else_branch = no () => (float[2] b) { b = Add(state, layer_shift) }
             >
          }
       >
    }
    """
    for which in (True, False):
        module = _check(text, _floats(1, 2), np.array(3), np.array(which))
        grads = {name: p.grad is not None for name, p in module.named_parameters()}
        assert grads == {"layer_scale": which, "layer_shift": not which}
    assert module.train().training
    assert all(part.training for part in module.modules())


def test_one_name_for_two_weights_is_refused() -> None:
    """Bodies side by side may share names, but parameters go by name."""
    ambiguous = _IF.replace("MatMul(h, outer_weight)", "MatMul(h, then_weight)").replace(
        "no () => (float[n, 2] b)", "no () => (float[n, 2] b) <float[2, 2] then_weight = {9, 9, 9, 9}>"
    )
    with pytest.raises(LoweringError, match="two initializers are called 'then_weight'"):
        from_onnx(onnx.parser.parse_model(_HEAD + ambiguous))
