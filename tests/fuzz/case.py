"""One graph and its removals, from one seed or one list of choices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.fuzz.draw import Draw, ReplayDraw, shrink
from tests.fuzz.generate import Sample, generate
from tests.fuzz.promises import Found, InvalidGraphError, MismatchError, NotRunError, check


@dataclass(frozen=True)
class Outcome:
    """Of one case: counts, or a mismatch, or why the runtime does not run it, or none of them when invalid."""

    sample: Sample
    choices: tuple[int, ...]
    found: Found | None = None
    mismatch: str = ""
    not_run: str = ""


def try_case(draw: Draw) -> Outcome:
    """Generate and check."""
    sample = generate(draw)
    try:
        return Outcome(sample, tuple(draw.choices), check(sample.proto, draw))
    except NotRunError as error:
        return Outcome(sample, tuple(draw.choices), not_run=str(error))
    except InvalidGraphError:
        return Outcome(sample, tuple(draw.choices))
    except MismatchError as error:
        return Outcome(sample, tuple(draw.choices), mismatch=str(error))


def smallest(outcome: Outcome, *, tries: int = 400) -> Outcome:
    """The simplest case that still fails in the same stage."""
    stage = outcome.mismatch.partition(":")[0].split()[0]

    def fails(choices: Sequence[int]) -> bool:
        return try_case(ReplayDraw(choices)).mismatch.startswith(stage)

    return try_case(ReplayDraw(shrink(outcome.choices, fails, tries=tries)))
