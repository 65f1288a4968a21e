"""How functions and classes of the public API are written on its page."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from functools import cached_property
from typing import Any

WIDTH = 110


def signature(thing: Any, name: str) -> list[str]:
    """Lines of code: what can be given, with types and defaults."""
    kind = "class" if inspect.isclass(thing) else "def"
    found = parameters(thing)
    if found is None:
        return [f"class {name}{_bases(thing)}"]
    returned = inspect.signature(thing).return_annotation if kind == "def" else inspect.Signature.empty
    end = "" if returned is inspect.Signature.empty else f" -> {annotation(returned)}"
    written = list(_written(found))
    line = f"{kind} {name}({', '.join(written)}){end}"
    if len(line) <= WIDTH:
        return [line]
    return [f"{kind} {name}(", *(f"    {one}," for one in written), f"){end}"]


def parameters(thing: Any) -> list[inspect.Parameter] | None:
    """What a function or a class takes, without self; None for a class that nobody calls."""
    if inspect.isclass(thing) and (thing.__init__ is object.__init__ or getattr(thing, "_is_protocol", False)):
        return None
    own = inspect.signature(thing.__init__ if inspect.isclass(thing) else thing).parameters.values()
    return [one for one in own if one.name not in ("self", "cls")]


def members(kind: type) -> Iterator[tuple[str, Any]]:
    """Public functions and properties that a class defines itself, in order; ``to_json`` is the same everywhere."""
    for name, thing in vars(kind).items():
        described = inspect.isfunction(thing) or isinstance(thing, property | cached_property | classmethod)
        if described and (not name.startswith("_") or name == "__call__") and name != "to_json":
            yield name, thing


def annotation(found: Any) -> str:
    """As the source has it."""
    return found.strip("'\"") if isinstance(found, str) else getattr(found, "__name__", str(found))


def _bases(kind: type) -> str:
    named = [base.__name__ for base in kind.__bases__ if base not in (object,)]
    return f"({', '.join(named)})" if named else ""


def _written(found: list[inspect.Parameter]) -> Iterator[str]:
    before: inspect.Parameter | None = None
    for one in found:
        if before is not None and before.kind is one.POSITIONAL_ONLY and one.kind is not one.POSITIONAL_ONLY:
            yield "/"
        starred = before is not None and before.kind in (one.KEYWORD_ONLY, one.VAR_POSITIONAL)
        if one.kind is one.KEYWORD_ONLY and not starred:
            yield "*"
        yield _parameter(one)
        before = one
    if before is not None and before.kind is before.POSITIONAL_ONLY:
        yield "/"


def _parameter(one: inspect.Parameter) -> str:
    text = f"{_PREFIX.get(one.kind, '')}{one.name}"
    if one.annotation is not one.empty:
        text += f": {annotation(one.annotation)}"
    return text if one.default is one.empty else f"{text} = {_default(one.default)}"


_PREFIX: dict[Any, str] = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}


def _default(value: Any) -> str:
    """Numbers and texts as they are; what is longer, or made anew each time, as "..."."""
    text = repr(value)
    return text if isinstance(value, _PLAIN) or text in ("()", "(0.0,)") else "..."


_PLAIN = (bool, int, float, str, type(None))
