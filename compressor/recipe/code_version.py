"""Which code makes a result: this package's own, and the libraries that compute."""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import platform
from functools import cache
from pathlib import Path

import compressor

_PACKAGES = ("compressor", "compressor.backends", "compressor.models", "compressor.passes")
_LIBRARIES = ("ml-dtypes", "numpy", "onnx", "onnx-graphsurgeon", "onnxruntime", "onnxscript", "scipy", "torch")


@cache
def code_version() -> str:
    """The version, and a digest of every file of the package as it lies here."""
    digest = hashlib.sha256()
    for package in _PACKAGES:
        folder = Path(str(importlib.import_module(package).__file__)).parent
        for path in sorted(folder.rglob("*")):
            inner = package == "compressor" and path.relative_to(folder).parts[0] in ("backends", "models", "passes")
            if path.is_file() and "__pycache__" not in path.parts and not inner:  # installed, others lie in the first
                name = f"{package}/{path.relative_to(folder).as_posix()}"
                digest.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return f"{compressor.__version__} sha256:{digest.hexdigest()}"


@cache
def library_versions() -> dict[str, str]:
    """Versions of Python and of the libraries that results depend on; those that are not installed are left out."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
