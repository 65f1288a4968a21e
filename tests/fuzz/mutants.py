"""Faults for the op rules and rewrite rules: one small change of a function's code at a time."""

from __future__ import annotations
import __future__

import ast
import copy
import importlib
import types
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
# What the rules are made of: the rules themselves, and what they share.
TARGETS = (
    *sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / "passes" / "ops").glob("*.py") if p.stem != "__init__"),
    "passes/heads.py", "passes/split_merge.py", "passes/rewrite_rules.py", "passes/shape_patch.py",
)  # fmt: skip
# Statements that say something about labels or sizes.
_SAYS = {
    "unify", "contract", "soft", "pin", "pin_all", "set_attr", "set_input", "drop_attr", "select", "set_target_shape",
    "freeze_output_value",
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One fault.

    Attributes:
        path: of the file, from the repository's root.
        function: "name" or "Class.name".
        line: where the fault is.
        kind: "drop", "negate" or "shift".
        text: the code before and, where it is not simply gone, after.
        code: the function's new code.
    """

    path: str
    function: str
    line: int
    kind: str
    text: str
    code: types.CodeType

    def __str__(self) -> str:
        return f"{self.path}:{self.line} {self.function}: {self.kind} {self.text}"


def find_mutants(path: str) -> Iterator[Mutant]:
    """Every fault of one file."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"), path)
    for owner in tree.body:
        if isinstance(owner, ast.FunctionDef):
            yield from _of_function(path, owner, owner.name)
        elif isinstance(owner, ast.ClassDef):
            for method in owner.body:
                if isinstance(method, ast.FunctionDef):
                    yield from _of_function(path, method, f"{owner.name}.{method.name}")


def _of_function(path: str, written: ast.FunctionDef, name: str) -> Iterator[Mutant]:
    function = copy.deepcopy(written)
    function.decorator_list = []
    counting = {id(node) for call in ast.walk(function) if _is_count(call) for node in ast.walk(call)}
    for number, place in enumerate(ast.walk(function)):
        if id(place) in counting:
            continue
        for kind, text, change in _changes(place):
            twin = copy.deepcopy(function)
            change(list(ast.walk(twin))[number])
            module = ast.fix_missing_locations(ast.Module([twin], []))
            flags = __future__.annotations.compiler_flag
            code = _function_code(compile(module, str(ROOT / path), "exec", flags), function.name)
            yield Mutant(path, name, getattr(place, "lineno", function.lineno), kind, text, code)


def _is_count(node: ast.AST) -> bool:
    """MACs are a count for reports, which tests/passes/test_cost.py holds against known numbers."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "macs"


def _function_code(module: types.CodeType, name: str) -> types.CodeType:
    return next(c for c in module.co_consts if isinstance(c, types.CodeType) and c.co_name == name)


def _changes(place: ast.AST) -> Iterator[tuple[str, str, Any]]:
    """(kind, text, what to do with the twin's node) of each fault at one node."""
    if isinstance(place, ast.Expr) and _is_saying(place):
        yield "drop", ast.unparse(place), _drop
    if isinstance(place, ast.If | ast.IfExp):
        yield "negate", ast.unparse(place.test), _negate
    if isinstance(place, ast.Subscript):
        for number, value, sign in _numbers(place.slice):
            # Not between 0 and -1: on a single axis both are the same one.
            for step in {0: (1,), -1: (-1,)}.get(value, (1, -1)):
                yield "shift", f"{ast.unparse(place)} by {step:+d}", partial(_shift, number=number, step=sign * step)


def _is_saying(statement: ast.Expr) -> bool:
    if not isinstance(statement.value, ast.Call):
        return False
    called = statement.value.func
    name = called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""
    # A plain name is a helper that speaks for the rule: _spatial, _follow, pin_mask, tie_conv ...
    return name in _SAYS or isinstance(called, ast.Name)


def _drop(node: Any) -> None:
    node.value = ast.copy_location(ast.Constant(None), node.value)


def _negate(node: Any) -> None:
    node.test = ast.copy_location(ast.UnaryOp(ast.Not(), node.test), node.test)


def _numbers(index: ast.expr) -> list[tuple[int, int, int]]:
    """The integers in a subscript: their places in the walk, their values, and the sign written before them."""
    nodes = list(ast.walk(index))
    negated = {id(n.operand) for n in nodes if isinstance(n, ast.UnaryOp) and isinstance(n.op, ast.USub)}
    return [
        (i, -n.value, -1) if id(n) in negated else (i, n.value, 1)
        for i, n in enumerate(nodes)
        if isinstance(n, ast.Constant) and type(n.value) is int
    ]


def _shift(node: Any, number: int, step: int) -> None:
    constant = list(ast.walk(node.slice))[number]
    assert isinstance(constant, ast.Constant)
    assert isinstance(constant.value, int)
    constant.value += step


@contextmanager
def injected(mutant: Mutant) -> Iterator[None]:
    """The fault, for a while: the function object stays, so every table that holds it has the fault."""
    function = _function(mutant)
    before = function.__code__
    function.__code__ = mutant.code
    try:
        yield
    finally:
        function.__code__ = before


def _function(mutant: Mutant) -> types.FunctionType:
    module = importlib.import_module("compressor." + mutant.path.removesuffix(".py").replace("/", "."))
    found: Any = module
    for part in mutant.function.split("."):
        found = vars(found)[part]
    while not isinstance(found, types.FunctionType):  # property, classmethod, staticmethod
        found = found.fget if isinstance(found, property) else found.__func__
    return found
