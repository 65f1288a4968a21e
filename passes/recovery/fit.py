"""Solving for the weights of layers that read the same rows, and keeping what is better on samples held out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from compressor.passes.recovery.fold import ChannelFold
from compressor.passes.recovery.layer import Layer
from compressor.passes.recovery.moments import Matrix, Moments, ridge
from compressor.passes.recovery.outcome import Outcome
from compressor.passes.shape_values import Array

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1)
"""Ridges that are tried, relative to the mean variance of an input; the samples held out choose."""
WIDEST = 4608
"""Rows longer than this are not solved for as a whole: 512 channels under a kernel of 3 x 3 are the last."""
_HELD_ROWS = 4096
HELD_EVERY = 8
"""One chunk in so many is set aside to judge by."""


@dataclass(frozen=True)
class Positions:
    """Which output positions of each chunk are looked at.

    Attributes:
        chunks: of samples there are.
        seed: decides which.
    """

    chunks: int
    seed: int

    def draw(self, positions: int, width: int, number: int) -> Array:
        """Some of the positions of chunk ``number``, sorted: enough over all chunks for ``width`` unknowns."""
        share = -(-max(16 * width, 1 << 16) // self.chunks)
        if share >= positions:
            return np.arange(positions)
        return np.sort(np.random.default_rng([self.seed, number, positions]).choice(positions, share, replace=False))

    def few(self, chosen: Array) -> Array:
        """Those of a chunk that is held out."""
        return chosen[:: max(1, -(-len(chosen) * self.chunks // (HELD_EVERY * _HELD_ROWS)))]


@dataclass
class Fit:
    """Layers with one input and one geometry.

    Attributes:
        layers: them.
        compensated: for each, whether its target is what a sum lacks.
        folds: for each, how to fold by channels where its rows are too wide; None where that is no use.
    """

    layers: Sequence[Layer]
    compensated: Sequence[bool]
    folds: Sequence[ChannelFold | None]
    where: Positions
    widest: int = WIDEST
    strengths: Sequence[float] = STRENGTHS
    moments: Moments = field(init=False)
    held: list[tuple[Array, list[Array]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        groups, inputs, _ = self.layers[0].shape
        outputs = tuple(layer.shape[2] for layer in self.layers)
        self.moments = Moments(groups, inputs, outputs, full=inputs <= self.widest)

    def observe(self, x: Array, targets: Sequence[Array], originals: Sequence[Array | None], number: int, *,
                held: bool) -> None:  # fmt: skip
        """Take in one chunk.

        Args:
            x: the layers' input in the pruned graph.
            targets: what each should give.
            originals: for each, its input in the original graph where it folds by channels.
            number: of the chunk.
            held: set aside to judge by.
        """
        first, shape = self.layers[0], targets[0].shape
        chosen = self.where.draw(first.positions(shape), first.shape[1] if self.moments.full else 1, number)
        if held:
            chosen = self.where.few(chosen)
        rows = first.rows(x, shape, chosen)
        wanted = [layer.outputs(target, chosen) for layer, target in zip(self.layers, targets, strict=True)]
        if held:
            self.held.append((rows, wanted))
            return
        self.moments.add(rows, wanted)
        for fold, original in zip(self.folds, originals, strict=True):
            if fold is not None and original is not None:
                fold.observe(x, original)

    def finish(self) -> list[Outcome]:
        """Write the best weights into the graph."""
        return [self._solve(number, layer) for number, layer in enumerate(self.layers)]

    def _solve(self, number: int, layer: Layer) -> Outcome:
        weight, bias = layer.matrix_now(), layer.bias_now()
        before = self._error(number, weight, bias)
        best, method, strength, answer = before, "kept", None, None
        finite = self.moments.finite() and np.isfinite(before)
        for name, chosen, solve in self._candidates(number, layer, weight, bias) if finite else ():
            found = solve()
            error = self._error(number, *_rounded(layer, *found))
            if error < best:
                best, method, strength, answer = error, name, chosen, found
        if answer is not None:
            layer.store(answer[0], answer[1] if layer.bias is not None else None)
        note = None
        if answer is None:
            note = (
                "nothing found was better on the samples held out" if finite else "its activations are not all finite"
            )
        scale = self._scale(number)
        return Outcome(
            layer.output, str(layer.node.op), method, before / scale, best / scale, self.moments.count, strength,
            self.compensated[number], note,
        )  # fmt: skip

    def _candidates(
        self, number: int, layer: Layer, weight: Matrix, bias: Matrix
    ) -> Iterator[tuple[str, float | None, Callable[[], tuple[Matrix, Matrix]]]]:
        if layer.bias is not None:
            yield "bias", None, lambda: (weight, self._bias(number, weight))
        fold = self.folds[number]
        if not self.moments.full:
            if fold is not None:
                for strength in self.strengths:
                    yield "channels", strength, lambda s=strength: self._folded(number, layer, fold, s, bias)  # type: ignore[misc]
            return
        square, cross = self.moments.system(number, centred=layer.bias is not None)
        for strength in self.strengths:
            yield "rows", strength, lambda s=strength: self._rows(number, layer, square, cross, weight, s)  # type: ignore[misc]

    def _rows(
        self, number: int, layer: Layer, square: Matrix, cross: Matrix, weight: Matrix, strength: float
    ) -> tuple[Matrix, Matrix]:
        solved = ridge(square, cross, weight, strength)
        return solved, self._bias(number, solved) if layer.bias is not None else np.zeros_like(solved[:, 0])

    def _folded(
        self, number: int, layer: Layer, fold: ChannelFold, strength: float, bias: Matrix
    ) -> tuple[Matrix, Matrix]:
        folded = layer.matrix(fold.weight(strength))
        return folded, self._bias(number, folded) if layer.bias is not None else bias

    def _bias(self, number: int, weight: Matrix) -> Matrix:
        """The bias that makes the mean output right."""
        x, y = self.moments.means(number)
        return y - (x[:, None, :] @ weight)[:, 0]

    def _error(self, number: int, weight: Matrix, bias: Matrix) -> float:
        """Mean squared error of the output on the samples held out."""
        total, count = 0.0, 0
        for rows, targets in self.held:
            miss = rows.astype(np.float64) @ weight + bias[:, None, :] - targets[number]
            total, count = total + float(np.square(miss).sum()), count + miss.size
        return total / max(count, 1)

    def _scale(self, number: int) -> float:
        """Variance of the target on the samples held out, over positions; never 0."""
        targets = np.concatenate([targets[number] for _, targets in self.held], axis=1).astype(np.float64)
        return float(targets.var(axis=1).mean()) or 1.0


def _rounded(layer: Layer, weight: Matrix, bias: Matrix) -> tuple[Matrix, Matrix]:
    """As the graph will hold them."""
    dtype = layer.weight.dtype
    with np.errstate(over="ignore"):  # what half precision cannot hold is infinite, and not chosen
        return weight.astype(dtype).astype(np.float64), bias.astype(dtype).astype(np.float64)
