"""The share of injected faults that some check notices: ``python -m tests.fuzz.mutation``."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

from tests.fuzz.checks import Check, all_checks, reaching
from tests.fuzz.equivalent import EQUIVALENT
from tests.fuzz.mutants import TARGETS, Mutant, find_mutants, injected

LEAST_CAUGHT_SHARE = 0.95
_SECONDS_EACH = 20


class StuckError(Exception):
    """A fault that makes a rule run on."""


@dataclass
class Score:
    """Outcome by file."""

    caught: Counter[str] = field(default_factory=Counter)
    total: Counter[str] = field(default_factory=Counter)
    equivalent: int = 0
    survivors: list[str] = field(default_factory=list)

    @property
    def share(self) -> float:
        return sum(self.caught.values()) / max(sum(self.total.values()), 1)

    def __str__(self) -> str:
        rows = [
            f"{path:32} {self.caught[path]:4} of {n:4}  {self.caught[path] / n:6.1%}" for path, n in self.total.items()
        ]
        rows.append(f"{'all':32} {sum(self.caught.values()):4} of {sum(self.total.values()):4}  {self.share:6.1%}")
        rows.append(f"{self.equivalent} more change nothing that can be observed (tests/fuzz/equivalent.py)")
        return "\n".join([*rows, *(f"survived: {line}" for line in self.survivors)])


def main(arguments: list[str] | None = None) -> int:
    """Inject every fault in turn; 1 when too few are caught."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.mutation", description=__doc__)
    parser.add_argument("--graphs", type=int, default=250, help="random graphs to check with")
    parser.add_argument("--most-graphs", type=int, default=12, help="random graphs tried on one fault")
    parser.add_argument("--only", default="", help="part of a file's name or of a function's")
    given = parser.parse_args(arguments)
    logging.getLogger("onnx_graphsurgeon").setLevel(logging.CRITICAL)
    warnings.simplefilter("ignore")
    start = time.monotonic()
    checks = all_checks(given.graphs)
    print(f"{len(checks)} checks pass on the healthy rules ({time.monotonic() - start:.0f} s)", flush=True)
    mutants = [m for path in TARGETS for m in find_mutants(path) if given.only in f"{m.path} {m.function}"]
    score = run(mutants, checks, given.most_graphs)
    print(score)
    print(f"{len(mutants)} faults in {time.monotonic() - start:.0f} s")
    return int(score.share < LEAST_CAUGHT_SHARE)


def run(mutants: Sequence[Mutant], checks: Sequence[Check], most_graphs: int) -> Score:
    """Score of all mutants."""
    score = Score()
    for mutant in mutants:
        killer = _killer(mutant, checks, most_graphs)
        if killer is None and _is_equivalent(mutant):
            score.equivalent += 1
            continue
        score.total[mutant.path] += 1
        if killer is None:
            score.survivors.append(str(mutant))
        else:
            score.caught[mutant.path] += 1
    return score


def _is_equivalent(mutant: Mutant) -> bool:
    return any(mutant.function == function and text in f"{mutant.kind} {mutant.text}" for function, text in EQUIVALENT)


def _killer(mutant: Mutant, checks: Sequence[Check], most_graphs: int) -> str | None:
    """The first check that notices, or None."""
    found = reaching(checks, mutant.path, mutant.line, mutant.line)
    tests = [check for check in found if not check.name.startswith("graph")]
    graphs = [check for check in found if check.name.startswith("graph")][:most_graphs]
    for check in [*tests, *graphs]:
        with injected(mutant), _limit(_SECONDS_EACH):
            try:
                check.run()
            except Exception:  # whatever it raises, it was noticed
                return check.name
    return None


@contextmanager
def _limit(seconds: int) -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise StuckError(f"more than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


if __name__ == "__main__":
    sys.exit(main())
