"""GitHub's ``${{ expressions }}``: names, strings, numbers, ``! == != && ||``, and functions without arguments.

Source: docs.github.com, "Evaluate expressions in workflows and actions". Stricter than GitHub in one way: a name that
nobody defines is an error there would be an empty string for.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+(?:\.\d+)?)|(?P<name>[A-Za-z_][\w-]*)|(?P<mark>&&|\|\||==|!=|[!().]))"
)
_EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_WORDS = {"true": True, "false": False, "null": None}

Functions = Mapping[str, Callable[[], Any]]


class ExpressionError(ValueError):
    """It cannot be parsed, or names what is not there."""


def interpolated(text: str, contexts: Mapping[str, Any], functions: Functions | None = None) -> str:
    """``text`` with every expression replaced by its value."""
    return _EXPRESSION.sub(lambda match: shown(evaluate(match[1], contexts, functions)), text)


def expressions_in(text: str) -> list[str]:
    """The expressions, without their braces."""
    return [match[1].strip() for match in _EXPRESSION.finditer(text)]


def bare(text: str) -> str:
    """A condition without the braces it may have."""
    match = _EXPRESSION.fullmatch(text.strip())
    return match[1] if match else text


def names_in(text: str) -> set[str]:
    """Dotted names and functions of an expression."""
    return set(re.findall(r"[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*", re.sub(r"'(?:[^']|'')*'", "", text)))


def evaluate(text: str, contexts: Mapping[str, Any], functions: Functions | None = None) -> Any:
    """The value of one expression.

    Raises:
        ExpressionError: it cannot be parsed, or names what is not there.
    """
    parser = _Parser(list(_tokens(text)), contexts, functions or {})
    value = parser.either()
    if parser.tokens:
        raise ExpressionError(f"{text!r}: {parser.tokens[0][1]!r} is too much")
    return value


def truthy(value: Any) -> bool:
    """What counts as true."""
    return not (value is None or value is False or value == "" or value == 0)


def shown(value: Any) -> str:
    """A value inside a text."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def equal(a: Any, b: Any) -> bool:
    """Texts compare without case; of different types, numbers are compared."""
    if isinstance(a, str) and isinstance(b, str):
        return a.lower() == b.lower()
    if type(a) is type(b):
        return bool(a == b)
    return _number(a) == _number(b)


def _number(value: Any) -> float:
    if value is None or value == "":
        return 0.0
    try:
        return float(value)
    except ValueError:
        return math.nan


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    position, text = 0, text.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise ExpressionError(f"{text!r} cannot be read from {text[position:]!r} on")
        yield match.lastgroup, match[match.lastgroup]
        position = match.end()


class _Parser:
    """Recursive descent; both sides are always evaluated, for nothing has side effects."""

    def __init__(self, tokens: list[tuple[str, str]], contexts: Mapping[str, Any], functions: Functions) -> None:
        self.tokens = tokens
        self._contexts = contexts
        self._functions = functions

    def either(self) -> Any:
        value = self._both()
        while self._take("||"):
            other = self._both()
            value = value if truthy(value) else other
        return value

    def _both(self) -> Any:
        value = self._comparison()
        while self._take("&&"):
            other = self._comparison()
            value = other if truthy(value) else value
        return value

    def _comparison(self) -> Any:
        value = self._negation()
        while True:
            if self._take("=="):
                value = equal(value, self._negation())
            elif self._take("!="):
                value = not equal(value, self._negation())
            else:
                return value

    def _negation(self) -> Any:
        return not truthy(self._negation()) if self._take("!") else self._operand()

    def _operand(self) -> Any:
        if self._take("("):
            value = self.either()
            self._need(")")
            return value
        kind, text = self.tokens.pop(0) if self.tokens else ("", "")
        if kind == "text":
            return text[1:-1].replace("''", "'")
        if kind == "number":
            return float(text) if "." in text else int(text)
        if kind != "name":
            raise ExpressionError(f"a value is missing before {text!r}")
        if self._take("("):
            self._need(")")
            return self._function(text)
        return _WORDS[text] if text in _WORDS else self._property(text)

    def _function(self, name: str) -> Any:
        if name not in self._functions:
            raise ExpressionError(f"there is no function {name}")
        return self._functions[name]()

    def _property(self, name: str) -> Any:
        value: Any = self._contexts
        path = name
        while True:
            last = path.rpartition(".")[2]
            if not isinstance(value, Mapping) or last not in value:
                raise ExpressionError(f"nobody defines {path}")
            value = value[last]
            if not self._take("."):
                return value
            kind, part = self.tokens.pop(0) if self.tokens else ("", "")
            if kind != "name":
                raise ExpressionError(f"{path}.{part} is no name")
            path = f"{path}.{part}"

    def _take(self, mark: str) -> bool:
        if self.tokens and self.tokens[0] == ("mark", mark):
            self.tokens.pop(0)
            return True
        return False

    def _need(self, mark: str) -> None:
        if not self._take(mark):
            raise ExpressionError(f"{mark} is missing")
