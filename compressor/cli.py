"""The command line's outermost layer: every way to end becomes an exit code and at most one line on stderr.

0 done; 1 a check failed or nothing can be done; 2 wrong use or a bad file; 3 something is missing here;
4 a gate cannot know (``compressor.gate``); 130 interrupted; 141 the reader of stdout went away;
143 told to end (SIGTERM).
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TextIO

EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141
EXIT_TERMINATED = 143


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Args:
        arguments: without the program's name; None takes those of this process.
    """
    _prepare_streams()
    with _sigterm_raises():
        try:  # nothing is imported before this line, so that Ctrl-C while modules load ends in one line too
            return _run(sys.argv[1:] if arguments is None else arguments)
        except KeyboardInterrupt as stop:
            return _interrupted(stop)


@contextmanager
def _sigterm_raises() -> Iterator[None]:
    """Without a handler SIGTERM would leave measuring processes and temporary folders behind."""
    before, ours, asked = signal.getsignal(signal.SIGTERM), os.getpid(), False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if os.getpid() != ours:  # a fork of this process, which has nothing to undo
            os._exit(EXIT_TERMINATED)
        if not asked:  # timeout(1), for one, sends two: the second must not disturb the undoing
            asked = True
            from compressor.errors import Terminated

            raise Terminated

    try:
        installed = before is signal.SIG_DFL and signal.signal(signal.SIGTERM, note) is before
    except ValueError:  # outside the main thread Python takes no handlers
        installed = False
    try:
        yield
    finally:
        if installed:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _run(arguments: list[str]) -> int:
    from compressor.cli_app import run
    from compressor.cli_output import OUTCOME, silence
    from compressor.errors import EXIT_ENVIRONMENT, CompressorError

    OUTCOME.written.clear()
    try:
        code = run(arguments)
        sys.stdout.flush()
    except CompressorError as error:
        _say(f"error: {error.one_line()}")
        return error.exit_code
    except BrokenPipeError:
        silence(sys.stdout)
        return EXIT_BROKEN_PIPE
    except OSError as error:  # of stdout: the commands turn those of files into errors of ours
        silence(sys.stdout)
        _say(f"error: {error.filename or 'the output'}: {error.strerror}. Check the disk.")
        return EXIT_ENVIRONMENT
    return code


def _interrupted(stop: KeyboardInterrupt) -> int:
    from compressor.cli_output import OUTCOME
    from compressor.errors import Terminated

    written = ", ".join(OUTCOME.written)
    how, code = ("terminated", EXIT_TERMINATED) if isinstance(stop, Terminated) else ("interrupted", EXIT_INTERRUPTED)
    _say(f"{how}; {f'already written: {written}' if written else 'nothing was written'}")
    return code


def _say(line: str) -> None:
    """One line on stderr; a stderr that is gone changes nothing about the exit code."""
    from compressor.cli_output import silence
    from compressor.plain_text import plain

    try:
        sys.stderr.write(plain(line) + "\n")
        sys.stderr.flush()
    except OSError:
        silence(sys.stderr)


def _prepare_streams() -> None:
    """Names of any script must print on any terminal, and a stream may have been closed by the caller."""
    sys.stdout = sys.stdout or _nothing()
    sys.stderr = sys.stderr or _nothing()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _nothing() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 - open as long as the process lives
