"""Several latencies at once: what each costs in worth, and the file that has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compressor.errors import NothingToPruneError, UsageError
from compressor.finetuning import Finetuning
from compressor.latency.goal import LatencyGoal
from compressor.pipeline import compress
from compressor.results import Compression
from compressor.targets import PathLike

if TYPE_CHECKING:
    from compressor.training.context import Finetune

_ANY = 0.5  # of a goal whose ratio does not count


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
    model: PathLike, output: PathLike, ratios: Sequence[float], goal: LatencyGoal | None = None, *,
    plan_path: PathLike | None = None, finetune: Finetune | Finetuning | None = None, **settings: Any,
) -> list[ParetoPoint]:  # fmt: skip
    """``compress`` for each share of the original's latency, highest first, with one latency table.

    Args:
        model: path of an ONNX file; it is never changed.
        ratios: shares of the original's latency, all different, between 0 and 1.
        output, plan_path: each point's files have its share in their names: "small-0.50.onnx" for "small.onnx".
        goal: runtime, sizes and table; its ratio does not count. By default ONNX Runtime's CPU kernels, one thread,
            batch 1.
        finetune: of ``compress``; each point has a folder of its own in that of the checkpoints.
        settings: of ``compress``.

    Raises:
        UsageError: no share, or two that would have one name.
        CompressorError: of ``compress``; that a share cannot be reached is in its point instead.
    """
    where = goal or LatencyGoal(ratio=_ANY)
    names = [f"{ratio:.2f}" if round(ratio, 2) == ratio else f"{ratio:g}" for ratio in ratios]
    if not ratios or len(set(names)) < len(names):
        raise UsageError("no latencies, or some twice", fix="Give different shares, such as 0.8,0.5.")
    points: list[ParetoPoint] = []
    for ratio, name in sorted(zip(ratios, names, strict=True), reverse=True):
        minutes = 0.0 if points else where.minutes  # the first one made the table as good as time allows
        wanted = replace(where, ratio=ratio, ms=None, minutes=minutes)
        its_plan = None if plan_path is None else _named(Path(plan_path), name)
        try:
            found = compress(
                model, _named(Path(output), name), latency=wanted, plan_path=its_plan, finetune=_apart(finetune, name),
                **settings,
            )  # fmt: skip
            points.append(ParetoPoint(ratio, found))
        except NothingToPruneError as error:  # the others are not out of reach for that
            points.append(ParetoPoint(ratio, None, str(error)))
    return points


def _apart(finetune: Finetune | Finetuning | None, name: str) -> Finetune | Finetuning | None:
    """With the checkpoints of this point alone: those of another are of another run."""
    if not isinstance(finetune, Finetuning) or finetune.checkpoints is None:
        return finetune
    return replace(finetune, checkpoints=Path(finetune.checkpoints) / name)


def _named(path: Path, name: str) -> Path:
    return path.with_name(f"{path.stem}-{name}{path.suffix}")
