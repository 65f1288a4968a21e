"""One measuring process: reads a job as JSON from stdin, writes raw samples as JSON to stdout.

Job: {"backend": name, "threads": int or null, "models": {label: path}, "feeds": path of a folder written by
``feed_files.save``, "sampling": fields of Sampling}.
Answer: {"samples": fields of ProcessSamples} or {"error": {"kind", "what", "where", "fix"}}.
Run as ``python -m compressor.backends.worker``. Nothing is unpickled.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from compressor.backends.base import Session, get_backend
from compressor.backends.feed_files import load
from compressor.backends.sampling import ProcessSamples, Sampling, sample
from compressor.errors import CompressorError


def measure(job: dict[str, Any]) -> ProcessSamples:
    """Open the job's models in this process and time them."""
    backend = get_backend(job["backend"])
    feeds = load(Path(job["feeds"]))
    with contextlib.ExitStack() as stack:
        sessions: dict[str, Session] = {
            label: stack.enter_context(backend.open(path, threads=job["threads"]))
            for label, path in job["models"].items()
        }
        return sample(sessions, feeds, Sampling(**job["sampling"]))


def main() -> int:
    """Answer one job."""
    answer_file = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a runtime prints must not end up inside the answer
    try:
        answer: dict[str, Any] = {"samples": measure(json.load(sys.stdin)).to_json()}
    except CompressorError as error:
        answer = {"error": {"kind": type(error).__name__, "what": error.what, "where": error.where, "fix": error.fix}}
    with answer_file:
        json.dump(answer, answer_file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
