"""``size``: bytes of the model's files, those with its weights included."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import model_validator

from compressor.gate.check import check
from compressor.gate.finding import Finding
from compressor.gate.limits import both
from compressor.gate.pair import Pair
from compressor.gate.settings_types import Count, Ratio
from compressor.settings import Part
from compressor.units import size as shown


class SizeSettings(Part):
    """Bytes of the model's files.

    Attributes:
        max_bytes: the most that the candidate may have.
        max_ratio: the most that it may have for each byte of the baseline.
    """

    max_bytes: Count | None = None
    max_ratio: Ratio | None = None

    @model_validator(mode="after")
    def _some_limit(self) -> SizeSettings:
        if self.max_bytes is None and self.max_ratio is None:
            raise ValueError("give max_bytes, max_ratio or both")
        return self


@check("size", SizeSettings)
def size(settings: SizeSettings, pair: Pair) -> Iterator[Finding]:
    """Sizes on the disk."""
    yield from both(
        "size", lambda: pair.baseline.facts.size_bytes, pair.candidate.facts.size_bytes, settings.max_bytes,
        settings.max_ratio, "max_bytes", "bytes", lambda value: shown(int(value)),
    )  # fmt: skip
