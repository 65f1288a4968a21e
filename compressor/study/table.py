"""Results of a study as a table: mean, standard deviation and interval over the seeds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from compressor.study.shared import Finished

CONFIDENCE = 0.95
GROUP = ("model", "pattern", "criterion", "ratio", "regime")


@dataclass(frozen=True)
class Row:
    """One combination, over its seeds.

    Attributes:
        n: seeds that are done.
        mean, std: of the metric; the standard deviation is the sample's (n - 1), None for one seed.
        low, high: 95 % interval of the mean by Student's t, None for one seed.
        removed: mean share that really went.
        epochs, seconds: means of what was spent.
    """

    model: str
    pattern: str
    criterion: str
    ratio: float
    regime: str
    n: int
    mean: float
    std: float | None
    low: float | None
    high: float | None
    removed: float
    epochs: float
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON-ready values."""
        return asdict(self)


def interval(values: Sequence[float], confidence: float = CONFIDENCE) -> tuple[float, float] | None:
    """Of the mean, by Student's t with n - 1 degrees of freedom; None for a single value."""
    if len(values) < 2:
        return None
    from scipy.stats import t

    half = float(t.ppf((1 + confidence) / 2, len(values) - 1)) * statistics.stdev(values) / math.sqrt(len(values))
    mean = statistics.fmean(values)
    return mean - half, mean + half


def rows_of(finished: Iterable[Finished], of: str = "params") -> list[Row]:
    """The table, in the order in which combinations first occur.

    Args:
        finished: trials; those that failed do not count.
        of: what the ratios count.
    """
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for entry in finished:
        if entry.result is not None:
            groups.setdefault(tuple(getattr(entry.trial, name) for name in GROUP), []).append(entry.result)
    return [_row(group, results, of) for group, results in groups.items()]


def _row(group: tuple[Any, ...], results: list[dict[str, Any]], of: str) -> Row:
    values = [float(result["metric"]) for result in results]
    low, high = interval(values) or (None, None)
    removed = [result["removed"].get(of, result["removed"].get("weights", math.nan)) for result in results]
    return Row(
        **dict(zip(GROUP, group, strict=True)), n=len(values), mean=statistics.fmean(values),
        std=statistics.stdev(values) if len(values) > 1 else None, low=low, high=high,
        removed=statistics.fmean(removed), epochs=statistics.fmean(sum(result["epochs"]) for result in results),
        seconds=statistics.fmean(result["seconds"] for result in results),
    )  # fmt: skip
