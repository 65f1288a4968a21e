"""Small graphs in ONNX's text form, their analysis, random removals, and the proof that all tests share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnx.parser
import onnx_graphsurgeon as gs
from numpy.typing import NDArray
from onnx import numpy_helper

from compressor.backends.base import get_backend
from compressor.backends.inputs import index_bounds, random_feeds
from compressor.model_io import from_proto, to_proto
from compressor.passes.analysis import Analysis, analyse
from compressor.passes.cost import CostModel
from compressor.passes.masking import mask_atoms
from compressor.passes.rewrite import removal_of, remove_atoms
from compressor.verification import BACKEND, differences, verify_removal

Weights = Mapping[str, "tuple[int, ...] | NDArray[Any]"]
Atoms = NDArray[np.int64]


def f32(values: Any) -> NDArray[np.float32]:
    """A float32 array (of no axes for a number)."""
    return np.asarray(values, np.float32)


def i64(values: Any) -> NDArray[np.int64]:
    """An int64 array (of no axes for a number)."""
    return np.asarray(values, np.int64)


def u8(values: Any) -> NDArray[np.uint8]:
    """A uint8 array (of no axes for a number)."""
    return np.asarray(values, np.uint8)


def model(body: str, weights: Weights, *, inputs: str = "float[N, 6] x", outputs: str = "float y", opset: int = 18,
          domains: Sequence[str] = (), seed: int = 0) -> onnx.ModelProto:  # fmt: skip
    """A model whose nodes are ``body``; a weight given as a shape is drawn. Nodes are named after their result."""
    imports = ", ".join(f'"{name}" : {version}' for name, version in [("", opset), *((d, 1) for d in domains)])
    text = f"<ir_version: 8, opset_import: [{imports}]>\ng ({inputs}) => ({outputs}) {{\n{body}\n}}"
    proto = onnx.parser.parse_model(text)
    for output in proto.graph.output:  # the text form cannot say "of any shape"
        if not output.type.tensor_type.shape.dim:
            output.type.tensor_type.ClearField("shape")
    for node in proto.graph.node:
        node.name = node.name or next(name for name in node.output if name)
    rng = np.random.default_rng(seed)
    for name, given in weights.items():
        array = rng.standard_normal(given).astype(np.float32) if isinstance(given, tuple) else given
        proto.graph.initializer.append(numpy_helper.from_array(np.asarray(array), name))
    return proto


def analysed(body: str, weights: Weights, **more: Any) -> Analysis:
    """``model``, read and analysed as it stands (not normalised, so that Identity and Dropout are met too)."""
    return analyse(from_proto(model(body, weights, **more)))


def removals(analysis: Analysis, *, seed: int = 0, shares: Sequence[float] = (0.4, 0.9)) -> Iterator[Atoms]:
    """Random removals, one for each share: of every space that share, at least one atom and never all."""
    model = CostModel(analysis)
    rng = np.random.default_rng(seed)
    for share in shares:
        picked = [np.zeros(0, np.int64)]
        for space in analysis.spaces:
            if space.size > 1:
                count = int(np.clip(round(share * space.size), 1, space.size - 1))
                picked.append(rng.choice(space.atoms, count, replace=False))
        yield model.protect(np.sort(np.concatenate(picked)))


def prove(analysis: Analysis, atoms: Atoms, *, seed: int = 0) -> gs.Graph:
    """The pruned graph, which equals the masked original at the probed sizes, at others, and has the counted size."""
    pruned = remove_atoms(analysis, atoms)
    verify_removal(analysis, atoms, pruned, seed=seed)
    if analysis.probes[0].sizes:
        # Sizes that the analysis never saw; one symbol larger than both probes, the next in between.
        other = {name: 3 * size + 2 + i for i, (name, size) in enumerate(analysis.probes[0].sizes.items())}
        equal_at(analysis, atoms, pruned, other, seed=seed)
    return pruned


def equal_at(analysis: Analysis, atoms: Atoms, pruned: gs.Graph, sizes: Mapping[str, int], *, seed: int = 0) -> None:
    """Pruned and masked original agree at these symbolic sizes."""
    bounds = index_bounds(to_proto(analysis.graph))
    backend = get_backend(BACKEND)
    masked = mask_atoms(analysis, atoms)
    with backend.open(to_proto(masked), optimize=False) as left:
        feeds = random_feeds(left.inputs, seed=seed, dims=sizes, bounds=bounds)
        expected = left.run(feeds)
    with backend.open(to_proto(pruned), optimize=False) as right:
        actual = right.run(feeds)
    for name, (error, tolerance) in differences(analysis, masked, feeds, expected, actual).items():
        assert error <= tolerance, f"{name} is off by {error:.3g} at {dict(sizes)}"


def assert_same_shapes(analysis: Analysis, atoms: Atoms, pruned: gs.Graph) -> None:
    """Every activation of the pruned graph has the size that the removal leaves of it."""
    removal, after = removal_of(analysis, atoms), analyse(pruned)
    for name in analysis.state.tensors:
        if name in after.probes[0].shapes:
            assert after.probes[0].shapes[name] == removal.new_shapes(name, removal.tensor_masks(name))[0], name


def free_indices(analysis: Analysis, parameter: str, axis: int) -> int:
    """How many indices of a parameter's axis may go (of its first use)."""
    return int(np.count_nonzero(analysis.state.store.resolve(use(analysis, parameter)[axis])))


def use(analysis: Analysis, parameter: str) -> list[NDArray[np.int64]]:
    """Labels of the first use of a parameter."""
    for (node, slot), axes in analysis.state.uses.items():
        if analysis.nodes[node].inputs[slot].name == parameter:
            return axes
    raise KeyError(parameter)


def reasons(analysis: Analysis) -> dict[str, str]:
    """Why axes are pinned, by "parameter:axis"."""
    return {f"{name}:{axis}": why for name, axis, why in analysis.fixed_axes()}


def float_elements(graph: gs.Graph) -> int:
    """Elements of all floating-point initializers that the nodes of a graph read."""
    found = {t.name: t for node in graph.nodes for t in node.inputs if isinstance(t, gs.Constant)}
    return sum(int(np.prod(t.shape)) for t in found.values() if np.dtype(t.dtype).kind not in "iub")
