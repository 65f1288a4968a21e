"""Steady throughput: several sessions of a model run all the time, each in a thread of its own."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Mapping, Sequence

from compressor.backends.base import Array, Session
from compressor.backends.clock import no_collection
from compressor.backends.streams import in_threads

_FEWEST_RUNS = 3  # of each stream in a turn, however long they take


def period_ns(streams: Sequence[Session], feeds: Mapping[str, Array], turn_s: float) -> int:
    """Nanoseconds per finished run, over all streams together, while all of them work.

    Every stream counts whole runs up to the first that ends after the turn's time, and goes on until the last stream
    has counted: with fewer at work the rest would be faster.

    Args:
        streams: open sessions of one model.
        feeds: inputs of every run.
        turn_s: how long to count at least; three runs of each stream are counted at least.

    Raises:
        BackendError: a run fails.
    """
    rates = [0.0] * len(streams)
    start_line, finished, counted = threading.Barrier(len(streams)), threading.Event(), itertools.count(1)

    def work(number: int) -> None:
        with streams[number].bound(feeds) as run:
            start_line.wait()  # what a session does only once is done, by all
            run()  # wakes its threads
            start_line.wait()
            start_ns = time.perf_counter_ns()
            for done in itertools.count(1):
                run()
                passed_ns = time.perf_counter_ns() - start_ns
                if not rates[number] and done >= _FEWEST_RUNS and passed_ns >= turn_s * 1e9:
                    rates[number] = done / max(1, passed_ns)
                    if next(counted) == len(streams):
                        finished.set()
                if finished.is_set():
                    break

    def stop() -> None:
        finished.set()
        start_line.abort()

    with no_collection():
        in_threads(work, len(streams), stop)
    return max(1, round(1 / sum(rates)))
