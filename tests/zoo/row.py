"""What the sweep finds out about one network."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

EXPORTERS = {"dyn": "dynamo", "leg": "torchscript"}


@dataclass
class Row:
    """One network. Fields that a failure kept from being found out are None.

    Attributes:
        spaces, soft_spaces: channel spaces, and how many of them a normalisation runs over.
        branches: spaces that may lose all their channels.
        atoms, cut: removable channels, and how many were removed.
        width: whether soft spaces were cut too.
        reached: share of the weights that some prunable axis reaches.
        params_kept, macs_kept: shares of parameters and multiply-accumulates that stay.
        max_error: largest |pruned - masked| relative to the largest |masked|.
        sizes: the symbolic sizes it was run at; one empty entry when every size is static.
        analyse_s, rewrite_s: best of the repeats.
        total_s: of the whole row, proofs included.
        fixed: how often each reason keeps an axis of an initializer.
        failure: what went wrong, None when nothing did.
    """

    name: str
    nodes: int | None = None
    spaces: int | None = None
    soft_spaces: int | None = None
    branches: int | None = None
    atoms: int | None = None
    cut: int | None = None
    width: bool | None = None
    reached: float | None = None
    params_kept: float | None = None
    macs_kept: float | None = None
    max_error: float | None = None
    sizes: list[dict[str, int]] = field(default_factory=list)
    analyse_s: float | None = None
    rewrite_s: float | None = None
    total_s: float | None = None
    fixed: dict[str, int] = field(default_factory=dict)
    failure: str | None = None

    @property
    def exporter(self) -> str:
        """Which of PyTorch's exporters wrote it."""
        return EXPORTERS.get(self.name.rpartition(".")[2], "?")

    @property
    def seconds(self) -> float | None:
        """Analysis and rewrite together."""
        return None if self.analyse_s is None or self.rewrite_s is None else self.analyse_s + self.rewrite_s

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON-ready values."""
        return {**asdict(self), "exporter": self.exporter, "seconds": self.seconds}
