"""Threads that work side by side; the first error of any ends all."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait

from compressor.backends.load import counted_waiting
from compressor.errors import MachineError


def in_threads(work: Callable[[int], None], count: int, stop: Callable[[], None]) -> None:
    """Call ``work(0)`` to ``work(count - 1)``, each in its own thread (one alone in this one), until all are done.

    Args:
        work: what each does.
        count: of threads.
        stop: called when one has raised, could not start, or we are interrupted; must make the others end.

    Raises:
        MachineError: the system starts no more threads.
        whatever ``work`` raised first.
    """
    if count == 1:
        work(0)
        return

    def watched(number: int) -> None:
        with counted_waiting(f"stream {number}"):
            work(number)

    futures: list[Future[None]] = []
    with ThreadPoolExecutor(count) as pool:
        well = False
        try:
            _start(pool, watched, count, futures)
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            well = all(future.exception() is None for future in done)
        finally:
            if not well:  # the pool waits for its threads, and they for each other
                stop()
    # A barrier that breaks because another thread failed is not the cause.
    failures = [error for future in futures if (error := future.exception()) is not None]
    causes = [error for error in failures if not isinstance(error, threading.BrokenBarrierError)]
    if failures:
        raise (causes or failures)[0]


def _start(pool: ThreadPoolExecutor, work: Callable[[int], None], count: int, futures: list[Future[None]]) -> None:
    for number in range(count):
        try:
            futures.append(pool.submit(work, number))
        except RuntimeError as error:
            raise MachineError(
                f"the system starts no more than {number} of {count} threads: {error}", fix="Ask for fewer streams."
            ) from error
