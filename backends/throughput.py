"""Steady throughput: several sessions of a model run all the time, each in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence

from compressor.backends.base import Array, Session
from compressor.backends.streams import in_threads

_SLICE_S = 0.005  # a stream looks at the clock about this often


def period_ns(streams: Sequence[Session], feeds: Mapping[str, Array], run_ns: float, turn_s: float) -> int:
    """Nanoseconds per finished run, over all streams together, while all of them work.

    Args:
        streams: open sessions of one model.
        feeds: inputs of every run.
        run_ns: about how long a run takes.
        turn_s: how long to go on.

    Raises:
        BackendError: a run fails.
    """
    slice_runs = max(1, int(_SLICE_S * 1e9 / run_ns))
    rates = [0.0] * len(streams)
    start_line = threading.Barrier(len(streams))

    def work(number: int) -> None:
        done, session = 0, streams[number]
        session.time_ns(feeds, 1)  # wakes its threads
        start_line.wait()
        start = time.perf_counter_ns()
        while time.perf_counter_ns() - start < turn_s * 1e9:
            done += len(session.time_ns(feeds, slice_runs))
        rates[number] = done / (time.perf_counter_ns() - start)

    in_threads(work, len(streams), start_line.abort)
    return max(1, round(1 / sum(rates)))
