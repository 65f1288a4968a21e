"""Measures candidates beside the original: the time of every unit of work inside the whole model, and of the whole."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from compressor.backends.base import Session
from compressor.backends.sampling import settle
from compressor.latency.setting import Setting
from compressor.latency.table import Sample
from compressor.model_io import to_proto
from compressor.passes.analysis import Analysis
from compressor.passes.cost import NO_ATOMS
from compressor.passes.labels import Labels
from compressor.passes.latency.work_units import FIRST, WorkUnits
from compressor.passes.rewrite import remove_atoms

_SECONDS = 0.4  # of runs, for each way of timing
_LEAST, _MOST = 8, 40  # runs
_TURNS = 4  # of the original and a candidate
_TRIES, _DISTURBED = 3, 1.2
_NS_PER_MS = 1e6

Feeds = Mapping[str, NDArray[np.generic]]


@dataclass
class Bench:
    """The original, open: machines are faster at one time than at another, and every candidate is timed beside it."""

    analysis: Analysis
    units: WorkUnits
    setting: Setting
    original: Session
    feeds: Feeds
    least_ms: float = math.inf  # that the original ever took

    def sample(self, atoms: Labels) -> Sample:
        """Times of the graph without ``atoms``.

        Of several runs the fastest counts, kernel by kernel: what is slower was disturbed, by other programs for the
        most part, and a disturbance of one run does not tell one candidate from another.

        Raises:
            BackendError: the runtime cannot run it.
        """
        model = proto_of(self.analysis, atoms)
        widths = [int(space.size - np.isin(space.atoms, atoms).sum()) for space in self.analysis.spaces]
        backend = self.setting.opened()
        with backend.open(model, threads=self.setting.threads, profile=backend.tells_kernels) as session:
            whole, reference, runs = self._undisturbed(session)
            times = unit_times_ms(session, self.units, self.feeds, runs) if session.tells_kernels else {}
            if session.averages_kernels:  # the fastest run is known of the whole alone
                share = whole / sum(times.values())
                times = {name: ms * share for name, ms in times.items()}
        return Sample(widths=widths, units_ms=times, whole_ms=whole, reference_ms=reference)

    def _undisturbed(self, session: Session) -> tuple[float, float, int]:
        """The turns in which the original was not much slower than at its best, or the last ones tried."""
        for _ in range(_TRIES):
            found = self._in_turns(session)
            self.least_ms = min(self.least_ms, found[1])
            if found[1] <= _DISTURBED * self.least_ms:
                break
        return found

    def _in_turns(self, session: Session) -> tuple[float, float, int]:
        """Milliseconds of the fastest run of the candidate and of the original; how many runs each had."""
        start = time.perf_counter()
        session.time_ns(self.feeds, 2)
        runs = int(np.clip(2 * _SECONDS / (time.perf_counter() - start), _LEAST, _MOST))
        fastest = {id(each): np.inf for each in (session, self.original)}
        for _ in range(_TURNS):
            for each in (self.original, session):
                settle(each)
                fastest[id(each)] = min(fastest[id(each)], *each.time_ns(self.feeds, -(-runs // _TURNS)))
        return fastest[id(session)] / _NS_PER_MS, fastest[id(self.original)] / _NS_PER_MS, runs


@contextmanager
def bench(analysis: Analysis, units: WorkUnits, setting: Setting) -> Iterator[Bench]:
    """Opens the original, and closes it.

    Raises:
        BackendError: the runtime is missing, or cannot run it.
    """
    original = proto_of(analysis, NO_ATOMS)
    with setting.opened().open(original, threads=setting.threads) as session:
        yield Bench(analysis, units, setting, session, setting.feeds(original, session))


def measure(analysis: Analysis, units: WorkUnits, atoms: Labels, setting: Setting) -> Sample:
    """One candidate alone: see ``Bench.sample``."""
    with bench(analysis, units, setting) as opened:
        return opened.sample(atoms)


def unit_times_ms(session: Session, units: WorkUnits, feeds: Feeds, runs: int) -> dict[str, float]:
    """Milliseconds by unit; a kernel that computes tensors of several units counts for the last of them."""
    found: dict[str, float] = {}
    for kernel in session.kernels(feeds, runs):
        places = [units.unit_of[tensor] for tensor in kernel.tensors if tensor in units.unit_of]
        name = units.units[max(places)].name if places else FIRST
        time_ns = np.mean(kernel.times_ns) if session.averages_kernels else min(kernel.times_ns)
        found[name] = found.get(name, 0.0) + float(time_ns) / _NS_PER_MS
    return found


def proto_of(analysis: Analysis, atoms: Labels) -> onnx.ModelProto:
    """The graph without ``atoms``."""
    return to_proto(remove_atoms(analysis, atoms))


def drawn(sizes: Sequence[int], number: int, seed: int) -> NDArray[np.int64]:
    """Int64 [spaces]: widths for sample ``number``: all, then by turns whole blocks and any number of channels."""
    whole = np.array(sizes, np.int64)
    if number == 0:
        return whole
    rng = np.random.default_rng([seed, number])
    least = rng.choice([0.1, 0.3, 0.5])
    widths = np.maximum(1, np.rint(whole * rng.uniform(least, 1, whole.size)).astype(np.int64))
    if number % 2:
        block = np.where(whole >= 64, 16, np.where(whole >= 16, 8, 1))
        widths = np.maximum(block, -(-widths // block) * block)
    return np.minimum(widths, whole)
