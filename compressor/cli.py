"""The command line's outermost layer: every way to end becomes an exit code and at most one line on stderr.

0 done; 1 a check failed or nothing can be done; 2 wrong use or a bad file; 3 something is missing here;
130 interrupted; 141 the reader of stdout went away.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TextIO

from compressor.cli_output import OUTCOME, plain, silence
from compressor.errors import EXIT_ENVIRONMENT, CompressorError

EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Args:
        arguments: without the program's name; None takes those of this process.
    """
    _prepare_streams()
    try:
        # Imported here, so that Ctrl-C ends in one line even while modules are being loaded.
        from compressor.cli_app import run

        code = run(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
    except CompressorError as error:
        return _fail(error.one_line(), error.exit_code)
    except KeyboardInterrupt:
        return _interrupted()
    except BrokenPipeError:
        silence(sys.stdout)
        return EXIT_BROKEN_PIPE
    except OSError as error:  # of stdout: the commands turn those of files into errors of ours
        silence(sys.stdout)
        return _fail(f"{error.filename or 'the output'}: {error.strerror}. Check the disk.", EXIT_ENVIRONMENT)
    return code


def _interrupted() -> int:
    written = ", ".join(OUTCOME.written)
    _say(f"interrupted; {f'already written: {written}' if written else 'nothing was written'}")
    return EXIT_INTERRUPTED


def _fail(message: str, code: int) -> int:
    _say(f"error: {message}")
    return code


def _say(line: str) -> None:
    """One line on stderr; a stderr that is gone changes nothing about the exit code."""
    try:
        sys.stderr.write(plain(line) + "\n")
        sys.stderr.flush()
    except OSError:
        silence(sys.stderr)


def _prepare_streams() -> None:
    """Names of any script must print on any terminal, and a stream may have been closed by the caller."""
    if sys.stdout is None:
        sys.stdout = _null()
    if sys.stderr is None:
        sys.stderr = _null()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _null() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 - open as long as the process lives
