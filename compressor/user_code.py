"""Functions of the user's, by name: ``package.module:function`` or ``path/to/file.py:function``.

    build = load_callable("train/model.py:build")
    module = build()

This is the only place where code from outside the installation runs, and only what the user named.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from compressor.errors import CompressorError, UsageError
from compressor.foreign_errors import ForeignErrors, reason

_EXAMPLE = "Give package.module:function or path/to/file.py:function."
_loaded: dict[str, ModuleType] = {}  # real path -> module: two functions of one file share its state


@dataclass(frozen=True)
class UserCallable:
    """A function or class of the user's. Calling it runs it where it lies and reports its errors in one line.

    Attributes:
        spec: as the user wrote it.
        function: the thing itself.
        folder: what is first on ``sys.path`` while it runs, so that it can import its neighbours.
    """

    spec: str
    function: Callable[..., Any]
    folder: str

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the function returns.

        Raises:
            UsageError: the function raised; the error is its cause.
        """
        with ForeignErrors(partial(_raised, self.spec, "raised")), _on_path(self.folder):
            return self.function(*args, **kwargs)


def load_callable(spec: str) -> UserCallable:
    """Import what ``spec`` names.

    A file is imported once, under its own name, with its folder first on ``sys.path`` while that lasts; a
    module is imported as Python does, from the current folder too. ``function`` may be dotted
    (``Network.small``).

    Raises:
        UsageError: the file, module or function does not exist or is no function, or importing it fails;
            names what is there instead, or the user's own error and its line.
    """
    source, colon, name = spec.rpartition(":")
    if not (colon and source and name):
        raise UsageError(f"{spec!r} names no function", fix=_EXAMPLE)
    is_file = source.endswith(".py") or "/" in source or os.sep in source
    folder = str(Path(source).resolve().parent) if is_file else str(Path.cwd())
    with _on_path(folder):
        module = _from_file(source) if is_file else _from_name(source, spec)
    target = _attribute(module, source, name)
    if not callable(target):
        raise UsageError(f"{name!r} is a {type(target).__name__}, not a function", where=source, fix=_EXAMPLE)
    return UserCallable(spec, target, folder)


def _from_file(source: str) -> ModuleType:
    path = Path(source).resolve()
    if not path.is_file():
        known = sorted(entry.name for entry in path.parent.glob("*.py")) if path.parent.is_dir() else []
        near = _near(path.name, known)
        raise UsageError("no such file", where=source, fix=f"{near}Check the path.")
    if str(path) in _loaded:
        return _loaded[str(path)]
    name = _module_name(path)
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError("is not a Python file", where=source, fix=_EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickling look modules up by name
    done = False
    try:
        with ForeignErrors(partial(_raised, source, "cannot be imported")):
            spec.loader.exec_module(module)
        done = True
    finally:
        if not done:
            del sys.modules[name]
    _loaded[str(path)] = module
    return module


def _module_name(path: Path) -> str:
    """The file's own name, as its neighbours import it, unless something else is called that already."""
    name = path.stem
    taken = name in sys.modules or name in sys.stdlib_module_names
    return f"_user_{name}_{len(_loaded)}" if taken or not name.isidentifier() else name


def _from_name(source: str, spec: str) -> ModuleType:
    try:
        with ForeignErrors(partial(_raised, source, "cannot be imported")):
            return importlib.import_module(source)
    except UsageError as error:
        cause = error.__cause__
        missing = cause.name if isinstance(cause, ModuleNotFoundError) else None
        if missing is not None and (source == missing or source.startswith(f"{missing}.")):
            fix = f"Run it from the folder that holds {missing.partition('.')[0]!r}, or give path/to/file.py:function."
            raise UsageError(f"no module named {missing!r}", where=spec, fix=fix) from error
        raise


def _attribute(module: ModuleType, source: str, name: str) -> Any:
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            known = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
            own = [key for key in known if getattr(vars(module)[key], "__module__", None) == module.__name__]
            has = f"It has {', '.join(sorted(own))}." if own else "It defines no functions."
            raise UsageError(f"has no function {name!r}", where=source, fix=f"{_near(name, known)}{has}")
        found = getattr(found, part)
    return found


def _near(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"Did you mean {near[0]!r}? " if near else ""


def _raised(where: str, what: str, error: BaseException) -> CompressorError:
    fix = "Nothing was written."
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if frame.filename != __file__ and not frame.filename.startswith("<")]
    if isinstance(error, SyntaxError):
        return UsageError(f"{what}: line {error.lineno}: SyntaxError: {error.msg}", where=where, fix=fix)
    at = f" ({Path(theirs[-1].filename).name}:{theirs[-1].lineno})" if theirs else ""
    return UsageError(f"{what}{at}: {reason(error)}", where=where, fix=fix)


@contextlib.contextmanager
def _on_path(folder: str) -> Iterator[None]:
    if folder in sys.path:
        yield
        return
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # the code may have changed sys.path itself
            sys.path.remove(folder)
