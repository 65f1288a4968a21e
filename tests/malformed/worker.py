"""A process that gives cases to the command line, one after the other, and tells what each came to, a line each.

python -m tests.malformed.worker FOLDER NUMBER...
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from compressor.cli import main
from compressor.peak_memory import PeakMemory
from tests.malformed.cases import OUT, case

ADDRESSES_BYTES = 8 << 30
"""More than that no case may even ask for; runtimes reserve more addresses than they use."""
_WRITES = {"os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "shutil.rmtree"}
_IN_FOLDERS = {"os.remove", "os.rmdir", "os.rename"}  # their last argument is an open folder's number, or -1
_OF_LIBRARIES = {".ses"}  # ONNX Runtime leaves it in the folder for temporary files
_HARMLESS = ("/dev/", f"/proc/{os.getpid()}/")


class Writes:
    """Remembers what Python writes outside of some folders."""

    def __init__(self) -> None:
        self.allowed: tuple[str, ...] | None = None
        self.found: list[str] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.allowed is None:
            return
        if event == "open":
            path, mode, flags = arguments
            writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC) if isinstance(flags, int) else 0
            paths = [path] if writes or (isinstance(mode, str) and set(mode) & set("wax+")) else []
        else:
            paths = list(arguments[:2]) if event in _WRITES else []
        folders = [one for one in arguments[1:] if isinstance(one, int) and event in _IN_FOLDERS and one >= 0]
        start = Path(f"/proc/self/fd/{folders[-1]}").readlink() if folders else Path()
        for path in paths:
            if isinstance(path, str | bytes | os.PathLike) and path:
                place = os.path.realpath(start / os.fsdecode(path))
                if not place.startswith((*self.allowed, *_HARMLESS)):
                    self.found.append(f"{event} {place}")


def run_case(number: int, folder: Path, writes: Writes) -> dict[str, Any]:
    """What one case came to."""
    given = case(number)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    given.place(folder)
    os.chdir(folder)
    before = inputs_of(folder)
    code, trace = None, None
    (folder / "tmp").mkdir()
    os.environ["TMPDIR"] = str(folder / "tmp")
    start = time.perf_counter()
    streams = [(folder.parent / name).open("w+", encoding="utf-8") for name in ("stdout", "stderr")]
    writes.found, writes.allowed = [], (str(folder / OUT), str(folder / "tmp"))
    with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]), PeakMemory() as peak:
        try:
            code = main(list(given.arguments))
        except BaseException:  # what the program lets through is what is looked for here
            trace = traceback.format_exc()
    for stream in streams:
        stream.close()
    said = (folder.parent / "stderr").read_text(encoding="utf-8", errors="replace")
    spent = time.perf_counter() - start
    writes.allowed = None
    found = (path.relative_to(folder) for path in (folder / "tmp").rglob("*") if path.is_file())
    left = [str(path) for path in found if path.name not in _OF_LIBRARIES]
    changed = [name for name, data in before.items() if inputs_of(folder).get(name) != data]
    added = sorted(inputs_of(folder).keys() - before.keys())
    lines = [line[:2000] for line in said.splitlines()[-20:]]
    return {
        "number": number, "kind": given.kind, "command": " ".join(given.arguments), "code": code, "trace": trace,
        "lines": lines, "seconds": round(spent, 3), "peak_bytes": peak.bytes,
        "outside": [*writes.found, *left, *changed, *added],
    }  # fmt: skip


def inputs_of(folder: Path) -> dict[str, bytes]:
    """Every file of a case's folder, but for what it may write."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.relative_to(folder).parts[0] not in (OUT, "tmp")
    }


if __name__ == "__main__":
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES_BYTES, hard))
    place, watch, channel = Path(sys.argv[1]).resolve() / "case", Writes(), sys.stdout
    for text in sys.argv[2:]:
        channel.write(f"{json.dumps({'begins': int(text)})}\n")
        channel.flush()
        channel.write(f"{json.dumps(run_case(int(text), place, watch))}\n")
        channel.flush()
