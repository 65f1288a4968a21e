"""Edits of a gs.Graph in time that does not grow with the number of a tensor's readers.

graphsurgeon keeps ``tensor.outputs`` in step by comparing nodes attribute by attribute, which makes
every change of a widely shared constant a walk over all who read it. Here nodes are told apart by identity.
"""

from __future__ import annotations

import onnx_graphsurgeon as gs


def replace_input(node: gs.Node, slot: int, tensor: gs.Tensor) -> None:
    """``node.inputs[slot] = tensor``."""
    old = node.inputs[slot]
    if old is tensor:
        return
    _forget(old.outputs, node)
    list.__setitem__(node.inputs, slot, tensor)
    list.append(tensor.outputs, node)


def detach(node: gs.Node) -> None:
    """Take a node's inputs and outputs away, so that no tensor knows it any more."""
    for tensor in node.inputs:
        _forget(tensor.outputs, node)
    for tensor in node.outputs:
        _forget(tensor.inputs, node)
    list.clear(node.inputs)
    list.clear(node.outputs)


def _forget(nodes: list[gs.Node], node: gs.Node) -> None:
    for position, other in enumerate(nodes):
        if other is node:
            list.__delitem__(nodes, position)
            return
