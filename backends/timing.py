"""Compares the latency of models honestly.

Every process opens all models, the baseline twice, and times them in blocks whose order is random; the second
session of the baseline gives the noise floor. See ``sampling`` for one process and ``statistics`` for the intervals.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from compressor.backends import energy as energies
from compressor.backends import feed_files
from compressor.backends.base import Array, ModelSource, Session, get_backend, model_path, require_usable, thread_count
from compressor.backends.comparison import AGAIN, Comparison, summarize
from compressor.backends.energy import Gauge
from compressor.backends.energy_comparison import TOO_SHORT
from compressor.backends.fingerprint import configuration_warnings, fingerprint
from compressor.backends.load import Conditions, CpuUse
from compressor.backends.modes import LATENCY, Mode
from compressor.backends.processes import run_worker, start_cold
from compressor.backends.sampling import ProcessSamples, Sampling, sample
from compressor.errors import BackendError, UsageError

Opener = Callable[[], Session]
Progress = Callable[[int, int], None]


def compare(
    models: Mapping[str, ModelSource],
    feeds: Mapping[str, Array],
    *,
    backend: str = "onnxruntime-cpu",
    threads: int | None = None,
    processes: int = 5,
    blocks: int = 10,
    min_time_s: float = 2.0,
    max_time_s: float = 60.0,
    seed: int = 0,
    mode: Mode = LATENCY,
    energy: bool = False,
    progress: Progress | None = None,
) -> Comparison:
    """Time models on the same inputs in several fresh processes.

    Args:
        models: by label; the first is the baseline. Paths are opened in place, the rest is written to a
            temporary folder.
        feeds: inputs that every model takes.
        backend: name of the backend.
        threads: threads per operator; None takes every CPU this process may use.
        processes: number of processes, one after the other; of a cold start, how often each model starts.
        blocks: turns of each model in each process; a cold start has one.
        min_time_s: measured time that each model should get in total.
        max_time_s: wall time for all blocks in total; opening and warming up come on top.
        seed: of the order of turns and of the resampling.
        mode: what is timed.
        energy: read the device's meters as well, if there are any; ``Comparison.energy_missing`` says why not.
        progress: called with (processes done, processes).

    Raises:
        UsageError: an argument out of range, or a mode that the backend does not have.
        BackendError: a model cannot be opened or run, or a process died.
        ModelFileError: a path to no file.
    """
    _check(models, processes)
    _check_mode(backend, mode)
    available = require_usable(get_backend(backend))
    base = Sampling(blocks, min_time_s / processes, max_time_s / processes, seed)
    deadline, collected = time.monotonic() + max_time_s, []
    with tempfile.TemporaryDirectory(prefix="compressor-") as folder:
        feed_files.save(feeds, Path(folder))
        paths = _files(models, Path(folder))
        gauge, missing = _gauge(backend, mode) if energy else (None, None)
        job = {"backend": backend, "threads": thread_count(threads), "models": _with_again(paths), "feeds": folder}
        root = None if gauge is None else str(energies.ROOT)
        for number in range(processes):
            if mode.kind == "cold-start":
                if number and time.monotonic() > deadline:
                    break
                collected.append(_cold_round(job, mode, seed + number))
            else:
                sampling = {**base.to_json(), "seed": seed + number}
                collected.append(run_worker({**job, "mode": mode.to_json(), "sampling": sampling, "energy": root}))
            if progress is not None:
                progress(number + 1, processes)
    runtime = {"backend": backend, "version": str(available.version), "device": available.device}
    return _with_reason(_summary(collected, runtime, seed, mode, feeds), gauge, missing)


def _with_reason(found: Comparison, gauge: Gauge | None, missing: str | None) -> Comparison:
    """Why there is no energy, where it was asked for."""
    still = TOO_SHORT if gauge is not None and found.energy is None else None
    return replace(found, energy_missing=missing or still)


def _gauge(backend: str, mode: Mode) -> tuple[Gauge | None, str | None]:
    """What counts a backend's energy, or why nothing does."""
    if mode.kind != "latency":
        return None, f"energy is told of the mode latency only, not of {mode.kind}"
    try:
        return energies.gauge_for(backend), None
    except BackendError as error:
        return None, str(error)


