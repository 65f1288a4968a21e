"""Several latencies at once: what each costs in worth, and the file that has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from compressor.errors import NothingToPruneError, UsageError
from compressor.latency.goal import LatencyGoal
from compressor.pipeline import compress
from compressor.results import Compression


@dataclass(frozen=True)
class ParetoPoint:
    """One latency asked for: what came of it, or why nothing did."""

    ratio: float
    result: Compression | None
    problem: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON-ready values."""
        result = None if self.result is None else self.result.to_json()
        return {"ratio": self.ratio, "problem": self.problem, "result": result}


def pareto(
    model: Path, output: Path, ratios: Sequence[float], goal: LatencyGoal, *, plan: Path | None = None,
    **settings: Any,
) -> list[ParetoPoint]:  # fmt: skip
    """``compress`` for each share of the original's latency, highest first, with one latency table.

    Args:
        output, plan: each point's files have its share in their names: "small-0.50.onnx" for "small.onnx".
        goal: runtime, sizes and table; its ratio does not count.
        settings: of ``compress``.

    Raises:
        UsageError: no share, or two that would have one name.
    """
    names = [f"{ratio:.2f}" if round(ratio, 2) == ratio else f"{ratio:g}" for ratio in ratios]
    if not ratios or len(set(names)) < len(names):
        raise UsageError("no latencies, or some twice", fix="Give different shares, such as 0.8,0.5.")
    points = []
    for ratio, name in sorted(zip(ratios, names, strict=True), reverse=True):
        its_plan, wanted = None if plan is None else _named(plan, name), replace(goal, ratio=ratio, ms=None)
        try:
            found = compress(model, _named(output, name), latency=wanted, plan_path=its_plan, **settings)
            points.append(ParetoPoint(ratio, found))
        except NothingToPruneError as error:  # the others are not out of reach for that
            points.append(ParetoPoint(ratio, None, str(error)))
    return points


def _named(path: Path, name: str) -> Path:
    return path.with_name(f"{path.stem}-{name}{path.suffix}")
