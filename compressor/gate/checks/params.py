"""``params``: elements of the floating-point initializers."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import model_validator

from compressor.gate.check import check
from compressor.gate.finding import Finding
from compressor.gate.limits import both
from compressor.gate.pair import Pair
from compressor.gate.settings_types import Count, Ratio
from compressor.settings import Part


class ParamsSettings(Part):
    """Number of parameters.

    Attributes:
        max_count: the most that the candidate may have.
        max_ratio: the most that it may have for each one of the baseline.
    """

    max_count: Count | None = None
    max_ratio: Ratio | None = None

    @model_validator(mode="after")
    def _some_limit(self) -> ParamsSettings:
        if self.max_count is None and self.max_ratio is None:
            raise ValueError("give max_count, max_ratio or both")
        return self


@check("params", ParamsSettings)
def params(settings: ParamsSettings, pair: Pair) -> Iterator[Finding]:
    """Counts of parameters."""
    yield from both(
        "params", lambda: pair.baseline.facts.params, pair.candidate.facts.params, settings.max_count,
        settings.max_ratio, "max_count", "parameters", lambda value: f"{int(value):,}",
    )  # fmt: skip
