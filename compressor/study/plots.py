"""Plots of a study: the metric over the ratio, a line for each regime, crossovers marked."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compressor.atomic import FileSet
from compressor.extras import require
from compressor.study.outcome import Outcome, Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INCHES = (7.0, 4.5)
_DPI = 120


def write_plots(outcome: Outcome, folder: Path) -> list[Path]:
    """One PNG for each model, pattern and criterion; their paths.

    Raises:
        EnvironmentProblem: Matplotlib is not installed.
    """
    require("matplotlib", "plots", "plots")
    from matplotlib.figure import Figure

    written = []
    with FileSet(folder) as files:
        folder.mkdir(parents=True, exist_ok=True)
        for panel in outcome.crossings:
            figure = Figure(figsize=_INCHES, layout="constrained")  # without pyplot: no display, no global state
            _draw(figure.add_subplot(), outcome, panel)
            target, drawn = folder / plot_name(panel), io.BytesIO()
            figure.savefig(drawn, dpi=_DPI, format="png")
            with files.create(target) as file:
                file.write(drawn.getvalue())
            written.append(target)
        files.commit()
    return written


def plot_name(panel: Panel) -> str:
    """The file of a panel."""
    return re.sub(r"[^A-Za-z0-9.-]+", "_", "-".join(panel)) + ".png"


def _draw(axes: Axes, outcome: Outcome, panel: Panel) -> None:
    model, pattern, criterion = panel
    rows = [row for row in outcome.rows if (row.model, row.pattern, row.criterion) == panel]
    for regime in dict.fromkeys(row.regime for row in rows):
        line = sorted((row for row in rows if row.regime == regime), key=lambda row: row.ratio)
        ratios, means = [row.ratio for row in line], [row.mean for row in line]
        axes.errorbar(ratios, means, yerr=[row.std or 0.0 for row in line], marker="o", capsize=3, label=regime)
    for found in outcome.crossings[panel]:
        style: dict[str, Any] = {"color": "grey", "linewidth": 0.8}
        axes.axvline(found.ratio, linestyle="--", **style)
        if found.low is not None and found.high is not None:
            axes.axvspan(found.low, found.high, color="grey", alpha=0.08)
        axes.annotate(
            f"{found.below} < {found.above}", (found.ratio, 0.02), xycoords=("data", "axes fraction"), rotation=90,
            fontsize=6, ha="right", va="bottom", color="grey",
        )  # fmt: skip
    original = outcome.originals.get(model)
    if original is not None:
        axes.axhline(original["metric"], linestyle=":", color="black", linewidth=0.8, label="original")
    axes.set_xlabel(f"share of {outcome.recipe.of if pattern == 'structured' else 'weights'} removed")
    axes.set_ylabel(f"{outcome.recipe.metric} (bars: standard deviation over seeds)")
    axes.set_title(f"{model}, {pattern}, {criterion}")
    axes.legend(fontsize=8)
