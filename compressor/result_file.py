"""JSON results from disk, which nobody vouches for: an object of sane depth and size, or one line of why not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from compressor.errors import EnvironmentProblem, UsageError

MOST_BYTES = 1 << 30
_DEEPEST = 64


def read_result(path: Path, fix: str) -> dict[str, Any]:
    """The object that a JSON file holds.

    Args:
        path: of the file.
        fix: what to do where it is none.

    Raises:
        UsageError: missing, no JSON (NaN and infinity are none), no object, too large or too deep.
        EnvironmentProblem: the system does not let us read it.
    """
    where = str(path)
    try:
        if not path.is_file():
            raise UsageError("no such file", where=where, fix="Check the path.")
        if path.stat().st_size > MOST_BYTES:
            raise UsageError(f"has more than {MOST_BYTES:,} bytes: no result is so large", where=where)
        found = json.loads(path.read_bytes(), parse_constant=_no_constant)
    except OSError as error:
        raise EnvironmentProblem(f"cannot be read: {error.strerror}", where=where, fix="Check the disk.") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"is no JSON: {error}"[:300], where=where, fix=fix) from error
    if not isinstance(found, dict) or _too_deep(found):
        raise UsageError("is no result", where=where, fix=fix)
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _too_deep(found: Any) -> bool:
    """Without recursion: depth is what is in doubt."""
    level = [found]
    for _ in range(_DEEPEST):
        parts = [one.values() if isinstance(one, dict) else one for one in level]
        level = [value for part in parts for value in part if isinstance(value, dict | list)]
        if not level:
            return False
    return True
