"""Folding by channels: each original channel expressed by those that were kept, put into the layer's weight.

For layers whose rows are too wide to solve for as a whole: the system is as large as the channels, without the kernel.
With x the pruned graph's channels and z the original's, both centred, z is about x A with A the ridge solution drawn
to the selection of the kept channels; the layer's original weight V then becomes A V at every place of the kernel.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from compressor.passes.recovery.moments import Matrix, Moments, ridge
from compressor.passes.shape_values import Array


@dataclass
class ChannelFold:
    """Folding into one layer without groups.

    Attributes:
        original: float64 weight of the layer with all input channels and only the outputs that were kept.
        axis: of its input channels.
        kept: bool mask of the input channels that were kept.
    """

    original: Matrix
    axis: int
    kept: Array
    moments: Moments = field(init=False)

    def __post_init__(self) -> None:
        self.moments = Moments(1, int(self.kept.sum()), (self.kept.size,))

    def observe(self, x: Array, z: Array) -> None:
        """Channels of the pruned and of the original graph, [N, channels, ...]."""
        rows = np.moveaxis(x, 1, -1).reshape(1, -1, x.shape[1])
        targets = np.moveaxis(z, 1, -1).reshape(1, -1, z.shape[1])
        self.moments.add(rows, [targets])

    def weight(self, strength: float) -> Matrix:
        """The layer's weight for the kept channels."""
        square, cross = self.moments.system(0, centred=True)
        start = np.eye(self.kept.size)[np.flatnonzero(self.kept)][None]
        mixture = ridge(square, cross, start, strength)[0]
        moved = np.moveaxis(self.original, self.axis, 0)
        folded = np.tensordot(mixture, moved, axes=1)
        return np.moveaxis(folded, 0, self.axis)
