"""What is solved when: every layer after all that it depends on, layers that are ready together in one wave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import onnx_graphsurgeon as gs

from compressor.graph_copy import subgraphs_of
from compressor.passes.nested import all_nodes
from compressor.passes.recovery.batch_norm import is_stored_norm

_RESHAPES = ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity")  # numbers stay, in their order


@dataclass(frozen=True)
class Residual:
    """The sum that a layer's output goes into, and nowhere else.

    Attributes:
        total: name of the sum.
        other: name of its other operand.
        norm: the BatchNormalization between the layer and the sum, if there is one.
    """

    total: str
    other: str
    norm: gs.Node | None = None


def residual_of(output: str, readers: Mapping[str, Sequence[gs.Node]], results: set[str]) -> Residual | None:
    """The sum that the tensor ``output`` goes into, straight, reshaped or batch-normalised; None without."""
    norm = None
    while True:
        following = readers.get(output, ())
        if output in results or len(following) != 1:
            return None
        (node,) = following
        if node.op in _RESHAPES and norm is None and node.inputs[0].name == output:
            output = node.outputs[0].name
        elif norm is None and is_stored_norm(node) and node.inputs[0].name == output:
            norm, output = node, node.outputs[0].name
        else:
            break
    if node.op != "Add" or node.domain not in ("", "ai.onnx", None):
        return None
    others = [tensor for tensor in node.inputs if tensor.name != output]
    if len(others) != 1 or isinstance(others[0], gs.Constant):
        return None
    return Residual(node.outputs[0].name, others[0].name, norm)


def dependencies(graph: gs.Graph, outputs: Sequence[str]) -> dict[str, int]:
    """For every tensor, which of ``outputs`` it depends on, as the bits of a number; an output on itself too."""
    bit = {name: 1 << number for number, name in enumerate(outputs)}
    found: dict[str, int] = {}
    for node in graph.nodes:
        inner = [part for body in subgraphs_of(node) for part in all_nodes(body)]
        needs = 0
        for part in (node, *inner):
            for tensor in part.inputs:
                needs |= found.get(tensor.name, 0)
        for tensor in node.outputs:
            if tensor.name:
                found[tensor.name] = needs | bit.get(tensor.name, 0)
    return found


def next_wave(remaining: Sequence[int], needs: Mapping[int, int], others: Mapping[int, int]) -> list[tuple[int, bool]]:
    """Numbers that can be solved now, and for each whether the other operand of its sum is known by then.

    Args:
        remaining: numbers not yet solved, in order.
        needs: by number, what its input depends on, as bits.
        others: by number, what the other operand of its sum depends on; absent without a sum.

    A number whose sum waits only for earlier ones of this wave is left for the next, when it can make up for them.
    """
    open_bits = sum(1 << number for number in remaining)
    ready = [number for number in remaining if not needs[number] & open_bits]
    wave, earlier = [], 0
    for number in ready:
        waits = others.get(number, 0) & open_bits
        if number in others and waits and not waits & ~earlier:
            continue
        wave.append((number, number in others and not waits))
        earlier |= 1 << number
    return wave
