"""The networks of ../shared/zoo, which lies beside a checkout but is no part of it."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path
from types import ModuleType

import onnx

SHARED = Path(__file__).resolve().parents[3] / "shared"
ABSENT = f"the network collection {SHARED / 'zoo'} is absent"


def is_present() -> bool:
    """Whether the collection lies beside this checkout."""
    return (SHARED / "zoo" / "zoo.py").is_file()


def import_file(path: Path) -> ModuleType:
    """The module in a file outside every package."""
    spec = importlib.util.spec_from_file_location(f"shared_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@functools.cache
def _zoo() -> ModuleType:
    return import_file(SHARED / "zoo" / "zoo.py")


def names(prefix: str = "") -> list[str]:
    """Names of the networks that start with ``prefix``, sorted; none when the collection is absent."""
    return [name for name in _zoo().names() if name.startswith(prefix)] if is_present() else []


def load(name: str, seed: int = 0) -> onnx.ModelProto:
    """A network with its weights drawn from ``seed``."""
    model: onnx.ModelProto = _zoo().load(name, seed=seed)
    return model
