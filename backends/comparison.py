"""The result of comparing latencies: medians, ratios with intervals, the noise floor, verdicts, raw samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np

from compressor.backends.drift import drift, drift_warning
from compressor.backends.energy_comparison import EnergyComparison, compare_energy
from compressor.backends.load import Conditions
from compressor.backends.modes import LATENCY, Mode
from compressor.backends.sampling import ProcessSamples
from compressor.backends.statistics import (
    MIN_BLOCKS,
    RESAMPLES,
    Ratio,
    Verdict,
    block_medians_ms,
    minimum_detectable_effect,
    percentiles_ms,
    ratio_of_medians,
    verdict,
)

AGAIN = "(A/A)"  # label of the baseline's second session
VERSION = 2  # of the JSON; 2 added mode, minimum detectable effects, parts of a cold start, conditions and drift
_NOISY = 0.05


@dataclass(frozen=True)
class Timing:
    """One model's latency.

    Attributes:
        median_ms: median of the block medians.
        min_ms: fastest single run.
        percentiles_ms: "p90" and so on, of single runs, as far as the sample supports them.
        runs: number of single runs; of turns, in the mode "throughput".
        parts_ms: of a cold start: medians of "load" and "first run".
    """

    median_ms: float
    min_ms: float
    percentiles_ms: dict[str, float]
    runs: int
    parts_ms: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON-ready values."""
        return {
            "median_ms": self.median_ms,
            "min_ms": self.min_ms,
            "percentiles_ms": self.percentiles_ms,
            "runs": self.runs,
            "parts_ms": self.parts_ms,
        }


@dataclass(frozen=True)
class Comparison:
    """Several models against the first.

    Attributes:
        baseline: label of the model that the others are compared with.
        backend: name of the backend.
        provider: execution provider that really ran the models.
        threads: threads per operator.
        timed: what a time covers, in words.
        processes: measuring processes.
        blocks: blocks in each process that the ratios rest on.
        timings: by label.
        ratios: by label, the baseline left out.
        noise: the baseline against itself.
        verdicts: by label, the baseline left out.
        detectable: by label: the smallest relative change that this measurement would probably have found.
        warnings: what may have disturbed the measurement, in plain words.
        fingerprint: the machine and the libraries.
        samples_ns: raw nanoseconds by label, process, block and run.
        mode: what was timed.
        inputs: [type, shape] of what the models were fed, by name.
        conditions: what else happened on the machine meanwhile.
        drift: relative change of all run times from the first block to the last, None if none is certain.
        overloaded: labels of the models that did not keep up with the pace: their times, and so all ratios with them,
            grow for as long as one measures.
        seed: of the resampling.
        energy: of a run, where meters were read; else None, and ``energy_missing`` says why if it was asked for.
    """

    baseline: str
    backend: str
    provider: str
    threads: int
    timed: str
    processes: int
    blocks: int
    timings: dict[str, Timing]
    ratios: dict[str, Ratio]
    noise: Ratio
    verdicts: dict[str, Verdict]
    detectable: dict[str, float]
    warnings: list[str]
    fingerprint: dict[str, Any]
    samples_ns: dict[str, list[list[list[int]]]]
    mode: Mode
    inputs: dict[str, list[Any]]
    conditions: Conditions
    drift: float | None
    seed: int
    energy: EnergyComparison | None = None
    energy_missing: str | None = None
    overloaded: list[str] = field(default_factory=list)

    @property
    def noise_floor(self) -> float:
        """Relative change below which nothing is concluded, 0.02 for 2 %."""
        return self.noise.spread()

    def ratio(self, label: str, confidence: float, resamples: int = RESAMPLES) -> Ratio:
        """Of a model, or of ``AGAIN``, over the baseline, with an interval of the confidence asked for."""
        base, other = (block_medians_ms(self.samples_ns[name]) for name in (self.baseline, label))
        return ratio_of_medians(base, other, seed=self.seed, confidence=confidence, resamples=resamples)

    def per_second(self, label: str) -> float:
        """Runs a second at full load, of the mode "throughput"."""
        return 1e3 / self.timings[label].median_ms

    def to_json(self, *, samples: bool = True) -> dict[str, Any]:
        """Everything as JSON-ready values; ``samples=False`` leaves the raw samples out."""
        result: dict[str, Any] = {
            "kind": "comparison",
            "version": VERSION,
            "baseline": self.baseline,
            "backend": self.backend,
            "provider": self.provider,
            "threads": self.threads,
            "mode": self.mode.to_json(),
            "timed": self.timed,
            "inputs": self.inputs,
            "processes": self.processes,
            "blocks": self.blocks,
            "seed": self.seed,
            "noise": self.noise.to_json(),
            "noise_floor": self.noise_floor,
            "timings": {label: timing.to_json() for label, timing in self.timings.items()},
            "ratios": {label: ratio.to_json() for label, ratio in self.ratios.items()},
            "verdicts": dict(self.verdicts),
            "detectable": dict(self.detectable),
            "drift": self.drift,
            "conditions": self.conditions.to_json(),
            "overloaded": list(self.overloaded),
            "warnings": list(self.warnings),
            "fingerprint": self.fingerprint,
            "energy": None if self.energy is None else self.energy.to_json(samples=samples),
            "energy_missing": self.energy_missing,
        }
        return {**result, "samples_ns": self.samples_ns} if samples else result


