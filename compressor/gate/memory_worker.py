"""Measures in a fresh process how much memory a model needs: opens it, runs it, and reads the kernel's high-water mark.

Job on stdin: {"backend", "threads", "model": path, "feeds": folder, "runs"}. Answer on stdout: {"memory":
{"before_bytes", "peak_bytes"}}, or an error as ``compressor.backends.worker``. Run as ``python -m
compressor.gate.memory_worker``.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from compressor.backends.base import get_backend, require_usable
from compressor.backends.cgroup import read_kernel_file
from compressor.backends.feed_files import load
from compressor.backends.parent import end_with_parent
from compressor.errors import CompressorError, EnvironmentProblem


def measure(job: dict[str, Any]) -> dict[str, int]:
    """Bytes resident before the model is opened (the runtime is there), and at most until it has run."""
    feeds, backend = load(Path(job["feeds"])), get_backend(job["backend"])
    require_usable(backend)  # imports the runtime
    before = _status("VmRSS")
    with backend.open(job["model"], threads=job["threads"]) as session:
        for _ in range(job["runs"]):
            session.run(feeds)
        return {"before_bytes": before, "peak_bytes": _status("VmHWM")}


def _status(field: str) -> int:
    """Of this process's own memory: unlike getrusage's maximum it does not begin with that of the parent."""
    for line in (read_kernel_file(Path("/proc/self/status")) or "").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise EnvironmentProblem("this system does not tell how much memory a process uses", fix="Measure on Linux.")


def main() -> int:
    """Answer one job."""
    end_with_parent()
    answer_file = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a runtime prints must not end up inside the answer
    try:
        answer: dict[str, Any] = {"memory": measure(json.load(sys.stdin))}
    except CompressorError as error:
        answer = {"error": {"kind": type(error).__name__, "what": error.what, "where": error.where, "fix": error.fix}}
    with answer_file:
        json.dump(answer, answer_file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
