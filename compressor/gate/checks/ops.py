"""``ops``: which operators the candidate may contain."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import model_validator

from compressor.gate.check import check
from compressor.gate.finding import Finding
from compressor.gate.pair import Pair
from compressor.gate.settings_types import Names
from compressor.settings import Part

_MOST_NAMED = 10


class OpsSettings(Part):
    """Operators, as "Conv", or "com.microsoft::Gelu" outside ONNX's own domain.

    Attributes:
        allowed: nothing else may occur.
        forbidden: none of these may occur.
        only_those_of_baseline: nothing may occur that the baseline does not have.
    """

    allowed: Names | None = None
    forbidden: Names | None = None
    only_those_of_baseline: bool = False

    @model_validator(mode="after")
    def _some_limit(self) -> OpsSettings:
        if self.allowed is None and self.forbidden is None and not self.only_those_of_baseline:
            raise ValueError("give allowed, forbidden or only_those_of_baseline")
        return self


@check("ops", OpsSettings)
def ops(settings: OpsSettings, pair: Pair) -> Iterator[Finding]:
    """Operators of the candidate, bodies and functions included."""
    has = pair.candidate.facts.ops
    if settings.allowed is not None:
        yield _finding("allowed", has, set(has) - set(map(_plain, settings.allowed)))
    if settings.forbidden is not None:
        yield _finding("forbidden", has, set(has) & set(map(_plain, settings.forbidden)))
    if settings.only_those_of_baseline:
        yield _finding("only_those_of_baseline", has, set(has) - set(pair.baseline.facts.ops))


def _plain(name: str) -> str:
    return name.removeprefix("ai.onnx::")


def _finding(rule: str, has: dict[str, int], wrong: set[str]) -> Finding:
    named = [f"{has[name]} {name}" for name in sorted(wrong)]
    more = f" and {len(named) - _MOST_NAMED} more kinds" if len(named) > _MOST_NAMED else ""
    words = {"allowed": "not allowed", "forbidden": "forbidden"}.get(rule, "not in the baseline")
    reason = f"{words}: {', '.join(named[:_MOST_NAMED])}{more}" if wrong else f"{len(has)} kinds of ops, none {words}"
    return Finding("ops", rule, "fail" if wrong else "pass", reason, details={"ops": sorted(wrong)})
