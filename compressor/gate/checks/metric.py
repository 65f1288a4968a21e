"""``metric``: the user's own figure of a model, and how sure it is that it did not get worse."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field, model_validator

from compressor.errors import UsageError
from compressor.gate.check import check
from compressor.gate.finding import Finding, Status
from compressor.gate.intervals import FEWEST_SAMPLES, NOTHING_KNOWN
from compressor.gate.metric_values import Values, difference_of, evaluated, from_kept
from compressor.gate.pair import Candidate, Pair, StoredBaseline
from compressor.gate.settings_types import Number, Tolerance
from compressor.settings import Part
from compressor.user_code import load_callable

_ROUNDING = 1e-12  # relative: 0.9 - 0.89 is a little more than 0.01


class MetricSettings(Part):
    """A function ``f(path of an ONNX file)`` that returns one number, or one for each sample.

    Attributes:
        function: ``path.py:function`` (from the policy's folder) or ``package.module:function``; runs on both models.
        higher_is_better: whether more is better.
        max_loss: by how much the candidate may be worse than the baseline. With values by sample the mean counts, and
            the interval of the paired differences decides: by a bootstrap, of ones and zeros Tango's score interval.
            A single number is compared as it is.
        min_value: the least that the candidate must reach (the most, where lower is better).
    """

    function: Annotated[str, Field(min_length=3, max_length=4096)]
    higher_is_better: bool = True
    max_loss: Tolerance | None = None
    min_value: Number | None = None

    @model_validator(mode="after")
    def _some_limit(self) -> MetricSettings:
        if self.max_loss is None and self.min_value is None:
            raise ValueError("give max_loss, min_value or both")
        return self

    def names_files(self) -> list[str]:
        """The function's."""
        return [self.function]


@check("metric", MetricSettings)
def metric(settings: MetricSettings, pair: Pair) -> Iterator[Finding]:
    """Call the function and compare."""
    function = load_callable(pair.place(settings.function))
    after = evaluated(function, pair.candidate.path)
    if settings.max_loss is not None:
        before = (
            evaluated(function, pair.baseline.path)
            if isinstance(pair.baseline, Candidate)
            else _stored(pair.baseline, settings.function)
        )
        yield _loss(settings, settings.max_loss, before, after, pair.seed)
    if settings.min_value is not None:
        yield _reached(settings, settings.min_value, after)


def _stored(baseline: StoredBaseline, function: str) -> Values:
    """What the same function said; figures of different functions tell nothing about each other."""
    for kept in baseline.kept("metric"):
        if kept.get("function") == function:
            return from_kept(kept)
    fix = "Store the baseline with the same policy, or give its file."
    raise UsageError(f"the stored metric is not of {function}", where=baseline.name, fix=fix)


def _loss(settings: MetricSettings, limit: float, before: Values, after: Values, seed: int) -> Finding:
    higher = settings.higher_is_better
    worse = difference_of(after, before, seed) if higher else difference_of(before, after, seed)
    if worse is None:
        return Finding("metric", "max_loss", "fail", "the figures are not all finite numbers", limit=limit)
    estimate, low, high = worse
    allowed = limit + _ROUNDING * max(abs(before.mean), abs(after.mean))
    status: Status = "pass" if high <= allowed else "fail" if low > allowed else "inconclusive"
    words = f"{before.mean:.5g} became {after.mean:.5g}: worse by {estimate:.4g}{_shown(low, high)}, allowed {limit:g}"
    return Finding(
        "metric", "max_loss", status, words, baseline=before.mean, candidate=after.mean, value=estimate, limit=limit,
        low=_known(low), high=_known(high), details={"samples": after.count}, keep=_kept(settings, after),
    )  # fmt: skip


def _kept(settings: MetricSettings, after: Values) -> dict[str, Any]:
    return {"function": settings.function, **after.to_json()}


def _reached(settings: MetricSettings, limit: float, after: Values) -> Finding:
    higher, interval = settings.higher_is_better, after.interval()
    if interval is None:
        return Finding("metric", "min_value", "fail", "the candidate's figure is not a finite number", limit=limit)
    low, high = interval
    certain, impossible = (low >= limit, high < limit) if higher else (high <= limit, low > limit)
    status: Status = "pass" if certain else "fail" if impossible else "inconclusive"
    words = f"{after.mean:.5g}{_shown(low, high)}, needed {'at least' if higher else 'at most'} {limit:g}"
    return Finding(
        "metric", "min_value", status, words, candidate=after.mean, value=after.mean, limit=limit, low=_known(low),
        high=_known(high), details={"samples": after.count}, keep=_kept(settings, after),
    )  # fmt: skip


def _shown(low: float, high: float) -> str:
    if (low, high) == NOTHING_KNOWN:
        return f" (of unknown certainty: fewer than {FEWEST_SAMPLES} samples)"
    return f" ({low:.4g} to {high:.4g})" if low < high else ""


def _known(end: float) -> float | None:
    return end if math.isfinite(end) else None
