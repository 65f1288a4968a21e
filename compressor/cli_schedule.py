"""Options of schedules, and what they add up to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from compressor.errors import UsageError

if TYPE_CHECKING:
    from compressor.scheduling import Scheduling

ScheduleOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--schedule",
        help="In how many cuts, with recovery or training after each: one-shot, constant, geometric, hybrid, cubic,"
        " logarithmic, manual, or auto for advice.",
        show_default="one-shot",
    ),
]
StepsOption: TypeAlias = Annotated[
    int | None, typer.Option("--steps", help="Of the schedule; of hybrid, those after the first cut.")
]
StepRateOption: TypeAlias = Annotated[
    float | None,
    typer.Option("--rate", metavar="r", help="Instead of --steps: share of the rest that a step takes."),
]
FirstOption: TypeAlias = Annotated[
    float | None,
    typer.Option("--first", metavar="p", help="Share that hybrid's first cut takes.", show_default="0.7 of the target"),
]
TailOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--tail", help="Hybrid's later steps take shares of: original, remaining.", show_default="original"),
]
BaseOption: TypeAlias = Annotated[
    float | None, typer.Option("--base", help="Of logarithmic: the larger, the more goes at first.", show_default="10")
]
SharesOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--shares", metavar="s1,s2,...", help="Of manual: gone after each step; the last is the target."),
]
TrialsOption: TypeAlias = Annotated[
    int | None,
    typer.Option("--trials", metavar="EPOCHS", help="Of auto: try candidates for so many epochs; the best goes on."),
]


def scheduling(name: str | None, settings: dict[str, Any], shares: str | None, trials: int | None) -> Scheduling:
    """The schedule that the options ask for; ``settings`` hold None where an option was not given.

    Raises:
        UsageError: an option would have no effect, or is out of range.
    """
    from compressor.scheduling import Scheduling

    given = {key: value for key, value in settings.items() if value is not None}
    if shares is not None:
        given["shares"] = _numbers(shares)
    if name is None and (given or trials is not None):
        raise UsageError("settings of a schedule without one", fix="Name it: --schedule geometric, for example.")
    return Scheduling(name or "one-shot", given, trials)


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise UsageError(f"--shares {text!r} are no numbers", fix="Give them like 0.3,0.5,0.7.") from error
