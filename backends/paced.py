"""Paced arrival: requests come at fixed times, whether the last one is answered or not.

A request's latency counts from when it was due, so that one slow run shows in all that had to wait for it. Timing from
when the server gets round to a request would hide exactly that ("coordinated omission").

Source: Schroeder, Wierman and Harchol-Balter, Open Versus Closed: A Cautionary Tale, NSDI 2006.
"""

from __future__ import annotations

import itertools
import statistics
import threading
import time
from collections.abc import Mapping, Sequence

from compressor.backends.base import Array, Session
from compressor.backends.clock import no_collection
from compressor.backends.streams import in_threads

_FEWEST_REQUESTS = 5
_MOST_REQUESTS = 20_000  # of a turn: all of them are kept
_ENOUGH_REQUESTS = 50  # for a queue to show: every turn begins with an empty one
_ENOUGH_S = 2.0  # no turn is made longer than this for it
_MOST_OVERRUN = 3  # times a turn's length, after which the requests that still wait are given up
_SPIN_NS = 300_000  # a sleep ends up to this much late; alone, a stream spins for the rest
_FIRST_AFTER_NS = 5_000_000
_GREW = 3  # arrivals that a request waits at the end of a turn when the server does not keep up


def latencies_ns(
    streams: Sequence[Session], feeds: Mapping[str, Array], rate: float, turn_s: float
) -> tuple[list[int], bool]:
    """Serve a turn's requests in the order they arrive.

    Args:
        streams: open sessions of one model; each serves one request at a time.
        feeds: inputs of every request.
        rate: requests a second.
        turn_s: how long requests arrive; longer where fewer than 50 would, up to 2 s or 5 requests.

    Returns:
        (nanoseconds from each request's arrival to its answer, whether they came faster than they could be answered).
        A turn ends when it takes three times as long as its requests arrive: then the rest has no answer.

    Raises:
        BackendError: a run fails.
    """
    gap_ns = 1e9 / rate
    count = _requests(rate, turn_s)
    starts, ends = [0] * count, [0] * count
    tickets, stopped = itertools.count(), threading.Event()
    start_line = threading.Barrier(len(streams))
    first_ns: list[int] = []

    def open_doors() -> None:
        first_ns.append(time.perf_counter_ns() + _FIRST_AFTER_NS)

    def serve(number: int) -> None:
        with streams[number].bound(feeds) as run:
            start_line.wait()  # what a session does only once is done, by all
            run()  # wakes its threads
            if start_line.wait() == 0:
                open_doors()
            start_line.wait()
            closing_ns = first_ns[0] + _MOST_OVERRUN * count * gap_ns
            while not stopped.is_set() and (ticket := next(tickets)) < count:
                if ticket and time.perf_counter_ns() > closing_ns:
                    break
                _wait_until(first_ns[0] + round(ticket * gap_ns), _SPIN_NS if len(streams) == 1 else 0)
                starts[ticket] = time.perf_counter_ns()
                run()
                ends[ticket] = time.perf_counter_ns()

    def stop() -> None:
        stopped.set()
        start_line.abort()

    with no_collection():
        in_threads(serve, len(streams), stop)
    served = [ticket for ticket in range(count) if ends[ticket]]
    due = [first_ns[0] + round(ticket * gap_ns) for ticket in served]
    waits = [starts[ticket] - due_ns for ticket, due_ns in zip(served, due, strict=True)]
    works = [ends[ticket] - starts[ticket] for ticket in served]
    late = len(served) < count or is_overloaded(waits, works, gap_ns, len(streams))
    return [ends[ticket] - due_ns for ticket, due_ns in zip(served, due, strict=True)], late


def is_overloaded(waits_ns: Sequence[int], works_ns: Sequence[int], gap_ns: float, streams: int) -> bool:
    """Whether a queue would grow for as long as requests come.

    So it does when more work arrives than the streams can do, however few of it one turn sees; and what a turn sees
    tells when its last requests waited for several arrivals, and longer than those in the middle.

    Args:
        waits_ns: from each request's arrival to the start of its run.
        works_ns: how long its run took.
        gap_ns: between two arrivals.
        streams: that serve.
    """
    if statistics.fmean(works_ns) > streams * gap_ns:
        return True
    quarter = max(1, len(waits_ns) // 4)
    last, middle = statistics.median(waits_ns[-quarter:]), statistics.median(waits_ns[quarter:-quarter] or waits_ns)
    return last > _GREW * gap_ns and last > 1.2 * middle


def _requests(rate: float, turn_s: float) -> int:
    wanted = max(_FEWEST_REQUESTS, rate * turn_s, min(_ENOUGH_REQUESTS, rate * _ENOUGH_S))
    return round(min(wanted, _MOST_REQUESTS))


def _wait_until(due_ns: int, spin_ns: int) -> None:
    """Sleep, and spin for the rest: among several threads that would keep the interpreter from the others."""
    left_ns = due_ns - time.perf_counter_ns()
    if left_ns > spin_ns:
        time.sleep((left_ns - spin_ns) / 1e9)
    while time.perf_counter_ns() < due_ns:
        pass
