"""What code that is not ours raises, as one of our errors: at the borders where anything can come.

User code, PyTorch's exporters and its unpickler raise whatever they like, so their errors cannot be
named one by one. Such a border is marked by this class and nothing else; KeyboardInterrupt always passes.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from compressor.errors import CompressorError

_LONGEST_REASON = 300


class ForeignErrors:
    """Context manager that hands every foreign error to ``make`` and raises the CompressorError it returns.

    Our own errors pass unchanged. SystemExit counts as an error: a script that is imported may call ``sys.exit``.
    """

    def __init__(self, make: Callable[[BaseException], CompressorError]) -> None:
        self._make = make

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Exception | SystemExit) and not isinstance(error, CompressorError):
            raise self._make(error) from error


def reason(error: BaseException) -> str:
    """The type and the first line that says something of what caused ``error``: "ValueError: too many heads"."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = (line.strip() for line in str(error).splitlines())
    said = next((line for line in lines if line), "")
    if len(said) > _LONGEST_REASON:
        said = said[:_LONGEST_REASON] + " ..."
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
