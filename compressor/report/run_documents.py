"""The parts of ``run.json``, ``compressor why`` and ``compressor inspect`` that reports show."""

from __future__ import annotations

from pydantic import Field

from compressor.report.documents import Amount, Document, Figures, Free, Number, Seconds


class PassRecord(Document):
    """Of ``compressor.recipe.pass_manager``."""

    name: str
    changed: bool
    nodes: Amount
    max_error: Number | None = None
    seconds: Seconds
    verify_seconds: Seconds
    peak_bytes: Amount


class Stage(Document):
    """A finished stage, of ``compressor.recipe.store``."""

    stage: str
    lines: list[str] = Field(default_factory=list)
    record: Free = Field(default_factory=dict)
    exit_code: int = 0
    seconds: Seconds
    peak_bytes: Amount
    passes: list[PassRecord] = Field(default_factory=list)


class Run(Document):
    """Of ``compressor.recipe.results``."""

    recipe: Free
    seed: Amount
    stages: list[Stage]
    files: dict[str, str] = Field(default_factory=dict)
    stopped_after: str | None = None
    compressor: str = ""
    libraries: dict[str, str] = Field(default_factory=dict)
    hardware: Free = Field(default_factory=dict)


class VerifyRecord(Document):
    """What of the stage ``verify`` reports show."""

    evaluation: dict[str, Figures | None] | None = None


class WhyRow(Document):
    """Of ``compressor.why.rows``."""

    tensor: str
    node: str
    op: str
    fused: list[str] = Field(default_factory=list)
    added: bool = False
    before_widths: list[Amount] | None = Field(default=None, min_length=2, max_length=2)
    after_widths: list[Amount] | None = Field(default=None, min_length=2, max_length=2)
    before_ms: Number | None = None
    after_ms: Number | None = None
    before_macs: Amount = 0
    after_macs: Amount = 0


class Why(Document):
    """Of ``compressor.why.explain``."""

    models: dict[str, str]
    backend: str
    threads: Amount
    whole_ms: dict[str, Number]
    rows: list[WhyRow]
    advice: list[str] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)


class Space(Document):
    """Of ``compressor.results.SpaceSummary``."""

    name: str
    size: Amount
    params: Amount
    macs: Amount


class Fixed(Document):
    """Of ``compressor.results.FixedSummary``."""

    parameter: str
    axis: int = Field(ge=0, lt=1 << 31)
    count: Amount
    size: Amount
    group: str
    chain: list[str] = Field(default_factory=list)


class Inspection(Document):
    """Of ``compressor.results``; inside a run it has no place and no time."""

    model: str = ""
    params: Amount
    macs: Amount
    weights_reached: float = Field(ge=0, le=1)
    spaces: list[Space]
    fixed: list[Fixed]
