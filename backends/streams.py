"""Threads that work side by side; the first error of any ends all."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait


def in_threads(work: Callable[[int], None], count: int, stop: Callable[[], None]) -> None:
    """Call ``work(0)`` to ``work(count - 1)``, each in its own thread (one alone in this one), until all are done.

    Args:
        work: what each does.
        count: of threads.
        stop: called when one has raised; must make the others end.

    Raises:
        whatever ``work`` raised first.
    """
    if count == 1:
        work(0)
        return
    with ThreadPoolExecutor(count) as pool:
        futures = [pool.submit(work, number) for number in range(count)]
        done, _ = wait(futures, return_when=FIRST_EXCEPTION)
        failed = [future for future in done if future.exception() is not None]
        if failed:
            stop()
    # A barrier that breaks because another thread failed is not the cause.
    failures = [error for future in futures if (error := future.exception()) is not None]
    causes = [error for error in failures if not isinstance(error, threading.BrokenBarrierError)]
    if failures:
        raise (causes or failures)[0]
