"""Rows of a long benchmark in a file, each written as soon as it is there: what was cut short goes on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

Row: TypeAlias = dict[str, Any]


class KeptRows:
    """Rows known by some of their entries.

    Args:
        path: the file, made with the first row; delete it to start anew.
        keys: the entries that tell rows apart.
    """

    def __init__(self, path: Path, keys: Sequence[str]) -> None:
        self._path, self._keys = path, tuple(keys)
        self.rows: list[Row] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []

    def find(self, *values: Any) -> Row | None:
        """The row with these values of the keys."""
        return next((row for row in self.rows if tuple(row[key] for key in self._keys) == values), None)

    def has(self, *values: Any) -> bool:
        """Whether the row is there."""
        return self.find(*values) is not None

    def add(self, row: Row) -> bool:
        """Keep a row, unless one like it is there; whether it is new."""
        if self.has(*(row[key] for key in self._keys)):
            return False
        self.rows.append(row)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(self.rows, indent=1) + "\n", encoding="utf-8")
        return True
