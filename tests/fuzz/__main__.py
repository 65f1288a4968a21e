"""The long run: ``python -m tests.fuzz --minutes 10 --seed 0``."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import onnx

from tests.fuzz.case import Outcome, smallest, try_case
from tests.fuzz.draw import SeededDraw

LARGEST_INVALID_SHARE = 0.05


@dataclass
class Tally:
    """Counts of a run."""

    graphs: int = 0
    invalid: int = 0
    not_run: Counter[str] = field(default_factory=Counter)
    without_spaces: int = 0
    spaces: int = 0
    soft_spaces: int = 0
    atoms: int = 0
    removals: int = 0
    mismatches: list[str] = field(default_factory=list)
    blocks: Counter[str] = field(default_factory=Counter)
    ops: Counter[str] = field(default_factory=Counter)

    def add(self, outcome: Outcome) -> None:
        self.graphs += 1
        self.blocks.update(outcome.sample.blocks)
        self.ops.update({node.op_type for node in outcome.sample.proto.graph.node})
        found = outcome.found
        if outcome.not_run:
            self.not_run[outcome.not_run] += 1
        elif found is None:
            self.invalid += not outcome.mismatch
        if found is None:
            return
        self.spaces += found.spaces
        self.soft_spaces += found.soft_spaces
        self.atoms += found.atoms
        self.removals += found.removals
        self.without_spaces += not found.spaces

    def __str__(self) -> str:
        return (
            f"{self.graphs} graphs, {len(self.ops)} ops: {self.spaces} spaces ({self.soft_spaces} soft), {self.atoms} "
            f"atoms, {self.removals} removals, {self.without_spaces} graphs without a space, {self.invalid} invalid "
            f"({self.invalid / max(self.graphs, 1):.1%}), {self.not_run.total()} not run by the runtime, "
            f"{len(self.mismatches)} mismatches"
        )


def main(arguments: list[str] | None = None) -> int:
    """Run until the time or the number of graphs is spent; 1 if anything is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--graphs", type=int, default=sys.maxsize, help="stop after this many")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first graph, to repeat one")
    parser.add_argument("--out", type=Path, default=Path("build/fuzz"))
    given = parser.parse_args(arguments)
    logging.getLogger("onnx_graphsurgeon").setLevel(logging.ERROR)
    tally, end, shown = Tally(), time.monotonic() + 60 * given.minutes, time.monotonic()
    for number in range(given.first, given.first + given.graphs):
        if time.monotonic() >= end:
            break
        outcome = try_case(SeededDraw(given.seed, number))
        tally.add(outcome)
        if outcome.mismatch:
            tally.mismatches.append(report(outcome, given.out, given.seed, number))
        if time.monotonic() - shown > 60:
            shown = time.monotonic()
            print(tally, flush=True)
    print(tally)
    print("ops, by graphs that hold them:", ", ".join(f"{op} {n}" for op, n in tally.ops.most_common()))
    for why, count in tally.not_run.most_common():
        print(f"not run by the runtime ({count}): {why[:300]}")
    if tally.invalid + tally.not_run.total() > LARGEST_INVALID_SHARE * tally.graphs:
        print(f"more than {LARGEST_INVALID_SHARE:.0%} of the graphs prove nothing: repair the generator")
        return 1
    return int(bool(tally.mismatches))


def report(outcome: Outcome, folder: Path, seed: int, number: int) -> str:
    """Save the graph and the smallest like it; print how to repeat it."""
    small = smallest(outcome)
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"seed{seed}-{number}"
    onnx.save(outcome.sample.proto, folder / f"{stem}.onnx")
    onnx.save(small.sample.proto, folder / f"{stem}-small.onnx")
    text = (
        f"MISMATCH seed {seed}, graph {number}: {outcome.mismatch}\nsmallest: {small.mismatch}\n"
        f"{small.sample.describe()}\nchoices: {list(small.choices)}\n"
        f"repeat: python -m tests.fuzz --seed {seed} --first {number} --graphs 1\n"
    )
    (folder / f"{stem}.txt").write_text(text, encoding="utf-8")
    print(text, flush=True)
    return outcome.mismatch


if __name__ == "__main__":
    sys.exit(main())
