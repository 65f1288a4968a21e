"""What the pipeline returns: plain data that prints as tables and saves as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

RESULT_VERSION = 1


@dataclass(frozen=True)
class SpacePart:
    """A parameter axis that a space runs along.

    Attributes:
        role: "makes" the channels, "reads" (sums over) them, or "follows": a number or more for each.
        per_channel: indices along the axis for each channel.
        node: the node that uses the parameter, as "Op 'name'".
    """

    role: str
    parameter: str
    axis: int
    per_channel: float
    node: str


@dataclass(frozen=True)
class SpaceSummary:
    """One channel space: its size, what runs along it and what hangs on it.

    Attributes:
        parameters: "initializer[axis]" of every parameter axis coupled to it.
        params: parameters of the initializers it runs along.
        macs: multiply-accumulates of the nodes it runs along, per sample.
        soft: a normalisation runs over it (cut only with --allow-width).
        normalised_by: the nodes that do so, as "Op 'name'".
        parts: its parameter axes in words.
        passes: how many nodes of each op it runs through that hold no parameter of it.
        branch: all its channels may go at once (with --drop-branches).
    """

    name: str
    size: int
    soft: bool
    params: int
    macs: int
    parameters: list[str]
    normalised_by: list[str]
    parts: list[SpacePart]
    passes: dict[str, int]
    branch: bool = False


@dataclass(frozen=True)
class FixedSummary:
    """A parameter axis of which ``count`` of ``size`` indices must stay.

    Attributes:
        reason: why, with the place; ``group`` is the same without names.
        chain: from the cause to the node that uses the parameter.
    """

    parameter: str
    axis: int
    count: int
    size: int
    reason: str
    group: str
    chain: list[str]


@dataclass(frozen=True)
class Inspection:
    """The answer of ``inspect``; ``parameters`` are the shapes of all initializers."""

    model: str
    digest: str
    opset: int
    nodes: int
    params: int
    macs: int
    size_bytes: int
    weights_reached: float
    inputs: dict[str, list[int | str | None]]
    outputs: dict[str, list[int | str | None]]
    spaces: list[SpaceSummary]
    fixed: list[FixedSummary]
    parameters: dict[str, list[int]]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON-ready values."""
        return {"kind": "inspection", "version": RESULT_VERSION, **asdict(self)}


@dataclass(frozen=True)
class Counts:
    """Sizes of a model.

    Attributes:
        size_bytes: of its files.
        weight_bytes: of its initializers.
        peak_bytes: of weights and live tensors while it runs, as computed; None where that was not asked for.
    """

    params: int
    macs: int
    channels: int
    size_bytes: int
    weight_bytes: int
    peak_bytes: int | None = None


@dataclass(frozen=True)
class Tuning:
    """The answer of ``finetune``; fields as in Compression, ``evaluation`` of the model before and after."""

    model: str
    output: str
    training: dict[str, Any]
    evaluation: dict[str, Any] | None
    environment: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON-ready values."""
        return {"kind": "tuning", "version": RESULT_VERSION, **asdict(self)}


@dataclass(frozen=True)
class Compression:
    """The answer of ``compress``.

    Attributes:
        verification: evidence that pruned equals masked; None when it was skipped on request.
        latency: what was predicted and measured of the last step, round by round, and what the table took; None where
            the target was none, or the original is the result.
        recovery: what recovery without training did, layer by layer; None without.
        steps: of a schedule of several: each one's target, what it reached, criterion, epochs, validation, seconds,
            evidence, recovery and training; empty where all went at once.
        training: what fine-tuning did, epoch by epoch; None without.
        evaluation: the user's own figures of the original, the pruned and the final model; None without.
        advice: what the user may want to change, in words.
        seconds: by stage.
        environment: versions, hardware and seed of the run.
    """

    model: str
    output: str
    plan: str | None
    made_with: dict[str, Any]
    before: Counts
    after: Counts
    spaces_cut: int
    spaces: int
    verification: dict[str, Any] | None
    latency: dict[str, Any] | None = None
    recovery: dict[str, Any] | None = None
    training: dict[str, Any] | None = None
    steps: list[dict[str, Any]] = field(default_factory=list)
    evaluation: dict[str, Any] | None = None
    advice: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON-ready values."""
        return {"kind": "compression", "version": RESULT_VERSION, **asdict(self)}
