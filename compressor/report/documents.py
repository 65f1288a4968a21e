"""The parts of the JSON results that reports show, checked: results may come from anywhere.

What a result says beyond that is passed over, so that results of later versions with more in them can be read.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

Number: TypeAlias = Annotated[float, Field(ge=-1e300, le=1e300)]
Amount: TypeAlias = Annotated[int, Field(ge=0, lt=1 << 63)]
Seconds: TypeAlias = Annotated[float, Field(ge=0, le=1e12)]
Positive: TypeAlias = Annotated[float, Field(gt=0, le=1e300)]
Nanoseconds: TypeAlias = Annotated[int, Field(gt=0, lt=1 << 62)]
Interval: TypeAlias = Annotated[list[Number], Field(min_length=2, max_length=2)]
Figures: TypeAlias = dict[str, Number | None]
Free: TypeAlias = dict[str, Any]


class Document(BaseModel):
    """A result, or a part of one; see the class of the same name that writes it."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, allow_inf_nan=False)


class Counts(Document):
    """Of ``compressor.results``."""

    params: Amount
    macs: Amount
    channels: Amount
    size_bytes: Amount
    peak_bytes: Amount | None = None


class Proof(Document):
    """Of ``compressor.verification``: pruned equals masked."""

    inputs: Amount
    max_error: Number
    tolerance: Number


class Round(Document):
    """Of ``compressor.latency.loop``."""

    budget_ratio: Number
    predicted_ratio: Number
    measured_ratio: Number | None = None


class LatencyRecord(Document):
    """Of ``compressor.latency.loop.Outcome``; ``of`` says whether ratios are of time or of energy."""

    goal_ratio: Number
    ratio: Number
    predicted_ratio: Number
    measured: bool
    interval: Interval | None = None
    noise_floor: Number | None = None
    original_ms: Number
    candidate_ms: Number
    of: str = "time"
    original_j: Number | None = None
    candidate_j: Number | None = None
    rounds: list[Round] = []


class Step(Document):
    """Of ``compressor.step_record``."""

    step: Amount
    metric: str
    target_share: Number
    reached_share: Number | None = None
    channels_taken: Amount
    epochs: Amount
    validation: Figures | None = None
    seconds: Seconds


class Recovery(Document):
    """Of ``compressor.recover``."""

    kept: bool = False
    samples: Amount | None = None
    made_up_inputs: bool = False
    output_error_before: Number | None = None
    output_error_after: Number | None = None


class Epoch(Document):
    """Of ``compressor.training.run``; other entries of the history tell of restarts and the like."""

    epoch: Amount | None = None


class Training(Document):
    """Of ``compressor.finetuning``."""

    device: str = ""
    history: list[Epoch] = []


class Compression(Document):
    """Of ``compressor.results``; places are missing inside a run."""

    model: str = ""
    output: str = ""
    plan: str | None = None
    made_with: Free = {}
    before: Counts
    after: Counts
    spaces_cut: Amount
    spaces: Amount
    verification: Proof | None = None
    latency: LatencyRecord | None = None
    recovery: Recovery | None = None
    training: Training | None = None
    steps: list[Step] = []
    evaluation: dict[str, Figures | None] | None = None
    advice: list[str] = []
    seconds: dict[str, Seconds] = {}
    environment: Free = {}


class ParetoPoint(Document):
    """Of ``compressor.latency.pareto``."""

    ratio: Number
    problem: str | None = None
    result: Compression | None = None


class Pareto(Document):
    """What ``compressor compress --pareto --json`` prints."""

    points: list[ParetoPoint]


class Ratio(Document):
    """Of ``compressor.backends.statistics``."""

    ratio: Positive
    low: Positive
    high: Positive
    confidence: Annotated[float, Field(gt=0, lt=1)]


class Timing(Document):
    """Of ``compressor.backends.comparison``."""

    median_ms: Positive
    percentiles_ms: dict[str, Number] = {}
    runs: Amount


class Comparison(Document):
    """Of ``compressor.backends.comparison``; raw times only where they were asked for."""

    baseline: str
    backend: str
    provider: str
    threads: Amount
    timed: str
    processes: Amount
    blocks: Amount
    seed: Amount = 0
    noise: Ratio
    noise_floor: Number
    timings: dict[str, Timing]
    ratios: dict[str, Ratio]
    verdicts: dict[str, str]
    detectable: dict[str, Number] = {}
    mode: Free = {}
    inputs: Free = {}
    warnings: list[str] = []
    fingerprint: Free = {}
    samples_ns: dict[str, list[list[list[Nanoseconds]]]] = {}


class Facts(Document):
    """Of ``compressor.gate.facts``."""

    size_bytes: Amount
    params: Amount


class Side(Document):
    """Baseline or candidate of a gate."""

    name: str
    facts: Facts | None = None


class Finding(Document):
    """Of ``compressor.gate.finding``."""

    check: str
    rule: str
    status: str
    reason: str
    limit: Number | None = None
    details: Free = {}


class Policy(Document):
    """Its name; a recipe's is called after the recipe."""

    name: str


class Gate(Document):
    """Of ``compressor.gate.report``."""

    status: str
    baseline: Side
    candidate: Side
    policy: Policy
    findings: list[Finding]
    environment: Free = {}
    seconds: Seconds = 0.0
