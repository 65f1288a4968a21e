"""Paced arrival: requests come at fixed times, whether the last one is answered or not.

A request's latency counts from when it was due, so that one slow run shows in all that had to wait for it. Timing from
when the server gets round to a request would hide exactly that ("coordinated omission").

Source: Schroeder, Wierman and Harchol-Balter, Open Versus Closed: A Cautionary Tale, NSDI 2006.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Mapping, Sequence

from compressor.backends.base import Array, Session
from compressor.backends.clock import no_collection
from compressor.backends.streams import in_threads

_FEWEST_REQUESTS = 5
_SPIN_NS = 300_000  # a sleep ends up to this much late; alone, a stream spins for the rest
_FIRST_AFTER_NS = 5_000_000
_GREW = 3  # requests still waiting at the end of a turn that mean the server does not keep up


def latencies_ns(
    streams: Sequence[Session], feeds: Mapping[str, Array], rate: float, turn_s: float
) -> tuple[list[int], bool]:
    """Serve a turn's requests in the order they arrive.

    Args:
        streams: open sessions of one model; each serves one request at a time.
        feeds: inputs of every request.
        rate: requests a second.
        turn_s: how long requests arrive; at least 5 do.

    Returns:
        (nanoseconds from each request's arrival to its answer, whether the queue was growing).

    Raises:
        BackendError: a run fails.
    """
    gap_ns = 1e9 / rate
    count = max(_FEWEST_REQUESTS, round(rate * turn_s))
    found, tickets, stopped = [0] * count, itertools.count(), threading.Event()
    start_line = threading.Barrier(len(streams))
    first_ns: list[int] = []

    def open_doors() -> None:
        first_ns.append(time.perf_counter_ns() + _FIRST_AFTER_NS)

    def serve(number: int) -> None:
        session = streams[number]
        session.run(feeds)  # wakes its threads
        if start_line.wait() == 0:
            open_doors()
        start_line.wait()
        while not stopped.is_set() and (ticket := next(tickets)) < count:
            due_ns = first_ns[0] + round(ticket * gap_ns)
            _wait_until(due_ns, _SPIN_NS if len(streams) == 1 else 0)
            session.run(feeds)
            found[ticket] = time.perf_counter_ns() - due_ns

    def stop() -> None:
        stopped.set()
        start_line.abort()

    with no_collection():
        in_threads(serve, len(streams), stop)
    return found, _is_growing(found, gap_ns)


def _wait_until(due_ns: int, spin_ns: int) -> None:
    """Sleep, and spin for the rest: among several threads that would keep the interpreter from the others."""
    left_ns = due_ns - time.perf_counter_ns()
    if left_ns > spin_ns:
        time.sleep((left_ns - spin_ns) / 1e9)
    while time.perf_counter_ns() < due_ns:
        pass


def _is_growing(latencies: Sequence[int], gap_ns: float) -> bool:
    """The last requests waited for several arrivals, and longer than those in the middle."""
    quarter = max(1, len(latencies) // 4)
    last, middle = sorted(latencies[-quarter:])[quarter // 2], sorted(latencies[quarter:-quarter])[quarter // 2]
    return last > _GREW * gap_ns and last > 1.2 * middle
