"""Measures candidates: the time of every unit of work inside the whole model, and of the whole."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray

from compressor.backends.base import Session
from compressor.latency.setting import Setting
from compressor.latency.table import Sample
from compressor.model_io import to_proto
from compressor.passes.analysis import Analysis
from compressor.passes.labels import Labels
from compressor.passes.latency.work_units import FIRST, WorkUnits
from compressor.passes.rewrite import remove_atoms

_SECONDS = 0.4  # of runs, for each of the two ways of timing
_LEAST, _MOST = 5, 40  # runs
_NS_PER_MS = 1e6


def measure(analysis: Analysis, units: WorkUnits, atoms: Labels, setting: Setting) -> Sample:
    """Times of the graph without ``atoms``.

    Of several runs the fastest counts, kernel by kernel: what is slower was disturbed, by other programs for the most
    part, and a disturbance of one run does not tell one candidate from another.

    Raises:
        BackendError: the runtime cannot run it.
    """
    model = to_proto(remove_atoms(analysis, atoms))
    widths = [int(space.size - np.isin(space.atoms, atoms).sum()) for space in analysis.spaces]
    backend = setting.opened()
    with backend.open(model, threads=setting.threads, profile=backend.tells_kernels) as session:
        feeds = setting.feeds(model, session)
        start = time.perf_counter()
        session.time_ns(feeds, 2)
        runs = int(np.clip(2 * _SECONDS / (time.perf_counter() - start), _LEAST, _MOST))
        whole = min(session.time_ns(feeds, runs))
        times = unit_times_ms(session, units, feeds, runs) if session.tells_kernels else {}
        if session.averages_kernels:  # the fastest run is known of the whole alone
            share = whole / _NS_PER_MS / sum(times.values())
            times = {name: ms * share for name, ms in times.items()}
    return Sample(widths=widths, units_ms=times, whole_ms=whole / _NS_PER_MS)


def unit_times_ms(
    session: Session, units: WorkUnits, feeds: dict[str, NDArray[np.generic]], runs: int
) -> dict[str, float]:
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
