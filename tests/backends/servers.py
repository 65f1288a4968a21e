"""Sessions that do nothing but take time: real time, or that of a made-up clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from compressor.backends.base import Array, Session
from compressor.errors import BackendError


class Sleeper(Session):
    """Each run sleeps as long as it is told."""

    provider, threads = "sleeper", 1

    def __init__(
        self, run_s: float, fails_after: int | None = None, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.inputs, self.output_names = [], []
        self.run_s, self.fails_after, self.runs, self.sleep = run_s, fails_after, 0, sleep

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        self.runs += 1
        if self.fails_after is not None and self.runs > self.fails_after:
            raise BackendError("broke")
        self.sleep(self.run_s)
        return {}

    def time_ns(self, feeds: Mapping[str, Array], repeats: int) -> list[int]:
        for _ in range(repeats):
            self.run(feeds)
        return [round(self.run_s * 1e9)] * repeats

    def close(self) -> None:
        pass


class Clock:
    """Stands in for the module ``time``: time passes when somebody sleeps, and a little when somebody looks."""

    def __init__(self) -> None:
        self.now_ns = 10**9

    def perf_counter_ns(self) -> int:
        self.now_ns += 1000
        return self.now_ns

    def sleep(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)
