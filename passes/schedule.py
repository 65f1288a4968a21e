"""Schedules: how much is gone after each step of iterative pruning, as pure functions.

    cumulative("geometric", 0.8, steps=4)  ->  (0.331, 0.553, 0.701, 0.8)

Every number is the share of the **original** that is gone after the step, of whatever the target counts
(parameters, multiply-accumulates, milliseconds). Each step selects anew toward its own cumulative target, so what
rounding to whole channels leaves over in one step is made up for in the next and never adds up.

Source: arXiv:2508.13836, section 3. To add one: a function in a file of ``passes/schedules`` under
``@SCHEDULES.register("name")`` that takes the target, and settings as keyword arguments.
"""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

from compressor.errors import UsageError
from compressor.registry import Registry

Schedule: TypeAlias = Callable[..., Iterable[float]]
SCHEDULES: Registry[Schedule] = Registry("schedule", "compressor.passes.schedules")
MOST_STEPS = 1000
_ROUNDING = 1e-9


def cumulative(name: str, target: float, **settings: Any) -> tuple[float, ...]:
    """Shares gone after each step, rising; the last is ``target`` exactly.

    Args:
        name: a registered schedule.
        target: the share to remove in the end, between 0 and 1.
        settings: those that this schedule knows, such as ``steps``.

    Raises:
        UsageError: a setting is unknown, missing or out of range.
    """
    schedule = SCHEDULES.get(name)
    _check_settings(name, schedule, settings)
    if not (math.isfinite(target) and 0 < target < 1):
        raise UsageError(f"cannot remove a share of {target:g}", fix="Give a share between 0 and 1, such as 0.5.")
    shares = tuple(float(share) for share in schedule(target, **settings))
    if not shares or abs(shares[-1] - target) > _ROUNDING:
        end = f"ends at {shares[-1]:g}" if shares else "has no step"
        raise UsageError(
            f"the schedule {name!r} {end}, the target is {target:g}", fix="Make its last share the target."
        )
    exact = (*shares[:-1], target)
    if exact[0] <= 0 or any(later <= earlier for earlier, later in itertools.pairwise(exact)):
        raise UsageError(f"the schedule {name!r} does not rise from step to step: {_listed(exact)}")
    return exact


def known_settings(name: str) -> dict[str, Any]:
    """The settings of a schedule with their defaults (``inspect.Parameter.empty`` where there is none)."""
    parameters = list(inspect.signature(SCHEDULES.get(name)).parameters.values())
    return {parameter.name: parameter.default for parameter in parameters[1:]}


def whole_steps(steps: object) -> int:
    """``steps``, checked."""
    if isinstance(steps, bool) or not isinstance(steps, int) or not 1 <= steps <= MOST_STEPS:
        raise UsageError(f"steps {steps!r} is no whole number from 1 to {MOST_STEPS}")
    return steps


def steps_or_rate(kept: float, steps: int | None, rate: float | None) -> int:
    """Number of steps, given or the smallest in which removing ``rate`` of the rest leaves no more than ``kept``.

    Raises:
        UsageError: not exactly one of the two is given, or one is out of range.
    """
    if (steps is None) == (rate is None):
        raise UsageError("give steps or a rate, one of them", fix="For example steps=5, or rate=0.05.")
    if steps is not None:
        return whole_steps(steps)
    if rate is None or not (math.isfinite(rate) and 0 < rate < 1):
        raise UsageError(f"rate {rate!r} is not between 0 and 1")
    # The tolerance: 0.9 kept at a rate of 0.1 is one step, whatever the last bit says.
    return whole_steps(max(1, math.ceil(math.log(kept) / math.log1p(-rate) - _ROUNDING)))


def _check_settings(name: str, schedule: Schedule, settings: dict[str, Any]) -> None:
    known = known_settings(name)
    unknown = sorted(settings.keys() - known.keys())
    if unknown:
        takes = f"it takes {', '.join(known)}" if known else "it takes none"
        raise UsageError(f"the schedule {name!r} has no setting {unknown[0]!r}", fix=f"{takes.capitalize()}.")
    missing = [key for key, default in known.items() if default is inspect.Parameter.empty and key not in settings]
    if missing:
        raise UsageError(f"the schedule {name!r} needs {missing[0]}", fix=f"For example {missing[0]}=5.")


def _listed(shares: Sequence[float]) -> str:
    return ", ".join(f"{share:.6g}" for share in shares)
