"""Optional packages: what is missing, and the line that installs it."""

from __future__ import annotations

import importlib
from types import ModuleType

from compressor.errors import EnvironmentProblem


def require(module: str, extra: str, purpose: str) -> ModuleType:
    """The module, imported.

    Args:
        module: its import name.
        extra: the extra of this package that brings it.
        purpose: what needs it, as the subject of a sentence ("fine-tuning").

    Raises:
        EnvironmentProblem: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.partition(".")[0] != module.partition(".")[0]:
            raise  # it is there, but broken
        fix = f"Install it with `pip install 'compressor[{extra}]'`."
        raise EnvironmentProblem(f"{purpose} needs the package {module!r}, which is not installed", fix=fix) from error


def require_torch(purpose: str) -> None:
    """Raise EnvironmentProblem with what to install where PyTorch is absent."""
    require("torch", "torch", purpose)
