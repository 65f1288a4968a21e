"""Lets a checkout run with nothing installed.

In an installed package ``compressor.passes``, ``.backends`` and ``.models`` are folders inside
``compressor``. In a checkout they are its siblings; this finder maps the names there.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

_ROOT = Path(__file__).resolve().parent.parent
_SIBLINGS = {f"compressor.{folder}": _ROOT / folder for folder in ("passes", "backends", "models")}


class CheckoutFinder:
    """Meta-path finder for the three sibling packages."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """The spec of a sibling package; None for every other name, sub-modules included."""
        folder = _SIBLINGS.get(name)
        if folder is None:
            return None
        return spec_from_file_location(name, folder / "__init__.py", submodule_search_locations=[str(folder)])


def install() -> None:
    """Activate the finder if, and only if, this is a checkout; a second call changes nothing."""
    is_checkout = (_ROOT / "pyproject.toml").is_file() and all(path.is_dir() for path in _SIBLINGS.values())
    if is_checkout and CheckoutFinder not in sys.meta_path:
        # First, so that this checkout keeps its own folders where another one is installed in editable mode.
        sys.meta_path.insert(0, CheckoutFinder)
