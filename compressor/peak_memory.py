"""The largest resident memory of this process over a stretch of its work."""

from __future__ import annotations

import resource
import sys
from pathlib import Path
from types import TracebackType

_RESET = "5"  # proc(5): clear_refs, resets the high-water mark


class PeakMemory:
    """Context manager; ``bytes`` afterwards.

    Linux keeps a high-water mark that a process may reset. Nested stretches share it: an inner one is exact, an outer
    one takes the largest of what it saw. Where it cannot be reset, the mark is that of the whole process so far.

    Attributes:
        bytes: the largest resident set, children not counted.
    """

    _outer: list[PeakMemory] = []  # noqa: RUF012 - one mark for the process, one stack of those who read it

    def __init__(self) -> None:
        self.bytes = 0

    def __enter__(self) -> PeakMemory:
        for one in self._outer:
            one.bytes = max(one.bytes, _mark())
        self._outer.append(self)
        _reset()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        mark = _mark()
        for one in self._outer:
            one.bytes = max(one.bytes, mark)
        self._outer.remove(self)


def _reset() -> None:
    try:
        Path("/proc/self/clear_refs").write_text(_RESET, encoding="ascii")
    except OSError:
        return  # not Linux, or not allowed: the mark is of the whole process


def _mark() -> int:
    try:
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
