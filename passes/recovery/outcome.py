"""What recovery reports of each layer."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

NOT_BETTER = "nothing found was better on the samples held out"


@dataclass(frozen=True)
class Outcome:
    """What came of one layer.

    Attributes:
        layer: name of its output.
        op: of its node.
        method: "rows" (least squares on all it reads), "channels" (folding), "bias", "statistics", or "kept".
        before, after: mean squared error of its output on samples held out, relative to the target's variance.
        rows: positions that the solution rests on.
        ridge: the strength chosen; None where there was none to choose.
        compensated: whether the target was what the sum after it lacks.
        note: why nothing was changed, where that is so.
    """

    layer: str
    op: str
    method: str
    before: float
    after: float
    rows: int
    ridge: float | None = None
    compensated: bool = False
    note: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON-ready values; what is no number is None."""
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in asdict(self).items()
        }
