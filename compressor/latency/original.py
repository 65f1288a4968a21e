"""How long the original takes, for goals in milliseconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from compressor.backends.sampling import settle, warm_up
from compressor.errors import UsageError
from compressor.latency.goal import LatencyGoal
from compressor.latency.setting import Setting
from compressor.latency.table import read_table
from compressor.model_io import outline, read

_RUNS = 20


def ratio_to_reach(goal: LatencyGoal, model: Path) -> float:
    """The share of the original's time that is wanted.

    Raises:
        UsageError: the original is as fast as that already.
        BackendError: the runtime is missing, or cannot run the model.
    """
    if goal.ratio is not None:
        return goal.ratio
    wanted = goal.ms or 0.0
    now = read_table(goal.table).samples[0].whole_ms if goal.table is not None else median_ms(model, goal.setting)
    if wanted >= now:
        raise UsageError(
            f"--latency-ms {wanted:g} is no less than what the model takes, {now:.4g} ms",
            where=str(model),
            fix="Give fewer milliseconds; there is nothing to be done for these.",
        )
    return wanted / now


def median_ms(model: Path, setting: Setting) -> float:
    """Median milliseconds of a run of a model file, warmed up."""
    backend = setting.opened()
    outlined = outline(read(model))
    with backend.open(model, threads=setting.threads) as session:
        feeds = setting.feeds(outlined, session)
        settle(session)
        warm_up(session, feeds)
        return float(np.median(session.time_ns(feeds, _RUNS))) / 1e6
