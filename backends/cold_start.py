"""Cold start: a fresh process opens one model, runs it once, and ends. Loading and the first run are told apart.

Job on stdin: {"backend", "threads", "label", "model": path, "feeds": folder, "started_ns": when the parent started this
process, on CLOCK_MONOTONIC, which all processes share}. Answer: as ``worker``.
Run as ``python -m compressor.backends.cold_start``.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from compressor.backends.base import get_backend
from compressor.backends.feed_files import load
from compressor.backends.load import Conditions, waited_s
from compressor.backends.sampling import ProcessSamples
from compressor.backends.worker import answer_one_job


def start_once(job: dict[str, Any]) -> ProcessSamples:
    """Open the job's model and run it once.

    Returns:
        One run of one block under the job's label: nanoseconds since ``started_ns``; ``parts_ns`` has its parts, and
        ``conditions`` only how long this process, since it began, has waited for a CPU.
    """
    feeds = load(Path(job["feeds"]))
    backend = get_backend(job["backend"])
    label, before_ns = job["label"], time.monotonic_ns()
    with backend.open(job["model"], threads=job["threads"]) as session:
        loaded_ns = time.monotonic_ns()
        session.run(feeds)
        done_ns = time.monotonic_ns()
        waited = max(waited_s().values(), default=0.0)
        return ProcessSamples(
            runs_ns={label: [[done_ns - job["started_ns"]]]},
            parts_ns={label: {"load": loaded_ns - before_ns, "first run": done_ns - loaded_ns}},
            providers={label: session.provider},
            threads={label: session.threads},
            timed={label: session.timed},
            conditions=Conditions(waited_s=waited).to_json(),
        )


if __name__ == "__main__":
    sys.exit(answer_one_job(start_once))
