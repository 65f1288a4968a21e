"""A study's results as tables on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from compressor.plain_text import plain

if TYPE_CHECKING:
    from rich.console import RenderableType

    from compressor.study.crossover import Crossover
    from compressor.study.outcome import Outcome, Panel
    from compressor.study.table import Row


def lines(outcome: Outcome) -> list[RenderableType]:
    """A table for each model, pattern and criterion, with its crossovers below; one line for what is done."""
    tally, recipe = outcome.tally, outcome.recipe
    found: list[RenderableType] = []
    for panel, crossings in outcome.crossings.items():
        found += [Text(_title(outcome, panel)), _table(outcome, panel)]
        found.extend(Text(_sentence(crossing)) for crossing in crossings)
    budget = f"{recipe.budget.epochs} epochs" if recipe.budget.epochs else f"{recipe.budget.seconds:g} s"
    done = f"{tally.done} of {tally.total} trials done" + (f", {tally.failed} failed" if tally.failed else "")
    found.append(Text(f"{done}; at most {budget} of fine-tuning each, over all steps; test data looked at once"))
    return found


def _title(outcome: Outcome, panel: Panel) -> str:
    """A line of its own: a table breaks its title to its width."""
    original = outcome.originals.get(panel[0])
    was = f"; original {_number(original['metric'])}" if original is not None else ""
    return plain(f"{', '.join(panel)}: {outcome.recipe.metric}{was}")


def _table(outcome: Outcome, panel: Panel) -> Table:
    """Ratios down, regimes across: mean ± standard deviation (seeds)."""
    rows = [row for row in outcome.rows if (row.model, row.pattern, row.criterion) == panel]
    regimes = [name for name in outcome.recipe.regimes if any(row.regime == name for row in rows)]
    table = Table()
    table.add_column("removed", justify="right")
    for regime in regimes:
        table.add_column(plain(regime), justify="right")
    for ratio in sorted({row.ratio for row in rows}):
        cells = {row.regime: _cell(row) for row in rows if row.ratio == ratio}
        table.add_row(f"{ratio:g}", *(cells.get(regime, "-") for regime in regimes))
    return table


def _cell(row: Row) -> str:
    spread = "" if row.std is None else f" ± {_number(row.std)}"
    return f"{_number(row.mean)}{spread} (n={row.n}, {row.epochs:.1f} ep.)"


def _sentence(found: Crossover) -> str:
    where = f"from {found.ratio:.3f} on, {found.above} is better than {found.below}"
    if found.low is None or found.high is None or found.share is None:
        return f"  {where}"
    sure = f"95 % interval {found.low:.3f} to {found.high:.3f}, in {found.share:.0%} of the bootstrap's draws"
    return f"  {where} ({sure}; {found.seeds} seeds)"


def _number(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 10 else f"{value:.4g}"
