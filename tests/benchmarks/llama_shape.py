"""Writes a Llama-shaped ONNX file of any size: float16, grouped-query attention, rotary, external data.

    python -m tests.benchmarks.llama_shape build/llama8.onnx --layers 8 --hidden 256

The graph is what an exporter writes (decomposed RMSNorm, rotary by halves, repeated key/value heads,
SwiGLU), with symbolic batch and sequence; weights are random and stream to ``NAME.onnx.data``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import onnx
from onnx import TensorProto, helper

_ROWS = 1 << 22  # elements drawn at a time


@dataclass(frozen=True)
class LlamaShape:
    """Sizes; the defaults give about 7 billion parameters."""

    layers: int = 32
    hidden: int = 4096
    heads: int = 32
    kv_heads: int = 8
    intermediate: int = 14336
    vocabulary: int = 32000


class _Writer:
    def __init__(self, shape: LlamaShape, data: BinaryIO, data_name: str, seed: int) -> None:
        self.shape = shape
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self._data = data
        self._data_name = data_name
        # One block of noise, reused at random offsets: drawing 7 billion normals would take longer than all else.
        self._noise = np.random.default_rng(seed).standard_normal(_ROWS).astype(np.float16)
        self._rng = np.random.default_rng(seed + 1)

    def op(self, op: str, inputs: Sequence[str], **attributes: Any) -> str:
        name = f"{op.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name, **attributes))
        return name

    def weight(self, name: str, *dims: int, scale: float | None = None) -> str:
        """A random float16 weight in the data file."""
        offset, count = self._data.tell(), int(np.prod(dims))
        factor = np.float16(scale if scale is not None else dims[0] ** -0.5)
        for start in range(0, count, _ROWS):
            size = min(_ROWS, count - start)
            block = np.roll(self._noise, int(self._rng.integers(_ROWS)))[:size]
            self._data.write((block * factor + np.float16(1.0 if len(dims) == 1 else 0.0)).tobytes())
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT16, dims=dims, data_location=TensorProto.EXTERNAL)
        for key, value in (("location", self._data_name), ("offset", offset), ("length", self._data.tell() - offset)):
            tensor.external_data.add(key=key, value=str(value))
        self.initializers.append(tensor)
        return name

    def constant(self, name: str, values: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> str:
        if not any(tensor.name == name for tensor in self.initializers[:64]):
            self.initializers.insert(0, onnx.numpy_helper.from_array(values, name))
        return name

    def ints(self, *values: int) -> str:
        return self.constant("i_" + "_".join(map(str, values)).replace("-", "m"), np.array(values, np.int64))

    def half(self, name: str, value: float) -> str:
        return self.constant(name, np.array(value, np.float16))


def write_llama(path: Path, shape: LlamaShape, seed: int = 0) -> int:
    """Write the model; returns its number of parameters."""
    with path.with_name(path.name + ".data").open("wb") as data:
        writer = _Writer(shape, data, path.name + ".data", seed)
        logits = _network(writer)
    tokens = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "sequence"])
    out = helper.make_tensor_value_info("logits", TensorProto.FLOAT16, ["batch", "sequence", shape.vocabulary])
    writer.nodes.append(helper.make_node("Identity", [logits], ["logits"], "logits"))
    graph = helper.make_graph(writer.nodes, "llama", [tokens], [out], writer.initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return sum(int(np.prod(t.dims)) for t in writer.initializers if t.data_type == TensorProto.FLOAT16)


def _network(w: _Writer) -> str:
    s = w.shape
    x = w.op("Gather", [w.weight("embed.weight", s.vocabulary, s.hidden, scale=1.0), "input_ids"])
    sizes = w.op("Shape", ["input_ids"])
    batch, length = (w.op("Slice", [sizes, w.ints(i), w.ints(i + 1)]) for i in (0, 1))
    cos, sin = _angles(w, length)
    for layer in range(s.layers):
        name = f"layers.{layer}"
        normed = _rms(w, x, f"{name}.input_norm.weight")
        x = w.op("Add", [x, _attention(w, normed, name, batch, length, cos, sin)])
        normed = _rms(w, x, f"{name}.post_norm.weight")
        x = w.op("Add", [x, _feed_forward(w, normed, name)])
    return w.op("MatMul", [_rms(w, x, "norm.weight"), w.weight("lm_head.weight", s.hidden, s.vocabulary)])


def _rms(w: _Writer, x: str, name: str) -> str:
    # In float32, as exporters do: squares overflow float16.
    wide = w.op("Cast", [x], to=TensorProto.FLOAT)
    square = w.op("Mul", [wide, wide])
    mean = w.op("ReduceMean", [square, w.ints(-1)], keepdims=1)
    root = w.op("Sqrt", [w.op("Add", [mean, w.constant("eps", np.array(1e-5, np.float32))])])
    return w.op("Mul", [w.op("Cast", [w.op("Div", [wide, root])], to=TensorProto.FLOAT16),
                        w.weight(name, w.shape.hidden, scale=0.1)])  # fmt: skip


def _angles(w: _Writer, length: str) -> tuple[str, str]:
    width = w.shape.hidden // w.shape.heads
    inverse = (10000.0 ** (-np.arange(0, width, 2) / width)).astype(np.float32)
    end = w.op("Squeeze", [length, w.ints(0)])
    positions = w.op(
        "Range", [w.constant("zero", np.array(0, np.int64)), end, w.constant("one", np.array(1, np.int64))]
    )
    column = w.op("Unsqueeze", [w.op("Cast", [positions], to=TensorProto.FLOAT), w.ints(1)])
    angles = w.op("Mul", [column, w.constant("inv_freq", inverse)])
    both = w.op("Concat", [angles, angles], axis=-1)
    cos, sin = (w.op("Cast", [w.op(op, [both])], to=TensorProto.FLOAT16) for op in ("Cos", "Sin"))
    return cos, sin


def _attention(w: _Writer, x: str, name: str, batch: str, length: str, cos: str, sin: str) -> str:
    s = w.shape
    width, repeat = s.hidden // s.heads, s.heads // s.kv_heads

    def project(kind: str, heads: int) -> str:
        flat = w.op("MatMul", [x, w.weight(f"{name}.{kind}.weight", s.hidden, heads * width)])
        shape = w.op("Concat", [batch, length, w.ints(heads), w.ints(width)], axis=0)
        return w.op("Transpose", [w.op("Reshape", [flat, shape])], perm=[0, 2, 1, 3])

    def rotate(heads: str) -> str:
        low = w.op("Slice", [heads, w.ints(0), w.ints(width // 2), w.ints(3)])
        high = w.op("Slice", [heads, w.ints(width // 2), w.ints(width), w.ints(3)])
        turned = w.op("Concat", [w.op("Neg", [high]), low], axis=-1)
        return w.op("Add", [w.op("Mul", [heads, cos]), w.op("Mul", [turned, sin])])

    def repeated(heads: str) -> str:
        shape = w.op("Concat", [batch, w.ints(s.kv_heads), w.ints(repeat), length, w.ints(width)], axis=0)
        spread = w.op("Expand", [w.op("Unsqueeze", [heads, w.ints(2)]), shape])
        return w.op("Reshape", [spread, w.op("Concat", [batch, w.ints(s.heads), length, w.ints(width)], axis=0)])

    query = rotate(project("q_proj", s.heads))
    key, value = repeated(rotate(project("k_proj", s.kv_heads))), repeated(project("v_proj", s.kv_heads))
    scores = w.op("MatMul", [query, w.op("Transpose", [key], perm=[0, 1, 3, 2])])
    weights = w.op("Softmax", [w.op("Mul", [scores, w.half("scale", width**-0.5)])], axis=-1)
    merged = w.op("Transpose", [w.op("MatMul", [weights, value])], perm=[0, 2, 1, 3])
    flat = w.op("Reshape", [merged, w.op("Concat", [batch, length, w.ints(s.hidden)], axis=0)])
    return w.op("MatMul", [flat, w.weight(f"{name}.o_proj.weight", s.hidden, s.hidden)])


def _feed_forward(w: _Writer, x: str, name: str) -> str:
    s = w.shape
    gate = w.op("MatMul", [x, w.weight(f"{name}.gate_proj.weight", s.hidden, s.intermediate)])
    up = w.op("MatMul", [x, w.weight(f"{name}.up_proj.weight", s.hidden, s.intermediate)])
    active = w.op("Mul", [w.op("Mul", [gate, w.op("Sigmoid", [gate])]), up])
    return w.op("MatMul", [active, w.weight(f"{name}.down_proj.weight", s.intermediate, s.hidden)])


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    for field, value in vars(LlamaShape()).items():
        parser.add_argument(f"--{field.replace('_', '-')}", type=int, default=value)
    options = vars(parser.parse_args())
    path = options.pop("path")
    print(f"{path}: {write_llama(path, LlamaShape(**options)):,} parameters")


if __name__ == "__main__":
    main()
