"""What can be proven of a file whose values were trained: that it is its original less what the plan removes, but for
floating-point values."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs

from compressor.errors import VerificationError
from compressor.loaded import load_model
from compressor.model_io import read
from compressor.normalize import normalize
from compressor.passes.apply_plan import realise
from compressor.passes.nested import all_nodes
from compressor.passes.plan import read_plan
from compressor.passes.rewrite import remove_atoms
from compressor.proof import same_interface
from compressor.targets import PathLike
from compressor.tensor_values import peek


def verify_structure(original: PathLike, trained: PathLike, plan_path: PathLike) -> int:
    """Hold a trained file against one cut of its original: nodes, attributes, connections, types, shapes, integers.

    Floating-point values are not compared; recovery may have given a layer without a bias one.

    Args:
        original: the model before pruning.
        trained: the model after pruning and training, or recovery.
        plan_path: the plan that ``compress`` saved.

    Returns:
        How many nodes were compared.

    Raises:
        VerificationError: something else differs; names the node.
        PlanError: the plan was made for another graph.
    """
    plan = read_plan(Path(plan_path))
    loaded = load_model(original)
    analysis, atoms = realise(plan, loaded.analysis, loaded.digest)
    cut, candidate = remove_atoms(analysis, atoms), normalize(read(trained))
    same_interface(analysis.graph, candidate, Path(trained))
    expected, found = list(all_nodes(cut)), list(all_nodes(candidate))
    for one, other in zip(expected, found, strict=False):
        different = next(_differences(one, other), None)
        if different is not None:
            raise VerificationError(
                f"its {different} is not what cutting the original gives", where=f"node {one.name!r} ({one.op})",
                fix="Compare a model with its own pruned version, and with the plan that was made for it.",
            )  # fmt: skip
    if len(expected) != len(found):
        raise VerificationError(f"has {len(found)} nodes, the cut original {len(expected)}", where=str(trained))
    return len(expected)


def _differences(one: gs.Node, other: gs.Node) -> Iterator[str]:
    if (one.op, one.domain or "") != (other.op, other.domain or ""):
        yield f"op {other.op}"
    if [t.name for t in one.outputs] != [t.name for t in other.outputs]:
        yield "outputs"
    added = other.inputs[len(one.inputs) :]
    if not all(isinstance(tensor, gs.Constant) for tensor in added) or len(added) > 1:
        yield "number of inputs"
    for had, have in zip(one.inputs, other.inputs, strict=False):
        if isinstance(had, gs.Constant):
            if not _alike(had, have):
                yield f"input {have.name!r}"
        elif had.name != have.name and not (had.name == "" and isinstance(have, gs.Constant)):
            yield f"input {have.name!r}"
    for name in sorted(one.attrs.keys() | other.attrs.keys()):
        given_bias = added and name == "beta"
        if not given_bias and not _same_attribute(one.attrs.get(name), other.attrs.get(name)):
            yield f"attribute {name}"


def _alike(had: gs.Constant, have: gs.Tensor) -> bool:
    """The same type and shape and, where that is no floating-point number, the same values."""
    if not isinstance(have, gs.Constant) or have.dtype != had.dtype:
        return False
    widened = math.prod(had.shape) == 1 and len(have.shape) == 1
    if list(have.shape) != list(had.shape) and not widened:
        return False
    kind = np.dtype(had.dtype).kind
    return kind in "fV" or bool(np.array_equal(peek(had), peek(have)))


def _same_attribute(one: Any, other: Any) -> bool:
    if isinstance(one, gs.Graph) and isinstance(other, gs.Graph):
        return [t.name for t in one.outputs] == [t.name for t in other.outputs]  # its nodes are compared on their own
    if isinstance(one, gs.Tensor) and isinstance(other, gs.Tensor):
        return _alike(one, other)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same_attribute, one, other))
    return bool(one == other)
