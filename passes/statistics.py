"""What criteria may ask of data. Who runs the model is not their business: the pipeline hands them this object."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from compressor.passes.analysis import Analysis
from compressor.passes.products import Product

Need: TypeAlias = Literal["activations", "gradients"]
Labelling: TypeAlias = Literal["given", "sampled", "given or sampled"]


@dataclass(frozen=True)
class Moments:
    """Of the rows that a product reads.

    Attributes:
        mean: float64 [groups, numbers of a row].
        covariance: float64 [groups, numbers of a row, numbers of a row], centred, divided by the number of rows.
        rows: how many were seen.
    """

    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]
    rows: int


@dataclass(frozen=True)
class GradientSums:
    """Of the loss, with respect to initializers.

    Attributes:
        sums: initializer name -> (sum over samples of gradients, sum of squared gradients), of its shape.
        samples: how many were seen.
    """

    sums: Mapping[str, tuple[NDArray[np.float32], NDArray[np.float32]]]
    samples: int


class Statistics(Protocol):
    """Statistics of a graph on data, computed when asked for and never kept."""

    def second_moments(self, analysis: Analysis, products: Sequence[Product]) -> list[NDArray[np.float64]]:
        """Mean of x^2 over samples and positions for each channel that a product reads: float64 [channels] each."""

    def moments(self, analysis: Analysis, products: Sequence[Product]) -> Iterator[tuple[Product, Moments]]:
        """Moments product by product, in memory that grows with the square of a layer's width, not with samples."""

    def output_errors(
        self, analysis: Analysis, changes: Iterable[tuple[Product, NDArray[np.float64]]], samples: int
    ) -> Iterator[float]:
        """For each change of one product's weight: mean squared error of the graph's outputs over their variance.

        ``samples`` are looked at, at most; infinite where an output is no number.
        """

    def gradients(self, analysis: Analysis, labels: Labelling) -> GradientSums:
        """Gradients with the labels given, with labels sampled from the model's own predictions, or with the first
        where there are some, else the second.
        """