def _cold_round(job: Mapping[str, Any], mode: Mode, seed: int) -> ProcessSamples:
    """Every model starts once, each in a process of its own, in random order."""
    labels, before = list(job["models"]), CpuUse.now()
    turns = {}
    for index in np.random.default_rng(seed).permutation(len(labels)):
        label, common = labels[index], {key: job[key] for key in ("backend", "threads", "feeds")}
        turns[label] = start_cold({**common, "label": label, "model": job["models"][label]})
    # Here we only wait for those processes: what they had to wait for a CPU is what counts.
    waited_s = sum(turn.conditions.get("waited_s", 0.0) for turn in turns.values())
    conditions = replace(Conditions.between(before, CpuUse.now()), waited_s=waited_s)
    whole = ProcessSamples(conditions=conditions.to_json())
    for label in labels:
        whole.take_in(turns[label])
    whole.timed = {label: mode.timed(covers) for label, covers in whole.timed.items()}
    return whole


def compare_here(
    openers: Mapping[str, Opener],
    feeds: Mapping[str, Array],
    *,
    backend: str = "this process",
    blocks: int = 20,
    min_time_s: float = 1.0,
    max_time_s: float = 30.0,
    seed: int = 0,
    energy: bool = False,
) -> Comparison:
    """As ``compare``, in this process only: quicker, and blind to what differs between processes.

    Args:
        openers: by label, what opens a session; the first is the baseline and is called twice.
        feeds: inputs that every model takes.
        backend: name to report.
        blocks: turns of each model.
        min_time_s: measured time that each model should get.
        max_time_s: wall time after which no further block starts.
        seed: of the order of turns and of the resampling.
        energy: as in ``compare``, of the device that ``backend`` names.
    """
    _check(openers, 1)
    gauge, missing = _gauge(backend, LATENCY) if energy else (None, None)
    sampling = Sampling(blocks, min_time_s, max_time_s, seed)
    with contextlib.ExitStack() as stack:
        sessions = {label: stack.enter_context(opener()) for label, opener in _with_again(openers).items()}
        samples = sample(sessions, feeds, sampling, gauge=gauge)
    return _with_reason(_summary([samples], {"backend": backend}, seed, LATENCY, feeds), gauge, missing)


def _check(models: Mapping[str, Any], processes: int) -> None:
    if not models:
        raise UsageError("there is no model to time")
    if AGAIN in models:
        raise UsageError(f"the label {AGAIN!r} is reserved for the baseline against itself")
    if processes < 1:
        raise UsageError(f"processes must be at least 1, not {processes}")


def _check_mode(backend: str, mode: Mode) -> None:
    if mode.kind != "latency" and get_backend(backend).replays:
        raise UsageError(
            f"{backend} replays what it has captured in the mode latency only, not in {mode.kind}",
            fix="Choose a backend that launches every run, such as torch-cuda.",
        )


def _with_again(models: Mapping[str, Any]) -> dict[str, Any]:
    return {**models, AGAIN: next(iter(models.values()))}


def _files(models: Mapping[str, ModelSource], folder: Path) -> dict[str, str]:
    """A path for each model, absolute."""
    paths = {}
    for number, (label, model) in enumerate(models.items()):
        if isinstance(model, bytes):
            path = folder / f"{number}.onnx"
            path.write_bytes(model)
        elif hasattr(model, "SerializeToString"):
            path = folder / f"{number}.onnx"
            path.write_bytes(model.SerializeToString())
        else:
            path = model_path(model)
        paths[label] = str(path.resolve())
    return paths


def _summary(
    collected: list[ProcessSamples], runtime: dict[str, str], seed: int, mode: Mode, feeds: Mapping[str, Array]
) -> Comparison:
    backend = runtime["backend"]
    providers = {provider for process in collected for provider in process.providers.values()}
    if len(providers) != 1:
        raise BackendError(f"the models ran on different providers: {sorted(providers)}", where=backend)
    threads = next(iter(collected[0].threads.values()))
    return summarize(
        collected,
        backend=backend,
        seed=seed,
        mode=mode,
        inputs={name: [str(value.dtype), list(value.shape)] for name, value in feeds.items()},
        warnings=configuration_warnings(threads * mode.streams),
        fingerprint=fingerprint(runtime={**runtime, "provider": providers.pop()}).to_json(),
    )
