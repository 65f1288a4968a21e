"""The constant that stands in for a branch: what the sum after it lacks, on the mean, in each channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx_graphsurgeon as gs

from compressor.graph_edit import replace_input
from compressor.passes.recovery.moments import Matrix
from compressor.passes.recovery.outcome import NOT_BETTER, Outcome
from compressor.passes.shape_values import Array
from compressor.tensor_values import peek


@dataclass
class _Sums:
    """Of what is lacking and of its square, by channel; of the target and its square, over all."""

    count: int = 0
    total: Matrix | None = None

    def add(self, lacking: Array, target: Array) -> None:
        fresh = np.stack([lacking.sum(1), np.square(lacking).sum(1), target.sum(1), np.square(target).sum(1)])
        self.total = fresh if self.total is None else self.total + fresh
        self.count += lacking.shape[1]

    def means(self) -> Matrix:
        """[4, channels]."""
        return np.zeros((4, 1)) if self.total is None else self.total / self.count


@dataclass
class ConstantFit:
    """One addition of the pruned graph, of a stored constant where the original adds a branch.

    Attributes:
        node: the addition.
        slot: of the constant.
    """

    node: gs.Node
    slot: int
    sums: _Sums = field(default_factory=_Sums)
    held: _Sums = field(default_factory=_Sums)

    @property
    def _axis(self) -> int:
        shape = [int(size) for size in self.node.inputs[self.slot].shape]
        return int(np.argmax(shape))

    def observe(self, x: Array, targets: Sequence[Array], originals: Sequence[Array | None], number: int, *,
                held: bool) -> None:  # fmt: skip
        """Take in one chunk: the other operand, and what the sum should be."""
        axis = self._axis - self.node.inputs[self.slot].values.ndim
        target, other = (
            np.moveaxis(part, axis, 0).reshape(part.shape[axis], -1).astype(np.float64) for part in (targets[0], x)
        )
        (self.held if held else self.sums).add(target - other, target)

    def finish(self) -> list[Outcome]:
        """Write the mean where it is better on the samples held out."""
        tensor = self.node.inputs[self.slot]
        old = np.asarray(peek(tensor), np.float64)
        found = self.sums.means()[0].astype(tensor.dtype).astype(np.float64)
        if old.size != found.size:
            found = np.full(old.size, found.mean())
        before, after = self._error(old.reshape(-1)), self._error(found)
        better = bool(self.sums.count and after < before)
        if better:
            replace_input(self.node, self.slot, gs.Constant(tensor.name, found.reshape(old.shape).astype(tensor.dtype)))
        _, _, y, yy = self.held.means()
        scale = float((yy - y * y).mean()) or 1.0
        return [
            Outcome(
                self.node.outputs[0].name, "Add", "bias" if better else "kept", before / scale,
                (after if better else before) / scale, self.sums.count, note=None if better else NOT_BETTER,
            )
        ]  # fmt: skip

    def _error(self, constant: Matrix) -> float:
        """Mean squared error of the sum on the samples held out."""
        d, dd, _, _ = self.held.means()
        return float((dd - 2 * constant * d + constant * constant).mean())


def added_constant(node: gs.Node, original: gs.Node) -> int | None:
    """The slot at which an addition has a stored constant where the original's has none; None where there is none."""
    if node.op != "Add" or original.op != "Add" or node.domain not in ("", "ai.onnx", None):
        return None
    stored = [[isinstance(tensor, gs.Constant) for tensor in each.inputs] for each in (node, original)]
    return stored[0].index(True) if sum(stored[0]) == 1 and not any(stored[1]) else None
