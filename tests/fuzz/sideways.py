"""The op contract's graphs with channels on every axis: batch, positions and pixels that could go, too.

An op rule that forgets to pin an axis is not noticed as long as that axis is one of the graph's inputs.
So whatever the op reads, and whatever it gives, is mixed along each of its axes by a square weight of its own.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from compressor.model_io import from_proto
from compressor.passes.analysis import analyse
from compressor.passes.rewrite import remove_atoms
from compressor.verification import verify_removal
from tests.fuzz.promises import check_labels, run_original
from tests.passes.graphs import model, removals
from tests.passes.op_case import Case

_SIZES = (3, 5, 4, 6)  # of symbolic dimensions, in the order of their appearance


def sideways(proto: onnx.ModelProto, op: str) -> onnx.ModelProto:
    """A model of static sizes in which all float tensors that ``op`` reads and gives are mixed along every axis."""
    twin = onnx.ModelProto()
    twin.CopyFrom(proto)
    sizes: dict[str, int] = {}
    for value in twin.graph.input:
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param:
                dim.dim_value = sizes.setdefault(dim.dim_param, _SIZES[len(sizes) % len(_SIZES)])
    probe = analyse(from_proto(twin)).probes[0]
    stored = {weight.name for weight in twin.graph.initializer}

    def mixes(name: str) -> bool:
        return name not in stored and bool(probe.shapes.get(name)) and probe.dtypes.get(name) == TensorProto.FLOAT

    nodes: list[onnx.NodeProto] = []
    for node in twin.graph.node:
        if op.rpartition("::")[2] != node.op_type:
            nodes.append(node)
            continue
        for slot, name in enumerate(node.input):
            if mixes(name):
                node.input[slot] = f"{node.name}_in{slot}"
                nodes += _mix(twin.graph, name, node.input[slot], probe.shapes[name])
        nodes.append(node)
        for slot, name in enumerate(node.output):
            if mixes(name):
                node.output[slot] = f"{node.name}_out{slot}"
                nodes += _mix(twin.graph, node.output[slot], name, probe.shapes[name])
    ordered = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del twin.graph.node[:]
    twin.graph.node.extend(ordered)
    return twin


def _mix(graph: onnx.GraphProto, source: str, result: str, shape: tuple[int, ...]) -> list[onnx.NodeProto]:
    rng, nodes, at = np.random.default_rng(len(shape)), [], source
    for axis, size in enumerate(shape):
        if size == 1:
            continue
        order = [i for i in range(len(shape)) if i != axis] + [axis]
        weight = f"{result}_mix{axis}"
        array = rng.standard_normal((size, size)) / np.sqrt(size)
        graph.initializer.append(numpy_helper.from_array(array.astype(np.float32), weight))
        turned, mixed, back = (f"{result}_{step}{axis}" for step in ("turned", "mixed", "back"))
        nodes += [
            helper.make_node("Transpose", [at], [turned], name=turned, perm=order),
            helper.make_node("MatMul", [turned, weight], [mixed], name=mixed),
            helper.make_node("Transpose", [mixed], [back], name=back, perm=np.argsort(order).tolist()),
        ]
        at = back
    return [*nodes, helper.make_node("Identity", [at], [result], name=f"{result}_in")]


def check_sideways(case: Case) -> None:
    """Pruned equals masked, and the counts hold, for random removals of whatever may go now.

    Raises:
        InvalidGraphError: ONNX Runtime does not run the case.
        CompressorError, MismatchError: a promise is broken.
    """
    proto = model(case.body, case.weights, inputs=case.inputs, outputs=case.outputs, opset=case.opset,
                  domains=case.domains)  # fmt: skip
    mixed = sideways(proto, case.op)
    run_original(mixed, optimised=False)
    analysis = analyse(from_proto(mixed))
    check_labels(analysis)
    for seed in range(2):
        for atoms in removals(analysis, seed=seed, shares=(0.4,)):
            pruned = remove_atoms(analysis, atoms)
            verify_removal(analysis, atoms, pruned, inputs=1, seed=seed)
