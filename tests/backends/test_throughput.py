"""Throughput: streams that work side by side, all of them for as long as any is counted."""

from __future__ import annotations

import time
from collections.abc import Mapping

from compressor.backends.base import Array
from compressor.backends.throughput import period_ns
from tests.backends.servers import Sleeper


def test_streams_add_up() -> None:
    periods = [period_ns([Sleeper(0.004) for _ in range(count)], {}, 0.1) for count in (1, 4)]
    assert 3.5e6 < periods[0] < 60e6  # 4e6, when nobody disturbs
    assert periods[1] < periods[0] / 1.5  # four sleepers: a quarter


class Needs(Sleeper):
    """Each run after the first ends when another session has made twenty more; ``gave_up``: it stood still instead."""

    def __init__(self, other: Sleeper) -> None:
        super().__init__(0)
        self.other, self.gave_up = other, False

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        wanted, deadline = self.other.runs + (20 if self.runs else 0), time.monotonic() + 5
        while self.other.runs < wanted and not self.gave_up:
            time.sleep(0.0005)
            self.gave_up = time.monotonic() > deadline
        return super().run(feeds)


def test_streams_go_on_until_the_last_has_counted() -> None:
    """One that stopped before would leave the rest alone with the machine."""
    fast = Sleeper(0.0002)
    slow = Needs(fast)
    period_ns([fast, slow], {}, 0)
    assert not slow.gave_up
    assert slow.runs == 1 + 3  # one to wake up


def test_long_runs_are_several() -> None:
    one = Sleeper(0.002)
    period = period_ns([one], {}, 0)
    assert one.runs == 1 + 3
    assert period > 1.9e6
