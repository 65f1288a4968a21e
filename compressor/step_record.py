"""What the results tell of each step of a schedule."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from compressor.choosing import Step
from compressor.passes.selection import counted

if TYPE_CHECKING:
    from compressor.steps import Carried


def record_of(
    number: int, step: Step, done: Carried, seconds: float, made_with: Mapping[str, Any]
) -> dict[str, Any]:  # fmt: skip
    """JSON-ready: what a step was to reach, what it reached, on which scores, how it was trained."""
    metric = str(made_with.get("metric", "params"))
    history = [] if done.training is None else done.training["history"]
    return {
        "step": number,
        "metric": metric,
        "target_share": step.share,
        "reached_share": _reached(step, metric),
        "after": step.after.model_dump(),
        "channels_taken": sum(len(cut.removed) for cut in step.cuts),
        "criterion": made_with.get("criterion"),
        "epochs": max((int(entry.get("epoch", 0)) for entry in history), default=0),
        "validation": best_validation(done.training),
        "seconds": seconds,
        "latency": None if step.latency is None else dict(step.latency),
        "verification": None if done.cut.evidence is None else done.cut.evidence.to_json(),
        "recovery": done.recovery,
        "training": done.training,
    }


def _reached(step: Step, metric: str) -> float | None:
    """None for a latency or energy that was met when the plan was made, and is not measured again."""
    if metric in ("latency", "energy"):
        return None if step.latency is None else 1 - float(step.latency["ratio"])
    before, after = (counted(counts, metric) for counts in (step.before, step.after))
    return 1 - after / before


def best_validation(training: Mapping[str, Any] | None) -> dict[str, float | None] | None:
    """{"loss", "accuracy"} of the weights that a step ended with; None where nothing was validated."""
    if training is None:
        return None
    monitor = (training.get("settings") or {}).get("monitor", "loss")
    key, sign = ("validation_accuracy", -1) if monitor == "accuracy" else ("validation_loss", 1)
    found = [entry for entry in training["history"] if isinstance(entry.get(key), int | float)]
    if not found:
        return None
    best = min(found, key=lambda entry: sign * entry[key])
    return {"loss": best.get("validation_loss"), "accuracy": best.get("validation_accuracy")}


def training_of_all(steps: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The last step's record of training, with every step's history and the largest difference to the runtime."""
    records = [step["training"] for step in steps if step["training"] is not None]
    if not records:
        return None
    history = [entry for record in records for entry in record["history"]]
    worst = max((record["runtime_difference"] for record in records), default=math.nan)
    return {**records[-1], "history": history, "runtime_difference": worst}
