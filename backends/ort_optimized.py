"""Which tensor of the file each tensor of ONNX Runtime's optimised graph carries.

Fusions keep the name of the last tensor they compute, so most names are the file's own. What is new are tensors in
another layout or shape: a change of layout behind them, the name of the node or its attributes tell what they carry.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from compressor.backends.file_graph import MOVERS, FileGraph

if TYPE_CHECKING:
    import onnx

_LAYOUT = frozenset({"ReorderInput", "ReorderOutput"})
_CARRIERS = MOVERS | _LAYOUT | {"MemcpyFromHost", "MemcpyToHost"}
_SUM_INPUT = 3  # Conv of the domain com.microsoft.nchwc: X, W, B, Sum
_MOST_FUSED = 4


def carried_tensors(file: FileGraph, optimised: onnx.GraphProto) -> dict[str, str]:
    """Tensor of the optimised graph -> tensor of the file, for everything that its nodes compute or are fed.

    Args:
        file: the file's graph, with a unique name for each node.
        optimised: as ONNX Runtime saved it, nodes in order.
    """
    return _Resolver(file, optimised).found


class _Resolver:
    def __init__(self, file: FileGraph, optimised: onnx.GraphProto) -> None:
        self._file = file
        self._readers: dict[str, list[onnx.NodeProto]] = {}
        self._present = {name for node in optimised.node for name in node.output}
        for node in optimised.node:
            for name in node.input:
                self._readers.setdefault(name, []).append(node)
        self.found = {value.name: value.name for value in optimised.input}
        for node in optimised.node:
            for slot, name in enumerate(node.output):
                if name:
                    self.found[name] = name if name in file else self._resolve(node, slot, name)

    def _resolve(self, node: onnx.NodeProto, slot: int, name: str) -> str:
        source = next((self.found[str(i)] for i in node.input if i in self.found), None)
        if node.op_type in _CARRIERS:
            anchor = self._anchor(node.name)
            moved = anchor is not None and node.op_type not in _LAYOUT and self._maker_op(anchor) in MOVERS
            return str(anchor) if moved else source or self._downstream(name) or name
        returned = next((r.output[0] for r in self._readers.get(name, []) if r.op_type == "ReorderOutput"), "")
        if returned in self._file:
            return str(returned)
        moved_to = self._moved_to(name)
        if moved_to is not None:
            return moved_to
        anchor = self._anchor(node.name) if slot == 0 else None
        if anchor is not None:
            return self._with_epilogue(anchor, node)
        if node.op_type == "Split" and source:  # made of several slices: this one is merged into its reader
            return str(source)
        return self._read_as(name) or self._downstream(name) or source or name

    def _maker_op(self, name: str) -> str | None:
        index = self._file.maker.get(name)
        return None if index is None else str(self._file.nodes[index].op_type)

    def _anchor(self, node_name: str) -> str | None:
        """The tensor of the file that a node's name speaks of."""
        for name in _spellings(node_name):
            if name in self._file.by_name:
                return self._file.first_output(self._file.by_name[name])
            stem = name.removesuffix("_nchwc")
            for tensor in (stem, stem.removesuffix("_bn")) if stem != name else ():  # a batch norm becomes X_bn_nchwc
                if tensor in self._file:
                    return tensor
        return None

    def _moved_to(self, name: str) -> str | None:
        """The tensor of the file that ``name`` becomes by moves alone, before those moves that the file has too."""
        waiting = [name]
        for tensor in waiting:
            for reader in self._readers.get(tensor, []):
                if reader.op_type not in _CARRIERS or reader.input[0] != tensor:
                    continue
                if reader.output[0] in self._file:
                    return self._before_moves(reader.output[0])
                waiting.append(reader.output[0])
        return None

    def _before_moves(self, name: str) -> str:
        while self._maker_op(name) in MOVERS:
            inputs = self._file.data_inputs(self._file.maker[name])
            if not inputs or inputs[0] in self._present:
                break
            name = inputs[0]
        return name

    def _with_epilogue(self, anchor: str, node: onnx.NodeProto) -> str:
        """What a convolution computes that took over the sum and the activation behind it after it got its name."""
        if len(node.input) > _SUM_INPUT and node.input[_SUM_INPUT]:
            anchor = self._step(anchor, {"Add", "Sum"}) or anchor
        activation = next((a.s.decode() for a in node.attribute if a.name == "activation"), None)
        if activation is not None and self._maker_op(anchor) != activation:
            anchor = self._step(anchor, {activation}) or anchor
        return anchor

    def _step(self, name: str, ops: set[str]) -> str | None:
        """The output of the node of one of these types that reads ``name``, moves in between apart."""
        for _ in range(_MOST_FUSED):
            reader = self._file.only_reader(name)
            if reader is None:
                return None
            name = self._file.first_output(reader)
            op = self._file.nodes[reader].op_type
            if op in ops:
                return name
            if op not in MOVERS:
                return None
        return None

    def _read_as(self, name: str) -> str | None:
        """What the file calls the input of a node whose name tells which node of the file it is."""
        for reader in self._readers.get(name, []):
            anchor, slot = self._anchor(reader.name), list(reader.input).index(name)
            for _ in range(_MOST_FUSED):
                index = self._file.maker.get(anchor or "")
                if index is None:
                    break
                inputs = self._file.nodes[index].input
                if self._file.nodes[index].op_type == reader.op_type and slot < len(inputs):
                    return str(inputs[slot]) if inputs[slot] in self._file else None
                anchor = next(iter(self._file.data_inputs(index)), None)
        return None

    def _downstream(self, name: str) -> str | None:
        """The nearest tensor of the file that is computed from ``name``."""
        waiting, seen = [name], {name}
        for tensor in waiting:
            for reader in self._readers.get(tensor, []):
                for output in reader.output:
                    if output in self._file:
                        return str(output)
                    if output and output not in seen:
                        seen.add(output)
                        waiting.append(output)
        return None


def _spellings(name: str) -> list[str]:
    """A node's name, and what it was before ONNX Runtime made it unique or a fusion wrote its own name behind it."""
    plain = re.sub(r"_token_\d+$", "", name)
    before_fusion = re.sub(r"(/\w*Fusion/?)+$", "", plain)
    moved = re.sub(r"_new_reshape$", "", plain)
    return list(dict.fromkeys([name, plain, before_fusion, moved]))
