"""Random inputs for any model, integers included.

Integers need care: a token id beyond the vocabulary makes an embedding look-up fail. ``index_bounds`` reads
the bounds off the graph where an input is used as an index into a table.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from compressor.backends.base import Array, InputSpec
from compressor.errors import UsageError

if TYPE_CHECKING:
    import onnx

# Ops that hand integer values on unchanged, or at least no larger.
_CARRIERS = {
    "Cast", "Identity", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Transpose", "Expand", "Tile", "Slice", "Split",
    "Gather", "Concat",
}  # fmt: skip
_MOST_ELEMENTS = 1 << 30
_DEFAULT_EXCLUSIVE_MAX = 2  # 0 and 1 are valid as mask, flag, and as an index into nearly any table


def random_feeds(
    specs: Sequence[InputSpec],
    *,
    seed: int,
    dims: Mapping[str, int] | None = None,
    batch: int | None = None,
    bounds: Mapping[str, int] | None = None,
) -> dict[str, Array]:
    """Inputs by name.

    Floats are standard normal, booleans fair coins. Integers are uniform in [0, bounds[name]); without a bound
    in [0, 256) for uint8, the type of pictures, and in [0, 2) for the rest. An input with "mask" in its name is
    in [0, 2) unless it has a bound.

    Args:
        specs: the inputs, as ``Session.inputs``.
        seed: same seed, same specs and same sizes give the same arrays.
        dims: size of a dynamic dimension, by its symbol or as "input:axis". Equal symbols get equal sizes.
        batch: size of a dynamic dimension that ``dims`` lacks and that comes first in some input; the others are 1.
        bounds: exclusive upper bound of integer inputs, by input name.

    Raises:
        UsageError: a size below 1, or a name in ``dims`` or ``bounds`` that no input has.
    """
    sizes = symbol_sizes(specs, dims or {}, batch)
    bounds = bounds or {}
    unknown = sorted(bounds.keys() - {spec.name for spec in specs})
    if unknown:
        raise UsageError(f"bounds name no input: {unknown}", fix=f"Inputs: {[spec.name for spec in specs]}.")
    rng = np.random.default_rng(seed)
    return {
        spec.name: _random_array(
            rng, spec, tuple(sizes[_key(spec, axis)] for axis in range(len(spec.shape))), bounds.get(spec.name)
        )
        for spec in specs
    }


def _key(spec: InputSpec, axis: int) -> str:
    """The symbol of a named dimension, else "input:axis"."""
    dim = spec.shape[axis]
    return dim if isinstance(dim, str) else f"{spec.name}:{axis}"


def symbol_sizes(specs: Sequence[InputSpec], dims: Mapping[str, int], batch: int | None) -> dict[str, int]:
    """A size for every dimension of the inputs, by its symbol, else by "input:axis"; arguments as ``random_feeds``."""
    bad = {name: size for name, size in {**dims, "batch": 1 if batch is None else batch}.items() if size < 1}
    if bad:
        raise UsageError(f"dimensions must be at least 1: {bad}")
    sizes: dict[str, int] = {}
    used: set[str] = set()
    dynamic: list[str] = []
    # First axes first, so that a symbol that leads any input counts as a batch dimension everywhere.
    for spec, axis in sorted(((s, a) for s in specs for a in range(len(s.shape))), key=lambda pair: pair[1] > 0):
        key, here, dim = _key(spec, axis), f"{spec.name}:{axis}", spec.shape[axis]
        if isinstance(dim, int):
            sizes[key] = dim
            continue
        dynamic.append(key)
        given = next((name for name in (here, key) if name in dims), None)
        if given is not None:
            used.add(given)
            sizes[key] = dims[given]
        elif key not in sizes:
            sizes[key] = batch if axis == 0 and batch is not None else 1
    unused = sorted(dims.keys() - used)
    if unused:
        raise UsageError(
            f"no input has a dynamic dimension {unused}", fix=f"Dynamic dimensions: {sorted(set(dynamic))}."
        )
    return sizes


def _random_array(rng: np.random.Generator, spec: InputSpec, shape: tuple[int, ...], bound: int | None) -> Array:
    dtype: np.dtype[Any] = spec.dtype
    if math.prod(shape) > _MOST_ELEMENTS:
        raise UsageError(
            f"a random input of shape {shape} does not fit in memory", where=spec.name, fix="Check the input's shape."
        )
    if dtype == np.bool_:
        return rng.integers(0, 2, shape).astype(np.bool_)
    if np.issubdtype(dtype, np.integer):
        if bound is not None and bound < 1:
            raise UsageError(f"the bound of an integer input must be at least 1, not {bound}", where=spec.name)
        picture = dtype == np.uint8 and "mask" not in spec.name.lower()
        high = bound or (256 if picture else _DEFAULT_EXCLUSIVE_MAX)
        return rng.integers(0, high, shape).astype(dtype)
    if np.issubdtype(dtype, np.complexfloating):
        return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(dtype)
    return np.asarray(rng.standard_normal(shape)).astype(dtype)  # float64, float32, float16, bfloat16, float8


def index_bounds(model: onnx.ModelProto) -> dict[str, int]:
    """Exclusive upper bounds of the integer inputs that end as indices into a table stored in the model.

    Follows ops that only move values; the smallest table an input reaches decides. Weights need not be loaded.
    """
    import onnx

    graph = model.graph
    tables = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    integers = {onnx.TensorProto.INT64, onnx.TensorProto.INT32}
    origins: dict[str, set[str]] = {
        value.name: {value.name}
        for value in graph.input
        if value.name not in tables and value.type.tensor_type.elem_type in integers
    }
    bounds: dict[str, int] = {}
    for node in graph.node:
        if node.op_type == "Gather" and node.input[0] in tables:
            axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 0)
            for name in origins.get(node.input[1], ()):
                size = tables[node.input[0]][axis]
                bounds[name] = min(bounds.get(name, size), size)
        elif node.op_type in _CARRIERS:
            carried = set().union(*(origins.get(name, set()) for name in node.input))
            origins.update((name, carried) for name in node.output if carried)
    return bounds
