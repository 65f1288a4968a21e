"""Times several open models side by side in one process: warm-up until stable, then blocks in random order.

Why a pause between blocks: with more than one thread ONNX Runtime's workers keep spinning after a run (about
33 ms measured on two cores, version 1.32), and the next model is 5 to 30 % slower while those of the last one spin.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from compressor.backends.base import Array, Session
from compressor.backends.energy import Gauge
from compressor.backends.load import Conditions, CpuUse
from compressor.backends.modes import LATENCY, Mode
from compressor.backends.paced import latencies_ns
from compressor.backends.throughput import period_ns
from compressor.errors import UsageError

_WINDOW_NS = 20_000_000
_MIN_WINDOW_RUNS = 3
_MAX_WINDOWS = 20
_STABLE_CHANGE = 0.02
_LEAD_IN_NS = 10_000_000
_LEAD_IN_RUNS = 3
_MOST_TIMES = 20_000  # of single runs, that are kept of a turn
_SETTLE_STEP_S = 0.005
_SETTLE_QUIET_STEPS = 3
_SETTLE_LIMIT_S = 0.25


@dataclass(frozen=True)
class Sampling:
    """How much to measure, in one process.

    Attributes:
        blocks: times that every model gets its turn.
        min_time_s: measured time each model should get, over all blocks.
        max_time_s: wall time after which no further block starts; the first is always finished.
        seed: of the order in which the models take turns.
    """

    blocks: int
    min_time_s: float
    max_time_s: float
    seed: int

    def __post_init__(self) -> None:
        if self.blocks < 1:
            raise UsageError(f"blocks must be at least 1, not {self.blocks}")
        if not (self.min_time_s >= 0 and self.max_time_s > 0):
            raise UsageError(f"times must be positive: min {self.min_time_s} s, max {self.max_time_s} s")

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON-ready values."""
        return asdict(self)


