"""Times models kernel by kernel and as a whole, by turns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

import numpy as np

from compressor.backends.base import Array, Backend, Session
from compressor.backends.kernels import Kernel, total_ns
from compressor.backends.sampling import settle, warm_up

ROUNDS = 3
_BLOCK_NS = 300e6
_LEAST_RUNS, _MOST_RUNS = 5, 50
NS_PER_MS = 1e6
Tell = Callable[[int, int], None]


@dataclass
class Times:
    """What was measured of one model.

    Attributes:
        whole_ns: every run without profiling.
        profiled_ns: the sum over all kernels, of every profiled run.
        kernels: the kernels of a run, in order, with the times of all rounds.
        provider: what really ran it.
        threads: threads per operator.
    """

    whole_ns: list[int] = field(default_factory=list)
    profiled_ns: list[int] = field(default_factory=list)
    kernels: list[Kernel] = field(default_factory=list)
    provider: str = ""
    threads: int = 0

    @property
    def whole_ms(self) -> float:
        """Median of a run without profiling."""
        return float(np.median(self.whole_ns)) / NS_PER_MS

    @property
    def kernels_ms(self) -> float:
        """Median over the profiled runs of the sum over all kernels."""
        return float(np.median(self.profiled_ns)) / NS_PER_MS


def measure(
    backend: Backend, models: Mapping[str, str], feeds: Mapping[str, Array], threads: int | None, seed: int,
    tell: Tell = lambda done, total: None,
) -> dict[str, Times]:  # fmt: skip
    """Time models on the same inputs, in random order in each of several rounds.

    Args:
        models: path by label.
        tell: called with (turns done, turns).

    Raises:
        BackendError: the backend does not tell the times of kernels, or refuses a model.
    """
    rng, found = np.random.default_rng(seed), {label: Times() for label in models}
    labels = list(models)
    with ExitStack() as stack:
        sessions = {
            label: stack.enter_context(backend.open(path, threads=threads, profile=True))
            for label, path in models.items()
        }
        runs = {label: _runs(session, feeds) for label, session in sessions.items()}
        for turn in range(ROUNDS):
            for place, index in enumerate(rng.permutation(len(labels))):
                label = labels[index]
                _measure_turn(sessions[label], feeds, runs[label], found[label])
                tell(turn * len(labels) + place + 1, ROUNDS * len(labels))
        for label, session in sessions.items():
            found[label].provider, found[label].threads = session.provider, session.threads
    return found


def _runs(session: Session, feeds: Mapping[str, Array]) -> int:
    settle(session)
    run_ns, _, _ = warm_up(session, feeds)
    return int(np.clip(_BLOCK_NS / run_ns, _LEAST_RUNS, _MOST_RUNS))


def _measure_turn(session: Session, feeds: Mapping[str, Array], runs: int, times: Times) -> None:
    settle(session)
    times.whole_ns += session.time_ns(feeds, runs + 1)[1:]  # the first finds cold caches
    settle(session)
    kernels = session.kernels(feeds, runs)
    times.profiled_ns += total_ns(kernels)
    times.kernels = _with_more(times.kernels, kernels)


def _with_more(earlier: list[Kernel], kernels: list[Kernel]) -> list[Kernel]:
    """Kernels with the times of earlier rounds; names of what a runtime adds may change when it opens a model anew."""
    known = dict(zip(_places(earlier), earlier, strict=True))
    found = []
    for place, kernel in zip(_places(kernels), kernels, strict=True):
        before = known[place].times_ns if place in known else ()
        found.append(replace(kernel, times_ns=before + kernel.times_ns))
    return found


def _places(kernels: list[Kernel]) -> list[tuple[str, tuple[str, ...], int]]:
    """(type, tensors, how many such came before) of every kernel."""
    counts: Counter[tuple[str, tuple[str, ...]]] = Counter()
    places = []
    for kernel in kernels:
        places.append((kernel.op, kernel.tensors, counts[kernel.op, kernel.tensors]))
        counts[kernel.op, kernel.tensors] += 1
    return places
