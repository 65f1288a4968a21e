"""Everything that may notice a fault, and which lines of the rules each of them reaches."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from types import FrameType
from typing import Any

from tests.fuzz import cases_options
from tests.fuzz.case import try_case
from tests.fuzz.draw import SeededDraw
from tests.fuzz.mutants import ROOT, TARGETS
from tests.fuzz.promises import InvalidGraphError, check_labels
from tests.fuzz.sideways import check_sideways
from tests.passes.op_case import Case
from tests.passes.test_op_contract import CASES, test_pruned_equals_masked

# Tests that take a fraction of a second each.
_MODULES = (
    "tests.passes.test_control_flow", "tests.passes.test_rewrite", "tests.passes.test_split_merge",
    "tests.passes.test_shape_patch", "tests.passes.test_networks", "tests.fuzz.test_regressions",
    "tests.fuzz.test_known",
)  # fmt: skip
_FILES = {str(ROOT / path): path for path in TARGETS}


@dataclass
class Check:
    """Something to run that raises when it notices a fault.

    Attributes:
        name: for reports.
        run: raises, or returns when all is well.
        lines: (file, line) of the rules that it passes through.
    """

    name: str
    run: Callable[[], None]
    lines: set[tuple[str, int]] = field(default_factory=set)


def contract_checks() -> Iterator[Check]:
    """The contract over every op rule."""
    for case in [*CASES, *cases_options.CASES]:
        yield Check(f"contract {case}", partial(_try_case, case))


def _try_case(case: Case) -> None:
    check_labels(case.analysed())
    test_pruned_equals_masked(case)
    if case.kernel and case.free:
        with suppress(InvalidGraphError):
            check_sideways(case)


def module_checks() -> Iterator[Check]:
    """Tests of single mechanisms, once for each set of parameters."""
    for name in _MODULES:
        module = importlib.import_module(name)
        for test, function in vars(module).items():
            if test.startswith("test_") and getattr(function, "__module__", "") == name:
                for number, given in enumerate(_parameters(function)):
                    yield Check(f"{name}.{test}-{number}", partial(function, **given))


def _parameters(function: Callable[..., None]) -> list[dict[str, Any]]:
    """What pytest would call the function with; nothing when it wants a fixture."""
    sets: list[dict[str, Any]] = [{}]
    for mark in getattr(function, "pytestmark", []):
        if mark.name in ("slow", "zoo"):
            return []
        if mark.name == "parametrize":
            names = mark.args[0].split(",") if isinstance(mark.args[0], str) else list(mark.args[0])
            values = [value if len(names) > 1 else (value,) for value in mark.args[1]]
            sets = [{**given, **dict(zip(map(str.strip, names), v, strict=True))} for given in sets for v in values]
    wanted = set(inspect.signature(function).parameters)
    return [given for given in sets if wanted == set(given)]


def graph_checks(count: int, seed: int) -> Iterator[Check]:
    """Random graphs."""
    for number in range(count):
        yield Check(f"graph {seed}-{number}", partial(_try_graph, seed, number))


def _try_graph(seed: int, number: int) -> None:
    outcome = try_case(SeededDraw(seed, number))
    if outcome.mismatch:
        raise AssertionError(outcome.mismatch)


def all_checks(graphs: int, seed: int = 0) -> list[Check]:
    """Every check that passes on the healthy rules, with the lines it reaches."""
    checks = [*contract_checks(), *module_checks(), *graph_checks(graphs, seed)]
    for check in checks:
        check.lines = _lines_of(check.run)
    return checks


def _lines_of(run: Callable[[], None]) -> set[tuple[str, int]]:
    seen: set[tuple[str, int]] = set()

    def local(frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            seen.add((_FILES[frame.f_code.co_filename], frame.f_lineno))
        return local

    def enter(frame: FrameType, event: str, argument: Any) -> Any:
        return local if frame.f_code.co_filename in _FILES else None

    before = sys.gettrace()
    sys.settrace(enter)
    try:
        run()
    finally:
        sys.settrace(before)
    return seen


def reaching(checks: Sequence[Check], path: str, line: int, last: int) -> list[Check]:
    """Checks that pass through one of the lines of a statement."""
    return [check for check in checks if any((path, n) in check.lines for n in range(line, last + 1))]
