"""``opset``: the version of ONNX's operators that the candidate asks for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field, model_validator

from compressor.gate.check import check
from compressor.gate.finding import Finding
from compressor.gate.pair import Pair
from compressor.gate.settings_types import Positive
from compressor.settings import Part


class OpsetSettings(Part):
    """Versions, of ONNX's own domain unless another is named.

    Attributes:
        min, max: the oldest and the newest allowed.
        domain: "" is ONNX's own.
    """

    min: Positive | None = None
    max: Positive | None = None
    domain: Annotated[str, Field(max_length=1000)] = ""

    @model_validator(mode="after")
    def _some_limit(self) -> OpsetSettings:
        if self.min is None and self.max is None:
            raise ValueError("give min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min} is above max {self.max}")
        return self


@check("opset", OpsetSettings)
def opset(settings: OpsetSettings, pair: Pair) -> Iterator[Finding]:
    """The candidate's operator set."""
    domain = "" if settings.domain == "ai.onnx" else settings.domain
    version = pair.candidate.facts.opsets.get(domain)
    if version is None:
        yield Finding("opset", "domain", "pass", f"the candidate uses no operators of {domain or 'ai.onnx'}")
        return
    for rule, limit, kept in (
        ("min", settings.min, settings.min is None or version >= settings.min),
        ("max", settings.max, settings.max is None or version <= settings.max),
    ):
        if limit is not None:
            words = f"opset {version} is {'not ' if not kept else ''}{'from' if rule == 'min' else 'up to'} {limit}"
            yield Finding(
                "opset", rule, "pass" if kept else "fail", words, candidate=version, value=version, limit=limit
            )  # fmt: skip
