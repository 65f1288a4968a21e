"""``--eval path.py:function``: the user's own figure of a model file."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from numbers import Real
from pathlib import Path
from typing import Any, TypeAlias

from compressor.errors import UsageError

Evaluate: TypeAlias = Callable[[str], Any]
"""``function(path of an ONNX file)`` -> a number, or a dict of numbers by name."""


def figures(function: Evaluate, path: Path) -> dict[str, float | None]:
    """What the function says about a model file; a number alone is called "value", NaN becomes None.

    Raises:
        UsageError: it returned something else, or raised.
    """
    found = function(str(path))
    named = found if isinstance(found, Mapping) else {"value": found}
    wrong = [name for name, value in named.items() if not isinstance(value, Real) and not hasattr(value, "item")]
    if wrong or not named:
        name = getattr(function, "spec", None) or getattr(function, "__name__", "the function")
        raise UsageError(
            f"returned {type(found).__name__}", where=str(name), fix="Return a number, or a dict of numbers by name."
        )
    numbers = {str(name): float(value) for name, value in named.items()}
    return {name: value if math.isfinite(value) else None for name, value in numbers.items()}
