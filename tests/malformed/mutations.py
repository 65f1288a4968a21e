"""Mutations of files, as functions of a seed: of any bytes, and of what YAML and JSON hold."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import yaml

Bytes = Callable[[bytes, random.Random], bytes]
HUGE = (10**30, -(10**30), 2**63, -(2**63), 2**31, 1e308, -1e308, 10**400, 0, -1, 1e-300)
OTHERS: tuple[Any, ...] = (
    None,
    True,
    [],
    {},
    "",
    "x" * 5000,
    [[]],
    {"a": {"b": []}},
    "\x00\x1b[31m",
    "../../../etc/passwd",
    "\u2028",
    3.5,
)
DEPTH = 20_000


def flip(data: bytes, rng: random.Random) -> bytes:
    """A few bytes are others."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def truncate(data: bytes, rng: random.Random) -> bytes:
    """The end is missing."""
    return data[: rng.randrange(len(data))]


def insert(data: bytes, rng: random.Random) -> bytes:
    """Something foreign in the middle."""
    at = rng.randrange(len(data))
    return data[:at] + rng.randbytes(rng.choice((1, 4, 300))) + data[at:]


def repeat(data: bytes, rng: random.Random) -> bytes:
    """A piece is there twice."""
    start = rng.randrange(len(data))
    piece = data[start : start + rng.choice((5, 50, 500))]
    return data[:start] + piece + data[start:]


def blank(data: bytes, rng: random.Random) -> bytes:
    """A piece is zeros."""
    start, size = rng.randrange(len(data)), rng.choice((4, 40, 400))
    return data[:start] + bytes(min(size, len(data) - start)) + data[start + size :]


BYTES: tuple[Bytes, ...] = (flip, flip, truncate, insert, repeat, blank)


def tree_mutation(found: Any, rng: random.Random) -> Any:
    """Plain values with one change: another type, a huge number, a key gone, renamed or foreign, deep nesting."""
    changed = copy.deepcopy(found)
    places = list(_places(changed))
    holder, key = rng.choice(places)
    kind = rng.choice(("type", "type", "huge", "gone", "renamed", "foreign", "deep", "many"))
    if kind == "type":
        holder[key] = copy.deepcopy(rng.choice(OTHERS))
    elif kind == "huge":
        holder[key] = rng.choice(HUGE)
    elif kind == "gone":
        del holder[key]
    elif kind == "renamed" and isinstance(holder, dict):
        holder[f"{key}x"] = holder.pop(key)
    elif kind == "foreign" and isinstance(holder, dict):
        holder[rng.choice(("unheard", "", "__class__", "a" * 300))] = 1
    elif kind == "deep":
        holder[key] = _nested(60)
    else:
        holder[key] = [copy.deepcopy(holder[key])] * 3000
    return changed


def _places(found: Any) -> Iterator[tuple[Any, Any]]:
    entries: list[Any] = []
    if isinstance(found, dict):
        entries = list(found.items())
    elif isinstance(found, list):
        entries = list(enumerate(found))
    for key, value in entries:
        yield found, key
        yield from _places(value)


def _nested(depth: int) -> Any:
    found: Any = 1
    for level in range(depth):
        found = [found] if level % 2 else {"a": found}
    return found


def json_file(data: bytes, rng: random.Random) -> bytes:
    """A JSON document with one change."""
    kind = rng.randrange(10)
    if kind == 0:
        return b"[" * DEPTH
    if kind == 1:
        text = data.decode()
        return text.replace(rng.choice([c for c in text if c.isdigit()]), "9" * 5000, 1).encode()
    return json.dumps(tree_mutation(json.loads(data), rng)).encode()


def yaml_file(data: bytes, rng: random.Random) -> bytes:
    """A YAML document with one change, or with something that only YAML has."""
    special = (
        "[" * DEPTH, bomb(9), merges(11), "&a [*a]", "!!python/object/apply:os.system [echo]", "? [1]\n: 2",
        "%YAML 9.9\n---\n1",
        "--- a\n--- b", "a: " + "9" * 5000, "a: 2020-99-99", "\x00", "\ufeff", "a: !!timestamp x", "=: 1", "<<: 1", "",
    )  # fmt: skip
    if rng.randrange(4) == 0:
        text = rng.choice(special)
        return (data.decode() + "\n" + text if rng.randrange(2) else text).encode()
    text = str(yaml.safe_dump(tree_mutation(yaml.safe_load(data), rng), sort_keys=False))
    return text.encode()


def bomb(levels: int) -> str:
    """Aliases of aliases: ten to the power of ``levels`` values."""
    lines = ["z0: &z0 [x, x, x, x, x, x, x, x, x, x]"]
    return "\n".join(lines + [f"z{n}: &z{n} [{', '.join([f'*z{n - 1}'] * 10)}]" for n in range(1, levels)])


def merges(levels: int) -> str:
    """The same by merging."""
    lines = ["z0: &z0 {k: 1}"]
    return "\n".join(lines + [f"z{n}: &z{n} {{<<: [{', '.join([f'*z{n - 1}'] * 10)}]}}" for n in range(1, levels)])