def summarize(
    collected: Sequence[ProcessSamples],
    *,
    backend: str,
    seed: int,
    warnings: Sequence[str],
    fingerprint: Mapping[str, Any],
    mode: Mode = LATENCY,
    inputs: Mapping[str, list[Any]] | None = None,
) -> Comparison:
    """What the samples of all processes say; the first label is the baseline, ``AGAIN`` its second session."""
    samples = {label: [process.runs_ns[label] for process in collected] for label in collected[0].runs_ns}
    medians = {label: block_medians_ms(runs) for label, runs in samples.items()}
    baseline, *others = [label for label in samples if label != AGAIN]
    noise = ratio_of_medians(medians[baseline], medians[AGAIN], seed=seed)
    ratios = {label: ratio_of_medians(medians[baseline], medians[label], seed=seed) for label in others}
    rows, columns = medians[baseline].shape
    conditions = Conditions.total(Conditions(**process.conditions) for process in collected)
    trend, energy = drift(medians), compare_energy(collected, baseline, AGAIN, others, seed=seed)
    disturbances = conditions.disturbances()
    drifting = drift_warning(trend, disturbed=bool(disturbances))
    late = _overloaded(collected, baseline)
    found = [*disturbances, *drifting, *_warnings(collected, noise, rows, columns), *_late_warning(late, mode)]
    return Comparison(
        baseline=baseline,
        backend=backend,
        provider=collected[0].providers[baseline],
        threads=collected[0].threads[baseline],
        timed=collected[0].timed[baseline],
        processes=rows,
        blocks=columns,
        timings={
            label: _timing(collected, label, float(np.median(medians[label])), mode) for label in [baseline, *others]
        },
        ratios=ratios,
        noise=noise,
        verdicts={
            label: "inconclusive" if {baseline, label} & set(late) else verdict(ratio, noise, rows * columns)
            for label, ratio in ratios.items()
        },
        detectable={label: minimum_detectable_effect(ratio, noise) for label, ratio in ratios.items()},
        warnings=[*warnings, *found],
        fingerprint=dict(fingerprint),
        samples_ns=samples,
        mode=mode,
        inputs=dict(inputs or {}),
        conditions=conditions,
        drift=trend,
        seed=seed,
        energy=energy,
        overloaded=late,
    )


def _overloaded(collected: Sequence[ProcessSamples], baseline: str) -> list[str]:
    """Labels of models that some process found so; the baseline's second session is the baseline."""
    found = {label for process in collected for label in process.overloaded}
    return sorted({baseline if label == AGAIN else label for label in found})


def _late_warning(late: Sequence[str], mode: Mode) -> list[str]:
    if not late:
        return []
    why = "Latencies grow for as long as one measures, and ratios say nothing."
    return [f"Requests piled up at {mode.rate:g} requests a second: {', '.join(late)}. {why}"]


def _timing(collected: Sequence[ProcessSamples], label: str, median_ms: float, mode: Mode) -> Timing:
    runs = list(chain.from_iterable(chain.from_iterable(process.runs_ns[label] for process in collected)))
    parts = [process.parts_ns.get(label, {}) for process in collected]
    medians = {name: float(np.median([part[name] for part in parts])) / 1e6 for name in parts[0]}
    # At full load a number stands for a whole turn: there is none for single runs.
    percentiles = {} if mode.kind == "throughput" else percentiles_ms(runs)
    return Timing(median_ms, min(runs) / 1e6, percentiles, len(runs), medians)


def _warnings(collected: Sequence[ProcessSamples], noise: Ratio, processes: int, blocks: int) -> list[str]:
    found = []
    unstable = sorted({label for process in collected for label in process.unstable if label != AGAIN})
    if unstable:
        found.append(f"Run times were still changing by more than 2 % after the warm-up: {', '.join(unstable)}.")
    if noise.spread() > _NOISY:
        found.append(
            f"The machine is noisy: the baseline against itself differs by up to {noise.spread():.0%}. "
            "Close other programs, or measure longer."
        )
    if processes * blocks < MIN_BLOCKS:
        found.append(f"Only {processes * blocks} blocks were measured: too few to conclude anything. Allow more time.")
    if processes == 1:
        found.append("All samples come from one process: differences between processes are not part of the interval.")
    return found
