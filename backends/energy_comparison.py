"""The energies of models that took turns: joules per run, ratios with intervals, verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from compressor.backends.sampling import ProcessSamples
from compressor.backends.statistics import Ratio, ratio_of_medians, verdict

EnergyVerdict = Literal["less", "more", "inconclusive"]
_WORDS: dict[str, EnergyVerdict] = {"faster": "less", "slower": "more", "inconclusive": "inconclusive"}
TOO_SHORT = "the meters stood still during some turns: measure longer"


@dataclass(frozen=True)
class EnergyComparison:
    """Several models against the first, as ``Comparison`` has their times.

    Attributes:
        meters: that were read, in words; idle power and other programs are in what they count.
        joules: of a run, by label: medians of all turns.
        ratios, noise, verdicts: as in ``Comparison``; below 1 is less.
        samples_j: joules of a run by label, process and turn.
    """

    meters: list[str]
    joules: dict[str, float]
    ratios: dict[str, Ratio]
    noise: Ratio
    verdicts: dict[str, EnergyVerdict]
    samples_j: dict[str, list[list[float]]]

    def to_json(self, *, samples: bool = True) -> dict[str, Any]:
        """Everything as JSON-ready values; ``samples=False`` leaves the turns out."""
        result: dict[str, Any] = {
            "meters": self.meters,
            "joules": self.joules,
            "ratios": {label: ratio.to_json() for label, ratio in self.ratios.items()},
            "noise": self.noise.to_json(),
            "verdicts": dict(self.verdicts),
        }
        return {**result, "samples_j": self.samples_j} if samples else result


def compare_energy(
    collected: Sequence[ProcessSamples], baseline: str, again: str, others: Sequence[str], *, seed: int
) -> EnergyComparison | None:
    """What the meters say; None where they were not read, or did not move in every turn.

    Args:
        collected: of all processes.
        baseline, again, others: labels: of the first model, of its second session, and of the rest.
        seed: of the resampling.
    """
    samples = {label: [process.joules.get(label, []) for process in collected] for label in (baseline, *others, again)}
    turns = min(len(row) for rows in samples.values() for row in rows)
    values: Mapping[str, Any] = {label: np.array([row[:turns] for row in rows]) for label, rows in samples.items()}
    if not turns or min(float(rows.min()) for rows in values.values()) <= 0:
        return None
    noise = ratio_of_medians(values[baseline], values[again], seed=seed)
    ratios = {label: ratio_of_medians(values[baseline], values[label], seed=seed) for label in others}
    found = {label: verdict(ratio, noise, len(collected) * turns) for label, ratio in ratios.items()}
    return EnergyComparison(
        meters=collected[0].meters,
        joules={label: float(np.median(values[label])) for label in (baseline, *others)},
        ratios=ratios,
        noise=noise,
        verdicts={label: _WORDS[word] for label, word in found.items()},
        samples_j=samples,
    )
