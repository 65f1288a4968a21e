"""What is printed of energy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import RenderableType

from compressor.cli_tables import line, table

if TYPE_CHECKING:
    from compressor.backends.comparison import Comparison
    from compressor.backends.energy_comparison import EnergyComparison


def energy_tables(result: Comparison) -> list[RenderableType]:
    """Joules of a run, ratios and verdicts; or why there are none, where they were asked for."""
    if result.energy is None:
        missing = result.energy_missing
        return [] if missing is None else [line(f"energy: not measured; {missing}")]
    found = result.energy
    others = ("ratio", f"{found.noise.confidence:.0%} interval", "verdict") if found.ratios else ()
    heads = ("model", "joules a run", *others)
    setup = (
        f"energy by {', '.join(found.meters)}, idle power and other programs included; baseline against itself: up to"
        f" {found.noise.spread():.1%} off"
    )
    return [table(heads, list(_rows(found))), line(setup)]


def _rows(found: EnergyComparison) -> Iterator[tuple[str, ...]]:
    for label, joules in found.joules.items():
        row = (label, f"{joules:.4g}")
        if not found.ratios:
            yield row
        elif label not in found.ratios:
            yield (*row, "1", "", "baseline")
        else:
            ratio = found.ratios[label]
            yield (*row, f"{ratio.ratio:.3f}", f"{ratio.low:.3f} to {ratio.high:.3f}", found.verdicts[label])
