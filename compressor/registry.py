"""Named plug-ins: one decorator in one new file adds one, walking the folder finds it."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from compressor.errors import RegistryError

T = TypeVar("T")


class Registry(Generic[T]):
    """Maps names to plug-ins found by importing every module of ``package``.

    Args:
        kind: what is registered, for messages ("criterion", "backend").
        package: dotted name of the package whose modules register; imported on first look-up.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
        self.package = package
        self._entries: dict[str, T] = {}
        self._discovered = False

    def register(self, *names: str) -> Callable[[T], T]:
        """Decorator that registers its target under every one of ``names``.

        Raises:
            RegistryError: a name is taken.
            TypeError: no name, or the decorator was used without parentheses.
        """
        if not names or not all(isinstance(name, str) for name in names):
            raise TypeError(f'write @registry.register("name"): a {self.kind} needs at least one name, got {names}')

        def add(entry: T) -> T:
            taken = [name for name in names if name in self._entries]
            if taken or len(set(names)) < len(names):
                raise RegistryError(f"{self.kind} {(taken or names)[0]!r} is registered twice", where=_origin(entry))
            self._entries.update(dict.fromkeys(names, entry))
            return entry

        return add

    def get(self, name: str) -> T:
        """The plug-in called ``name``.

        Raises:
            RegistryError: unknown; lists the known names and the nearest.
        """
        found = self.find(name)
        if found is None:
            near = difflib.get_close_matches(name, self.names(), n=1)
            hint = f"Did you mean {near[0]!r}? " if near else ""
            raise RegistryError(f"unknown {self.kind} {name!r}", fix=f"{hint}Known: {', '.join(self.names())}.")
        return found

    def find(self, name: str) -> T | None:
        """The plug-in called ``name``, or None."""
        self._discover()
        return self._entries.get(name)

    def names(self) -> list[str]:
        """All registered names, sorted."""
        self._discover()
        return sorted(self._entries)

    def items(self) -> Iterator[tuple[str, T]]:
        """(name, plug-in) in sorted order."""
        for name in self.names():
            yield name, self._entries[name]

    def _discover(self) -> None:
        if self._discovered:
            return
        package = importlib.import_module(self.package)
        for module in pkgutil.iter_modules(package.__path__, prefix=f"{self.package}."):
            importlib.import_module(module.name)
        self._discovered = True  # only now: after a failed import the next look-up fails too, instead of finding half


def _origin(entry: object) -> str:
    """module.name of what was decorated, for messages."""
    return f"{getattr(entry, '__module__', '?')}.{getattr(entry, '__qualname__', repr(entry))}"
