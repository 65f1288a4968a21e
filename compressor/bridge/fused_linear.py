"""A matrix product and the bias added to it become one linear layer, which is what they were before the export."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx


def fuse_linear_layers(graph: fx.Graph, attribute: Callable[[str], Any]) -> None:
    """Rewrite ``matmul(x, w) + b`` in place, where ``w`` is a matrix and ``b`` a vector of the module's own.

    So is ``matmul(x, w)`` where ``w`` is such a matrix transposed.

    Args:
        graph: not linted again; left-over nodes are dead.
        attribute: gives the parameter or buffer with a dotted name.
    """

    def own(node: Any, rank: int) -> Tensor | None:
        """The module's tensor that a node reads, if it has that many axes."""
        found = attribute(str(node.target)) if isinstance(node, fx.Node) and node.op == "get_attr" else None
        return found if isinstance(found, Tensor) and found.ndim == rank and found.is_floating_point() else None

    for node in graph.find_nodes(op="call_function", target=torch.add):
        for product, bias in (node.args, node.args[::-1]) if len(node.args) == 2 and not node.kwargs else ():
            if _is_product(product) and (vector := own(bias, 1)) is not None:
                x, weight = product.args
                turned = _turned_back(weight)
                matrix = own(weight if turned is None else turned, 2)
                columns = None if matrix is None else matrix.shape[1 if turned is None else 0]
                if columns == vector.shape[0]:
                    with graph.inserting_before(node):
                        rows_first = graph.call_function(torch.t, (weight,)) if turned is None else turned
                    replace_call(graph, node, F.linear, x, rows_first, bias)
                    break
    for node in graph.find_nodes(op="call_function", target=torch.matmul):
        turned = _turned_back(node.args[1])
        if own(turned, 2) is not None:
            replace_call(graph, node, F.linear, node.args[0], turned)


def replace_call(graph: fx.Graph, node: fx.Node, function: Callable[..., Any], *args: Any) -> None:
    """Another call in the place of ``node``, known by the same name in the ONNX graph."""
    with graph.inserting_before(node):
        other = graph.call_function(function, args)
    other.meta = dict(node.meta)
    node.replace_all_uses_with(other)
    graph.erase_node(node)


def _is_product(value: Any) -> bool:
    """Whether this is a product that nothing else reads."""
    return isinstance(value, fx.Node) and value.target is torch.matmul and len(value.users) == 1


def _turned_back(value: Any) -> fx.Node | None:
    """What a transposed matrix is the transpose of."""
    if isinstance(value, fx.Node) and value.target is torch.permute and tuple(value.args[1]) == (1, 0):  # type: ignore[arg-type]
        source = value.args[0]
        return source if isinstance(source, fx.Node) else None
    return None
