"""Times a call that returns when its work is done."""

from __future__ import annotations

import gc
import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def time_calls(call: Callable[[], object], repeats: int) -> list[int]:
    """Wall-clock nanoseconds of each of ``repeats`` calls in a row, the loop's own cost included (some 50 ns)."""
    clock, stamps = time.perf_counter_ns, [0] * (repeats + 1)
    with no_collection():
        stamps[0] = clock()
        for index in range(1, repeats + 1):
            call()
            stamps[index] = clock()
    return [after - before for before, after in itertools.pairwise(stamps)]


@contextmanager
def no_collection() -> Iterator[None]:
    """No garbage collection inside: it would be charged to the model."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
