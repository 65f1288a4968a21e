"""One measuring process: reads a job as JSON from stdin, writes raw samples as JSON to stdout.

Job: {"backend": name, "threads": int or null, "models": {label: path}, "feeds": path of a folder written by
``feed_files.save``, "sampling": fields of Sampling, "mode": fields of Mode, "energy": root of the file system where
energy is measured, else null or absent}.
Answer: {"samples": fields of ProcessSamples} or {"error": {"kind", "what", "where", "fix"}}.
Run as ``python -m compressor.backends.worker``. Nothing is unpickled.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from compressor.backends.base import Session, get_backend
from compressor.backends.energy import gauge_for
from compressor.backends.feed_files import load
from compressor.backends.modes import Mode
from compressor.backends.parent import end_with_parent
from compressor.backends.sampling import ProcessSamples, Sampling, sample
from compressor.errors import CompressorError


def measure(job: dict[str, Any]) -> ProcessSamples:
    """Open the job's models in this process and time them."""
    backend = get_backend(job["backend"])
    feeds, mode = load(Path(job["feeds"])), Mode(**job["mode"])
    sampling, labels = Sampling(**job["sampling"]), list(job["models"])
    root = job.get("energy")
    gauge = None if root is None else gauge_for(job["backend"], Path(root))
    # Opened in random order, too: what comes later lies elsewhere in memory.
    order = [labels[index] for index in np.random.default_rng([sampling.seed, 1]).permutation(len(labels))]
    with contextlib.ExitStack() as stack:
        streams: dict[str, list[Session]] = {
            label: [
                stack.enter_context(backend.open(job["models"][label], threads=job["threads"]))
                for _ in range(mode.streams)
            ]
            for label in order
        }
        sessions = {label: streams[label][0] for label in labels}
        return sample(sessions, feeds, sampling, mode=mode, streams=streams, gauge=gauge)


def answer_one_job(work: Callable[[dict[str, Any]], ProcessSamples]) -> int:
    """Read a job from stdin and write what ``work`` makes of it to stdout; the exit code."""
    end_with_parent()
    answer_file = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a runtime prints must not end up inside the answer
    try:
        answer: dict[str, Any] = {"samples": work(json.load(sys.stdin)).to_json()}
    except CompressorError as error:
        answer = {"error": {"kind": type(error).__name__, "what": error.what, "where": error.where, "fix": error.fix}}
    with answer_file:
        json.dump(answer, answer_file)
    return 0


def main() -> int:
    """Answer one job."""
    return answer_one_job(measure)


if __name__ == "__main__":
    sys.exit(main())
