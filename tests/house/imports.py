"""What a piece of source imports, read from its syntax tree."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from dataclasses import dataclass

ROOT_PACKAGE = "compressor"
ROOT_NAMES = {"__version__"}  # what anybody may take from the root package itself


@dataclass(frozen=True)
class Import:
    """One imported module: its dotted name, the line, and whether importing the file imports it."""

    name: str
    line: int
    at_import_time: bool


def imports_of(tree: ast.Module, modules: Collection[str]) -> Iterator[Import]:
    """Every import in ``tree``, those in functions and type-checking blocks included.

    Args:
        tree: a parsed file.
        modules: the product's module names: ``from compressor.passes import labels`` is an import of
            ``compressor.passes.labels`` where that is a module, and of ``compressor.passes`` where it is not.
    """
    lazy = set(_lazy_nodes(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            # The bare root package is free for all: it holds nothing but the version and lazy names.
            names = [alias.name for alias in node.names if alias.name != ROOT_PACKAGE]
        elif isinstance(node, ast.ImportFrom):
            names = list(_from_names(node, modules))
        else:
            continue
        for name in names:
            yield Import(name, node.lineno, node not in lazy)


def _from_names(node: ast.ImportFrom, modules: Collection[str]) -> Iterator[str]:
    source = "." * node.level + (node.module or "")
    for alias in node.names:
        full = f"{source}.{alias.name}"
        if full in modules:
            yield full
        elif source == ROOT_PACKAGE and alias.name not in ROOT_NAMES:
            yield full  # the facade or a missing module: no floor is known for it, so the floors test names it
        elif source != ROOT_PACKAGE:
            yield source


def _lazy_nodes(tree: ast.Module) -> Iterator[ast.AST]:
    """Nodes that do not run when the file is imported: function bodies and ``if TYPE_CHECKING`` blocks."""
    for node in ast.walk(tree):
        for statement in _lazy_body(node):
            yield from ast.walk(statement)


def _lazy_body(node: ast.AST) -> list[ast.stmt]:
    match node:
        case ast.FunctionDef(body=body) | ast.AsyncFunctionDef(body=body):
            return body
        case ast.If(test=test, body=body) if ast.unparse(test).endswith("TYPE_CHECKING"):
            return body
    return []
