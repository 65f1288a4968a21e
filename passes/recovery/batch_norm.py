"""Statistics of batch normalisation moved to what the pruned graph feeds it.

With m, v the mean and variance of a channel over the calibration data in the pruned graph, and m0, v0 those in the
original, s = sqrt(v / v0): the new mean is m + (mean - m0) s, the new variance var s^2. Where the channel arrives
scaled and shifted, that is exact, whatever the samples; and where nothing changed, nothing changes.
"""

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

_EPSILON = 1e-5  # ONNX's default


@dataclass
class _Sums:
    """Of x, x^2, y, y^2 and xy by channel."""

    count: int = 0
    total: Matrix | None = None

    def add(self, x: Array, y: Array) -> None:
        a, b = (np.moveaxis(part, 1, 0).reshape(part.shape[1], -1).astype(np.float64) for part in (x, y))
        fresh = np.stack([a.sum(1), (a * a).sum(1), b.sum(1), (b * b).sum(1), (a * b).sum(1)])
        self.total = fresh if self.total is None else self.total + fresh
        self.count += a.shape[1]

    def means(self) -> Matrix:
        """[5, channels]."""
        return np.zeros((5, 1)) if self.total is None else self.total / self.count


@dataclass
class BatchNormFit:
    """One BatchNormalization of the pruned graph, with stored statistics."""

    node: gs.Node
    sums: _Sums = field(default_factory=_Sums)
    held: _Sums = field(default_factory=_Sums)

    def observe(self, x: Array, targets: Sequence[Array], originals: Sequence[Array | None], number: int, *,
                held: bool) -> None:  # fmt: skip
        """Take in one chunk: its input, what it should give, and the original's kept input."""
        (original,) = originals
        if held:
            self.held.add(x, targets[0])
        elif original is not None:
            self.sums.add(x, original)

    def finish(self) -> list[Outcome]:
        """Write the new statistics where they are better on the samples held out."""
        old_mean, old_var = (np.asarray(peek(self.node.inputs[slot]), np.float64) for slot in (3, 4))
        x, xx, z, zz, _ = self.sums.means()
        variance, before_variance = xx - x * x, zz - z * z
        ratio = np.where(before_variance > 0, variance / np.where(before_variance > 0, before_variance, 1), 1)
        ratio = np.maximum(ratio, 0)
        mean, var = x + (old_mean - z) * np.sqrt(ratio), old_var * ratio
        before, after = self._error(old_mean, old_var), self._error(mean, var)
        better = bool(after < before)
        if better:
            for slot, values in ((3, mean), (4, var)):
                tensor = self.node.inputs[slot]
                replace_input(self.node, slot, gs.Constant(tensor.name, values.astype(tensor.dtype)))
        _, _, y, yy, _ = self.held.means()
        scale = float((yy - y * y).mean()) or 1.0
        note = None if better else NOT_BETTER
        return [
            Outcome(
                self.node.outputs[0].name, "BatchNormalization", "statistics" if better else "kept", before / scale,
                (after if better else before) / scale, self.sums.count, note=note,
            )
        ]  # fmt: skip

    def _error(self, mean: Matrix, var: Matrix) -> float:
        """Mean squared error of the output on the samples held out."""
        gain, shift = affine(self.node, mean, var)
        x, xx, y, yy, xy = self.held.means()
        squares = yy - 2 * gain * xy - 2 * shift * y + gain * gain * xx + 2 * gain * shift * x + shift * shift
        return float(np.maximum(squares, 0).mean())


def affine(node: gs.Node, mean: Matrix | None = None, var: Matrix | None = None) -> tuple[Matrix, Matrix]:
    """(gain, shift) by channel of a BatchNormalization with stored values: y = gain x + shift."""
    scale, bias, own_mean, own_var = (np.asarray(peek(tensor), np.float64) for tensor in node.inputs[1:5])
    mean, var = own_mean if mean is None else mean, own_var if var is None else var
    gain = scale / np.sqrt(var + float(node.attrs.get("epsilon", _EPSILON)))
    return gain, bias - gain * mean


def is_stored_norm(node: gs.Node) -> bool:
    """A BatchNormalization at inference whose four vectors are stored."""
    return bool(
        node.op == "BatchNormalization"
        and node.domain in ("", "ai.onnx", None)
        and not node.attrs.get("training_mode", 0)
        and all(isinstance(tensor, gs.Constant) for tensor in node.inputs[1:5])
    )
