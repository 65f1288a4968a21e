"""Names of initializers as attributes of a module: equal wherever Python and PyTorch allow it.

A model file is data from outside, and FX writes attribute names into source code: only plain characters pass.
"""

from __future__ import annotations

import keyword
import re

from torch import fx, nn

from compressor.bridge.onnx_module import OnnxModule

_PLAIN = re.compile(r"[A-Za-z0-9_:/\-]+")
_OTHER = re.compile(r"[^A-Za-z0-9_:/\-]")


class AttributeNames:
    """Hands out dotted attribute names, each once, none inside another."""

    def __init__(self) -> None:
        self._leaves: set[str] = set()
        self._folders: set[str] = set()

    def take(self, name: str) -> str:
        """``name``, or the nearest to it that can be an attribute and is free."""
        parts = [_plain(part) for part in name.split(".")]
        base = ".".join(parts)
        if any(folder in self._leaves for folder in _folders(base)):  # nothing can lie inside a tensor
            base = "_".join(parts)
        found, count = base, 1
        while not self._is_free(found):
            found, count = f"{base}_{count}", count + 1
        self._leaves.add(found)
        self._folders.update(_folders(found))
        return found

    def _is_free(self, name: str) -> bool:
        return name not in self._leaves and name not in self._folders


def _folders(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:i]) for i in range(1, len(parts))]


def _plain(part: str) -> str:
    part = _OTHER.sub("_", part) or "_"
    return f"{part}_" if keyword.iskeyword(part) or part in _TAKEN else part


_TAKEN = frozenset({*dir(OnnxModule), *dir(OnnxModule(nn.Module(), fx.Graph()))})
