"""What block medians say about the ratio of two latencies, and how sure that is.

Runs inside one process share its memory layout and thread placement, so they are not independent. The
interval therefore comes from a two-stage bootstrap: processes are drawn first, then blocks within them, and
the same blocks for both models, as they ran side by side. On synthetic data (5 processes, 20 blocks, 3 %
noise with outliers) the share of 95 % intervals that hold the truth was, by spread between processes of
0, 0.5 and 2 %: two-stage .99, .98, .90; drawing blocks only .95, .86, .45.

Source: Davison and Hinkley, Bootstrap Methods and their Application (1997), section 3.8 (hierarchical data).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from compressor.errors import UsageError

Verdict = Literal["faster", "slower", "inconclusive"]

RESAMPLES = 2000
CONFIDENCE = 0.95
MIN_BLOCKS = 6  # fewer cannot bound a 95 % interval: all six below the median has a chance of 1/64
_MIN_TAIL_SAMPLES = 10
_Z_CONFIDENCE, _Z_POWER = 1.96, 0.84  # normal quantiles of a 95 % interval and of 80 % power
_PERCENTILES = (75.0, 90.0, 95.0, 99.0, 99.9)
_MOST_DRAWN = 1 << 20  # blocks drawn at a time, over all bootstrap samples: that takes a few times 8 MB


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
    rng = np.random.default_rng(seed)
    drawn = _medians(rng, (baseline_ms, candidate_ms), resamples)
    return _ratio(baseline_ms, candidate_ms, drawn[1] / drawn[0], confidence)


def ratio_of_stored(
    stored_ms: NDArray[np.float64],
    candidate_ms: NDArray[np.float64],
    *,
    seed: int,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
) -> Ratio:
    """As ``ratio_of_medians`` of two measurements made at different times: each is drawn on its own.

    Args:
        stored_ms: block medians of the earlier one, shape (processes, blocks).
        candidate_ms: those of the later one; its shape may differ.
        seed, resamples, confidence: as in ``ratio_of_medians``.

    Raises:
        UsageError: no times, or one that is not positive.
    """
    if min(stored_ms.size, candidate_ms.size) == 0 or not (np.all(stored_ms > 0) and np.all(candidate_ms > 0)):
        raise UsageError("times must be positive numbers, and there must be some")
    rng = np.random.default_rng(seed)
    drawn = [_medians(rng, (times,), resamples)[0] for times in (stored_ms, candidate_ms)]
    return _ratio(stored_ms, candidate_ms, drawn[1] / drawn[0], confidence)


_Picks: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64]]


def _medians(
    rng: np.random.Generator, models: Sequence[NDArray[np.float64]], resamples: int
) -> list[NDArray[np.float64]]:
    """Of each model's times (all of one shape), medians of bootstrap samples, the same blocks drawn for all."""
    found: list[list[NDArray[np.float64]]] = [[] for _ in models]
    for picks in _drawn(rng, models[0].shape, resamples):
        for medians, times in zip(found, models, strict=True):
            medians.append(np.median(times[picks].reshape(len(picks[0]), -1), axis=1))
    return [np.concatenate(medians) for medians in found]


def _drawn(rng: np.random.Generator, shape: tuple[int, ...], resamples: int) -> Iterator[_Picks]:
    """Processes, and blocks within them, some bootstrap samples at a time: the same ones as if drawn at once."""
    processes, blocks = shape
    rows = rng.integers(0, processes, (resamples, processes, 1))
    step = max(1, _MOST_DRAWN // (processes * blocks))
    for start in range(0, resamples, step):
        some = rows[start : start + step]
        yield some, rng.integers(0, blocks, (len(some), processes, blocks))


def _ratio(
    baseline_ms: NDArray[np.float64], candidate_ms: NDArray[np.float64], drawn: NDArray[np.float64], confidence: float
) -> Ratio:
    tail = (1 - confidence) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    ratio = float(np.median(candidate_ms) / np.median(baseline_ms))
    return Ratio(ratio, float(low), float(high), confidence)


def minimum_detectable_effect(ratio: Ratio, noise: Ratio) -> float:
    """The relative change that a repetition of this measurement would call a change in four of five cases.

    A change is called one when the 95 % interval excludes 1 and the estimate exceeds the noise floor (``verdict``). The
    estimate of a repetition spreads normally about the truth with the deviation that this interval shows.

    Source: Cohen, Statistical Power Analysis for the Behavioral Sciences (1988), chapter 2 (power 0.8).
    """
    deviation = (ratio.high - ratio.low) / ratio.ratio / (2 * _Z_CONFIDENCE)
    return max(_Z_CONFIDENCE * deviation, noise.spread()) + _Z_POWER * deviation


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
