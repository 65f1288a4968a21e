"""The product's modules as they lie on disk, under the names they are imported by."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

# {"compressor": ROOT/compressor, "compressor.passes": ROOT/passes, ...}
PACKAGE_FOLDERS: dict[str, Path] = {
    name: ROOT / folder for name, folder in PYPROJECT["tool"]["setuptools"]["package-dir"].items()
}


def product_files() -> dict[str, Path]:
    """Module name -> file, for every .py file under the product's folders."""
    files: dict[str, Path] = {}
    for package, folder in PACKAGE_FOLDERS.items():
        for path in sorted(folder.rglob("*.py")):
            inner = path.relative_to(folder).with_suffix("").parts
            parts = [package, *(inner[:-1] if inner[-1] == "__init__" else inner)]
            files[".".join(parts)] = path
    return files


def packages_on_disk() -> set[str]:
    """Names of the product's folders that hold an ``__init__.py``."""
    return {module for module, path in product_files().items() if path.name == "__init__.py"}


def parse(path: Path) -> ast.Module:
    """The file's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
