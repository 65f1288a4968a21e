"""Where one regime overtakes another as more is removed, and how sure that is.

Between two ratios a regime's mean is taken to run straight. The interval comes from the bootstrap: seeds are drawn
with replacement, the same for both regimes (a seed shares its data split and order between them), and the crossing
of each draw is noted. With few seeds there are few different draws: three seeds have ten.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Curves: TypeAlias = "NDArray[np.float64]"
"""[seeds, ratios]: the metric, larger is better."""

DRAWS = 2000
_QUANTILES = (0.025, 0.975)


@dataclass(frozen=True)
class Crossover:
    """From ``ratio`` on, ``above`` is better than ``below``.

    Attributes:
        ratio: of the mean curves.
        low, high: 95 % of the draws that cross in the same direction; None where fewer than two seeds.
        share: of the draws that cross in the same direction at all; None where fewer than two seeds.
        seeds: how many both regimes have in common.
    """

    below: str
    above: str
    ratio: float
    low: float | None
    high: float | None
    share: float | None
    seeds: int

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON-ready values."""
        return asdict(self)


def crossings(ratios: Sequence[float], difference: NDArray[np.float64]) -> list[tuple[float, int]]:
    """Where a piecewise straight line changes its sign: (ratio, +1 upwards or -1 downwards), in order.

    A run of zeros between two signs counts at its middle; one that the sign returns from does not count.

    Args:
        ratios: [k], rising.
        difference: [k].
    """
    found = []
    signs = np.sign(difference)
    nonzero = np.flatnonzero(signs).tolist()
    for left, right in itertools.pairwise(nonzero):
        if signs[left] == signs[right]:
            continue
        if right == left + 1:
            share = difference[left] / (difference[left] - difference[right])
            at = ratios[left] + share * (ratios[right] - ratios[left])
        else:
            at = (ratios[left + 1] + ratios[right - 1]) / 2
        found.append((float(at), int(signs[right])))
    return found


def crossovers(
    ratios: Sequence[float], curves: Mapping[str, Curves], *, draws: int = DRAWS, seed: int = 0
) -> list[Crossover]:
    """Of every pair of regimes.

    Args:
        ratios: [k], rising.
        curves: regime -> [seeds, k] of a metric, larger is better; row i is the same seed everywhere.
        draws: of the bootstrap.
        seed: of the draws.
    """
    names, found = list(curves), []
    for index, first in enumerate(names):
        for second in names[index + 1 :]:
            gap = np.asarray(curves[second], dtype=np.float64) - np.asarray(curves[first], dtype=np.float64)
            drawn = _drawn(ratios, gap, draws, seed)
            for at, direction in crossings(ratios, gap.mean(axis=0)):
                below, above = (first, second) if direction > 0 else (second, first)
                found.append(Crossover(below, above, at, *_spread(at, direction, drawn), seeds=len(gap)))
    return found


def _drawn(ratios: Sequence[float], gap: NDArray[np.float64], draws: int, seed: int) -> list[list[tuple[float, int]]]:
    """Crossings of each draw of seeds; none where there is one seed."""
    if len(gap) < 2:
        return []
    rows = np.random.default_rng(seed).integers(0, len(gap), size=(draws, len(gap)))
    return [crossings(ratios, gap[chosen].mean(axis=0)) for chosen in rows]


def _spread(
    at: float, direction: int, drawn: list[list[tuple[float, int]]]
) -> tuple[float | None, float | None, float | None]:
    """(low, high, share): in each draw the nearest crossing of this direction counts."""
    if not drawn:
        return None, None, None
    same = [[ratio for ratio, way in found if way == direction] for found in drawn]
    nearest = [min(ratios, key=lambda ratio: abs(ratio - at)) for ratios in same if ratios]
    if not nearest:
        return None, None, 0.0
    low, high = np.quantile(nearest, _QUANTILES)
    return float(low), float(high), len(nearest) / len(drawn)