@dataclass
class ProcessSamples:
    """What one process measured.

    Attributes:
        runs_ns: by model, then block, then run: nanoseconds; of a turn of more than 20,000 runs, every second or third
            and so on.
        warmup_runs: runs that each model needed until two windows agreed within 2 %.
        unstable: models that never got there.
        providers: the provider that really ran each model.
        threads: threads that each model ran on.
        timed: what a time covers, by model (``Session.timed``).
        parts_ns: of a cold start, by model: nanoseconds of loading and of the first run.
        overloaded: models that did not keep up with the pace.
        conditions: what else happened on the machine (``load.Conditions``).
        joules: of a run, by model and block; empty where no meter was read.
        meters: that were, in words.
    """

    runs_ns: dict[str, list[list[int]]] = field(default_factory=dict)
    warmup_runs: dict[str, int] = field(default_factory=dict)
    unstable: list[str] = field(default_factory=list)
    providers: dict[str, str] = field(default_factory=dict)
    threads: dict[str, int] = field(default_factory=dict)
    timed: dict[str, str] = field(default_factory=dict)
    parts_ns: dict[str, dict[str, int]] = field(default_factory=dict)
    overloaded: list[str] = field(default_factory=list)
    conditions: dict[str, float] = field(default_factory=dict)
    joules: dict[str, list[float]] = field(default_factory=dict)
    meters: list[str] = field(default_factory=list)

    def take_in(self, other: ProcessSamples) -> None:
        """Add the models of another process, as if this one had measured them."""
        self.runs_ns |= other.runs_ns
        self.providers |= other.providers
        self.threads |= other.threads
        self.timed |= other.timed
        self.parts_ns |= other.parts_ns

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON-ready values."""
        return asdict(self)


def sample(
    sessions: Mapping[str, Session],
    feeds: Mapping[str, Array],
    sampling: Sampling,
    *,
    mode: Mode = LATENCY,
    streams: Mapping[str, Sequence[Session]] | None = None,
    gauge: Gauge | None = None,
) -> ProcessSamples:
    """Time every session on the same inputs, interleaved.

    Args:
        sessions: by label.
        feeds: inputs that all take.
        sampling: how much.
        mode: what is timed; not "cold-start", which needs processes of its own.
        streams: by label, all sessions that work at once, the one in ``sessions`` first; None where it works alone.
        gauge: of energy, read before and after every turn of the mode "latency"; turns are made as long as it needs.

    Raises:
        BackendError: a model does not run.
    """
    result = ProcessSamples(
        runs_ns={name: [] for name in sessions},
        providers={name: session.provider for name, session in sessions.items()},
        threads={name: session.threads for name, session in sessions.items()},
        timed={name: mode.timed(session.timed, session.bound_timed) for name, session in sessions.items()},
    )
    turn_s = sampling.min_time_s / sampling.blocks
    if gauge is not None:
        turn_s, result.meters = max(turn_s, gauge.least_turn_s), [f"{m.name} ({m.covers})" for m in gauge.meters]
    groups = {name: (streams or {}).get(name, [session]) for name, session in sessions.items()}
    turns = {}
    for name, session in sessions.items():
        settle(session)
        run_ns, result.warmup_runs[name], stable = warm_up(session, feeds)
        turns[name] = _Turn(groups[name], feeds, mode, run_ns, turn_s, gauge)
        if not stable:
            result.unstable.append(name)
    rng = np.random.default_rng(sampling.seed)
    names, start, before = list(sessions), time.monotonic(), CpuUse.now()
    for block in range(sampling.blocks):
        if block and time.monotonic() - start > sampling.max_time_s:
            break
        for index in rng.permutation(len(names)):
            name = names[index]
            settle(sessions[name])
            result.runs_ns[name].append(turns[name].take())
    result.overloaded = [name for name, turn in turns.items() if 2 * turn.overloaded > len(result.runs_ns[name])]
    if gauge is not None:
        result.joules = {name: turn.joules for name, turn in turns.items()}
    result.conditions = Conditions.between(before, CpuUse.now()).to_json()
    return result


@dataclass
class _Turn:
    """What a model does when it is its turn.

    Attributes:
        overloaded: turns in which requests piled up.
        joules: of a run in each turn, lead-in runs included.
    """

    streams: Sequence[Session]
    feeds: Mapping[str, Array]
    mode: Mode
    run_ns: float
    turn_s: float
    gauge: Gauge | None = None
    overloaded: int = 0
    joules: list[float] = field(default_factory=list)

    def take(self) -> list[int]:
        """Nanoseconds, as many as the mode gives."""
        if self.mode.kind == "throughput":
            return [period_ns(self.streams, self.feeds, self.turn_s)]
        if self.mode.rate is not None:
            times, late = latencies_ns(self.streams, self.feeds, self.mode.rate, self.turn_s)
            self.overloaded += late
            return times
        runs = max(1, round(self.turn_s * 1e9 / self.run_ns))
        lead_in = _LEAD_IN_RUNS if _LEAD_IN_RUNS * self.run_ns <= _LEAD_IN_NS else 1
        before = None if self.gauge is None else self.gauge.now()
        times = self._timed(lead_in, runs)
        if self.gauge is not None and before is not None:
            self.joules.append(self.gauge.joules_since(before) / (lead_in + runs))
        return times

    def _timed(self, lead_in: int, runs: int) -> list[int]:
        """Of ``runs`` in a row, after a few that find cold caches and sleeping threads."""
        session, step = self.streams[0], -(-runs // _MOST_TIMES)
        times = session.time_ns(self.feeds, lead_in + min(runs, _MOST_TIMES))[lead_in:]
        kept = times[::step]
        for begun in range(_MOST_TIMES, runs, _MOST_TIMES):
            kept += session.time_ns(self.feeds, min(runs - begun, _MOST_TIMES))[::step]
        return kept


def warm_up(session: Session, feeds: Mapping[str, Array]) -> tuple[float, int, bool]:
    """Run until the medians of two windows in a row agree within 2 %.

    Returns:
        (median nanoseconds of the last window, runs made, whether they agreed).
    """
    times = session.time_ns(feeds, 2)
    runs, last = 2, float(times[-1])
    previous: float | None = None
    for _ in range(_MAX_WINDOWS):
        window = max(_MIN_WINDOW_RUNS, int(_WINDOW_NS / max(last, 1.0)))
        last = float(np.median(session.time_ns(feeds, window)))
        runs += window
        if previous is not None and abs(last / previous - 1) <= _STABLE_CHANGE:
            return last, runs, True
        previous = last
    return last, runs, False


def settle(session: Session) -> None:
    """Wait until this process uses no CPU time (spinning threads have gone to sleep), at most 0.25 s."""
    if session.threads == 1:
        return
    quiet, deadline = 0, time.monotonic() + _SETTLE_LIMIT_S
    # More than one quiet step, because another program may have kept a spinning thread off its CPU for one.
    while quiet < _SETTLE_QUIET_STEPS and time.monotonic() < deadline:
        before = time.process_time()
        time.sleep(_SETTLE_STEP_S)
        quiet = quiet + 1 if time.process_time() - before < 0.1 * _SETTLE_STEP_S else 0
