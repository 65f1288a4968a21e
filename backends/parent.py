"""Measuring processes end with the process that started them: nobody would read their answer."""

from __future__ import annotations

import ctypes
import signal
import sys

_PR_SET_PDEATHSIG = 1  # from Linux's prctl(2)


def end_with_parent() -> None:
    """Have Linux kill this process as soon as its parent has ended, however that ended.

    Other systems have no such thing: there a measurement whose parent was killed goes on to its end.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
