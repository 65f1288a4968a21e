"""Cases in processes of their own, watched: a hang or a crash costs one case."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import IO, Any

from tests.compressor.cli_models import environment
from tests.house.source_tree import ROOT

LIMIT_SECONDS = 30.0
LIMIT_BYTES = 4 << 30
CLEAN = (2, 3)
HARMLESS, CHECKED = 0, 1
"""The mutation did no harm, or what was asked for was tried and cannot be had: nothing to prune, another model."""
VERDICTS = (1, 4)  # of a gate: fail, inconclusive; its table says so, and no error
UNSOUND = 2  # of check: its answer on stdout, and no error either
_IMPORTS_SECONDS = 60.0  # the first case of a process imports everything


@dataclass(frozen=True)
class Verdict:
    """What a case came to.

    Attributes:
        wrong: what was against the promise, in words; empty where nothing was.
    """

    number: int
    kind: str
    command: str
    code: int | None
    seconds: float
    peak_bytes: int
    said: str
    wrong: list[str]


def run_cases(numbers: Sequence[int]) -> Iterator[Verdict]:
    """Each case's verdict, in order."""
    left = list(numbers)
    while left:
        for verdict in _run_batch(left):
            left.remove(verdict.number)
            yield verdict


def _run_batch(numbers: Sequence[int]) -> Iterator[Verdict]:
    """Until all are done, or one ends the process."""
    with tempfile.TemporaryDirectory(prefix="compressor-malformed-") as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.malformed.worker", folder, *map(str, numbers)], cwd=ROOT,
            env=environment(OMP_NUM_THREADS="1", PYTHONDONTWRITEBYTECODE="1", COLUMNS="200"), stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        lines: queue.Queue[str | None] = queue.Queue()
        said: list[str] = []
        for target in (partial(_read, process.stdout, lines), partial(_collect, process.stderr, said)):
            threading.Thread(target=target, daemon=True).start()
        yield from _verdicts(process, lines, said)
        process.kill()
        process.wait()


def _read(stream: IO[str] | None, lines: queue.Queue[str | None]) -> None:
    for line in stream or ():
        lines.put(line)
    lines.put(None)


def _collect(stream: IO[str] | None, said: list[str]) -> None:
    said.extend(stream or ())


def _verdicts(process: subprocess.Popen[str], lines: queue.Queue[str | None], said: list[str]) -> Iterator[Verdict]:
    current, first = -1, True
    while True:
        try:
            line = lines.get(timeout=LIMIT_SECONDS + (_IMPORTS_SECONDS if first else 0))
        except queue.Empty:
            yield Verdict(current, "?", "?", None, LIMIT_SECONDS, 0, "", [f"hangs for {LIMIT_SECONDS:g} s"])
            return
        if line is None:
            if process.wait() != 0:
                yield Verdict(
                    current, "?", "?", None, 0, 0, "".join(said)[-2000:], [f"the process ended {process.returncode}"]
                )
            return
        found = json.loads(line)
        if "begins" in found:
            current = found["begins"]
            continue
        first = False
        yield judged(found)


def judged(found: dict[str, Any]) -> Verdict:
    """What a worker told, held against the promise."""
    wrong = []
    said = " | ".join(found["lines"])
    errors = [line for line in found["lines"] if not line.startswith("warning: ")]
    if found["trace"] is not None:
        wrong.append(f"lets through: {found['trace'][-1500:]}")
    elif found["command"].startswith("gate ") and found["code"] in VERDICTS:
        wrong += [f"says {said[:600]}"] if errors else []
    elif found["command"].startswith("check "):
        fine = not errors and found["code"] in (HARMLESS, UNSOUND)
        wrong += [] if fine else [f"exit code {found['code']}, says {said[:600]}"]
    elif found["code"] not in (HARMLESS, CHECKED, *CLEAN):
        wrong.append(f"exit code {found['code']}")
    elif found["code"] != HARMLESS and not (len(errors) == 1 and errors[0].startswith("error: ")):
        wrong.append(f"says {len(errors)} lines: {said[:600]}")
    if "Traceback" in said:
        wrong.append("shows a traceback")
    if found["seconds"] > LIMIT_SECONDS:
        wrong.append(f"takes {found['seconds']:.0f} s")
    if found["peak_bytes"] > LIMIT_BYTES:
        wrong.append(f"takes {found['peak_bytes'] / 2**30:.1f} GiB")
    wrong += [f"touches {path}" for path in found["outside"][:5]]
    keys = ("number", "kind", "command", "code", "seconds", "peak_bytes")
    return Verdict(**{key: found[key] for key in keys}, said=said, wrong=wrong)
