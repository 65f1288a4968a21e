"""docs/reference.md is what the code says, and the code says enough: types, arguments, errors, shapes."""

from __future__ import annotations

import ast
import builtins
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest

import compressor
import compressor.bridge
import compressor.training
from compressor import errors
from compressor.cli_app import app
from compressor.registry import Registry
from tests import api_docstrings
from tests.api_reference import PAGE, entries, render
from tests.api_signatures import members, parameters, signature

PUBLIC = {name: thing for _, name, thing in entries()}
CALLABLES = {name: thing for name, thing in PUBLIC.items() if not isinstance(thing, Registry)}
MOST_BYTES = 200_000


def functions() -> Iterator[tuple[str, Any]]:
    """Public functions, and methods of public classes."""
    for name, thing in CALLABLES.items():
        if not inspect.isclass(thing):
            yield name, thing
            continue
        for member, found in members(thing):
            found = getattr(found, "fget", None) or getattr(found, "__func__", None) or getattr(found, "func", found)
            yield f"{name}.{member}", found


FUNCTIONS = dict(functions())


def described(thing: Any) -> str:
    return inspect.getdoc(thing) or ""


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), "run `make docs`"
    assert PAGE.stat().st_size < MOST_BYTES


@pytest.mark.parametrize("module", ["compressor", "compressor.bridge", "compressor.training"])
def test_all_that_packages_offer_is_on_the_page(module: str) -> None:
    package = importlib.import_module(module)
    offered = {getattr(package, name) for name in package.__all__ if not name.startswith("__")}
    assert offered <= set(CALLABLES.values())
    assert {name for name in package.__all__ if not hasattr(package, name)} == set()


def test_every_error_is_on_the_page() -> None:
    kinds = {kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, Exception)}
    assert kinds <= set(CALLABLES.values())


def test_lazy_names_agree_with_what_type_checkers_see() -> None:
    """``_API`` loads what ``if TYPE_CHECKING`` imports."""
    for package in (compressor, compressor.bridge, compressor.training):
        seen = set()
        for node in ast.walk(ast.parse(inspect.getsource(package))):
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                imports = (part for part in node.body if isinstance(part, ast.ImportFrom))
                seen |= {alias.asname or alias.name for part in imports for alias in part.names}
        assert seen - {"Any"} == set(package._API) == set(package.__all__) - {"__version__"}


COMMANDS = {
    "compress": "compress", "inspect": "inspect", "sparsify": "sparsify", "finetune": "finetune", "verify": "verify",
    "bench": "bench", "why": "explain", "gate": "run_gate", "report": "make_report", "export": "export",
    "demo": "run_demo", "doctor": "examine", "table": "make_table", "init": "write_recipe", "run": "run_recipe",
    "study": "run_study", "check": "check_file",
}  # fmt: skip


def test_every_command_is_a_function_too() -> None:
    import typer

    command: Any = typer.main.get_command(app)
    assert set(command.commands) == set(COMMANDS)
    assert all(callable(getattr(compressor, function)) for function in COMMANDS.values())


@pytest.mark.parametrize("name", CALLABLES)
def test_it_has_a_docstring(name: str) -> None:
    thing = CALLABLES[name]
    assert len(described(thing)) > 10
    if inspect.isclass(thing):
        # A dataclass without one says its signature.
        assert not described(thing).startswith(f"{thing.__name__}(")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_its_types_are_written(name: str) -> None:
    found = inspect.signature(FUNCTIONS[name])
    untyped = [one.name for one in parameters(FUNCTIONS[name]) or [] if one.annotation is one.empty]
    assert untyped == []
    assert found.return_annotation is not found.empty
    assert described(FUNCTIONS[name])


@pytest.mark.parametrize("name", [name for name in CALLABLES if not inspect.isclass(CALLABLES[name])])
def test_every_argument_is_described(name: str) -> None:
    """In "Args:", or by its name in the text, for functions of one or two that need no list."""
    thing = CALLABLES[name]
    doc, names = described(thing), [one.name for one in parameters(thing) or []]
    groups = (group.replace("*", "") for group, _ in api_docstrings.entries(doc, "Args"))
    listed = {part for group in groups for part in re.split(r",\s*", group)}
    assert listed <= set(names), "arguments that are not there"
    missing = [one for one in names if one not in listed and not re.search(rf"\b{one}\b", doc)]
    assert missing == [] or (not listed and len(names) <= 2)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_errors_are_told(name: str) -> None:
    """What a function raises itself is in its docstring, and what is there exists."""
    thing = FUNCTIONS[name]
    doc = described(thing)
    told = {kind for group, _ in api_docstrings.entries(doc, "Raises") for kind in re.findall(r"\w+", group)}
    known = {*vars(errors), *vars(builtins)} | {"LockError", "LoweringError", "TrainingError"}
    assert told <= known
    raised = {
        node.exc.func.id
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(thing))))
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name)
    }
    assert "CompressorError" in told or {kind for kind in raised if kind[0].isupper() and kind not in doc} == set()


ARRAYS = re.compile(r"\b(NDArray|Array|Scores|Labels|Tensor)\b")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_arrays_have_shapes(name: str) -> None:
    """A function that takes or gives an array itself says of which shape."""
    found = inspect.signature(FUNCTIONS[name])
    plain = [str(one.annotation) for one in found.parameters.values()] + [str(found.return_annotation)]
    if any(ARRAYS.match(text) or "tuple[NDArray" in text for text in plain):
        owner = CALLABLES.get(name.rpartition(".")[0])
        assert "[" in described(FUNCTIONS[name]) + described(owner)


UNITS = re.compile(r"(^|_)(time|duration|latency|memory|timeout)$")


@pytest.mark.parametrize("name", CALLABLES)
def test_quantities_have_units_in_their_names(name: str) -> None:
    """`min_time_s`, `median_ms`, `size_bytes`; a share (of the original) has none."""
    numbers = (one for one in parameters(CALLABLES[name]) or [] if re.match("float|int", str(one.annotation)))
    wrong = [one.name for one in numbers if UNITS.search(one.name)]
    assert all(re.search("share", described(CALLABLES[name])) for _ in wrong)


def test_signatures_are_written_as_code() -> None:
    def short(a: int, /, b: str = "x", *, c: float = 1.0) -> None: ...

    assert signature(short, "short") == ["def short(a: int, /, b: str = 'x', *, c: float = 1.0) -> None"]
    for thing in CALLABLES.values():
        text = "\n".join(signature(thing, "name")) + ("" if inspect.isclass(thing) else ":")
        ast.parse(text.rstrip(":").replace("class name", "def name") + (": ..." if "(" in text else "(): ..."))


def test_docstrings_become_markdown() -> None:
    doc = """What it *does* with ``a < b``.

    code(x)

Args:
    one: is a
        long text.
    two, three: others.

Raises:
    UsageError: wrong.
"""
    assert "\n".join(api_docstrings.markdown(inspect.cleandoc(doc))).split("\n") == [
        "What it \\*does\\* with `a < b`.", "", "", "```text", "code(x)", "```", "",
        "", "*Args:*", "", "- `one`: is a long text.", "- `two, three`: others.",
        "", "*Raises:*", "", "- `UsageError`: wrong.",
    ]  # fmt: skip
