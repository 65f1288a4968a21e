"""Files of settings that people write (recipes, policies): YAML or JSON in, checked models or one line of why out."""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from compressor.errors import UsageError

MOST_BYTES = 256 << 10
MOST_VALUES = 100_000
"""With what YAML's aliases repeat counted as often as it is there: a few lines can stand for billions."""
_SHOWN = 3

_Model = TypeVar("_Model", bound=BaseModel)


class Part(BaseModel):
    """A block of settings; unknown keys are refused with the nearest known one, and so are infinity and NaN."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, found: Any) -> Any:
        if isinstance(found, dict):
            known = list(cls.model_fields)
            for key in found:
                if key not in known:
                    near = difflib.get_close_matches(str(key), known, n=1)
                    hint = f"did you mean {near[0]!r}? " if near else ""
                    raise ValueError(f"unknown key {_short(key)}; {hint}known: {', '.join(known)}")
        return found

    def names_files(self) -> list[str]:
        """Files and user code (``path.py:function``) that the settings name, as they are written there."""
        return []


def read_settings(path: Path, kind: str) -> dict[str, Any]:
    """What a .json file, or else a YAML file, holds: keys and values.

    Args:
        path: the file.
        kind: what it is to be, for messages ("recipe").

    Raises:
        UsageError: unreadable, neither YAML nor JSON, a key given twice, or too large.
    """
    where = str(path)
    try:
        if not path.is_file():
            raise UsageError(
                f"no such {kind}" if not path.exists() else "is no file", where=where, fix="Check the path."
            )
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise UsageError(f"has {size:,} bytes, too many for a {kind}", where=where)
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:  # a null byte in the path, or bytes that are no text
        raise UsageError(f"cannot be read: {error}", where=where) from error
    found = parse_settings(text, where, json_only=path.suffix == ".json")
    if not isinstance(found, dict):
        raise UsageError(f"is no {kind}", where=where, fix="Give keys and values.")
    return found


def parse_settings(text: str, where: str, *, json_only: bool = False) -> Any:
    """Plain values from YAML or JSON.

    Raises:
        UsageError: it is neither, gives a key twice, or holds more than ``MOST_VALUES``.
    """
    language = "JSON" if json_only else "YAML"
    try:
        found = json.loads(text, object_pairs_hook=_once) if json_only else yaml.load(text, _Loader)
    except RecursionError as error:
        raise UsageError(f"is no {language} that can be read: it is nested too deeply", where=where) from error
    except (yaml.YAMLError, ValueError, TypeError, OverflowError) as error:
        raise UsageError(f"is no {language}: {' '.join(str(error).split())[:300]}", where=where) from error
    _check_size(found, where)
    return found


def validated(model: type[_Model], found: Any, where: str) -> _Model:
    """``found`` as a checked model.

    Raises:
        UsageError: it does not fit; tells the first few places and what is wrong there.
    """
    try:
        return model.model_validate(found)
    except ValidationError as error:
        raise UsageError("; ".join(_complaint(entry) for entry in error.errors()[:_SHOWN]), where=where) from error


def _complaint(entry: Any) -> str:
    place = ".".join(str(part)[:80] for part in entry["loc"])
    message = str(entry["msg"]).removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML is not typed
    """YAML's plain types. A key given twice is an error instead of the last one winning; no tags, no merging."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """See yaml.composer.Composer."""
        event = self.peek_event()
        if getattr(event, "tag", None) is not None:
            raise yaml.composer.ComposerError(None, None, f"tag {event.tag!r}: write plain values", event.start_mark)
        composed: yaml.Node | None = super().compose_node(parent, index)
        return composed

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Merged into each other, a few lines become billions before anybody can count them."""
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                raise yaml.constructor.ConstructorError(None, None, "'<<' is not taken: repeat it", key.start_mark)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """See yaml.constructor.SafeConstructor."""
        found: dict[Any, Any] = super().construct_mapping(node, deep=True)
        if len(found) < len(node.value):
            raise yaml.constructor.ConstructorError(None, None, "a key is given twice", node.start_mark)
        return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is given twice")
    return found


def _check_size(found: Any, where: str) -> None:
    """Refuse what YAML's aliases make endless or huge."""
    sizes: dict[int, int] = {}
    stack: list[tuple[Any, bool]] = [(found, False)]
    while stack:
        value, done = stack.pop()
        if not isinstance(value, dict | list | tuple | set):
            continue
        inner = [*value.keys(), *value.values()] if isinstance(value, dict) else list(value)
        if done:
            sizes[id(value)] = 1 + sum(sizes.get(id(one), 1) for one in inner)
        elif id(value) not in sizes:
            sizes[id(value)] = MOST_VALUES + 1  # what holds itself finds this
            stack.append((value, True))
            stack += [(one, False) for one in inner]
        if sizes[id(value)] > MOST_VALUES and done:
            raise UsageError(f"holds more than {MOST_VALUES:,} values, or itself", where=where)


def _short(key: Any) -> str:
    shown = repr(key)
    return shown if len(shown) <= 80 else f"{shown[:80]}..."
