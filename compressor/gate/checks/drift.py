"""``drift``: how far the candidate's outputs are from the baseline's, on inputs given or made up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field, model_validator

from compressor.gate.check import check
from compressor.gate.drift_inputs import read_inputs, run_in_parts
from compressor.gate.drift_numbers import Drift, drift_of
from compressor.gate.finding import Finding
from compressor.gate.pair import Feeds, Pair, checked_feeds, opened
from compressor.gate.settings_types import Dims, Positive, Share, Threads, Tolerance
from compressor.settings import Part

_SAMPLES = 32


class DriftSettings(Part):
    """Outputs of both models on the same inputs.

    Attributes:
        inputs: an .npz file with an array for every input, samples along the first axis; made up where there is none.
        samples: how many samples are made up.
        max_abs: largest |candidate - baseline|.
        max_relative: the same over the largest |baseline| of that output.
        min_cosine: smallest cosine between the two outputs of a sample.
        min_top1_agreement: share of samples (and positions) whose largest value along the last axis stands at the
            same place.
        backend: the runtime that runs both.
        threads: threads per operator.
        dims: sizes of symbolic dimensions of made-up inputs.
    """

    inputs: str | None = None
    samples: Positive = _SAMPLES
    max_abs: Tolerance | None = None
    max_relative: Tolerance | None = None
    min_cosine: Share | None = None
    min_top1_agreement: Share | None = None
    backend: Literal["onnxruntime-cpu", "openvino-cpu", "torch-cpu"] = "onnxruntime-cpu"
    threads: Threads = 1
    dims: Dims = Field(default={})

    @model_validator(mode="after")
    def _some_limit(self) -> DriftSettings:
        if all(getattr(self, name) is None for name in _RULES):
            raise ValueError(f"give one or more of {', '.join(_RULES)}")
        return self

    def names_files(self) -> list[str]:
        """The inputs."""
        return [] if self.inputs is None else [self.inputs]


_RULES: dict[str, Literal["most", "least"]] = {
    "max_abs": "most", "max_relative": "most", "min_cosine": "least", "min_top1_agreement": "least",
}  # fmt: skip


@check("drift", DriftSettings)
def drift(settings: DriftSettings, pair: Pair) -> Iterator[Finding]:
    """Both models on the same inputs."""
    pair.baseline.file("drift")
    found = drift_of(*_outputs(settings, pair))
    for rule, kind in _RULES.items():
        limit = getattr(settings, rule)
        if limit is not None:
            yield _finding(rule, kind, limit, found)


def _outputs(settings: DriftSettings, pair: Pair) -> tuple[Feeds, Feeds]:
    name, threads = settings.backend, settings.threads
    made_up = settings.inputs is None
    feeds = (
        checked_feeds(pair, name, threads, batch=settings.samples, dims=settings.dims, pictures=True)
        if settings.inputs is None
        else read_inputs(pair.place(settings.inputs))
    )
    outputs = []
    for role, path in pair.models:
        with opened(role, path, name, threads) as session:
            outputs.append(run_in_parts(role, session, feeds, name, whole=made_up))
    return outputs[0], outputs[1]


def _finding(rule: str, kind: Literal["most", "least"], limit: float, found: Drift) -> Finding:
    value, where = getattr(found, rule)
    if value is None:
        return Finding("drift", rule, "fail", "no output has numbers to tell it from", limit=limit)
    kept = value <= limit if kind == "most" else value >= limit
    demand = f"at {kind} {limit:g} allowed" if kind == "most" else f"at {kind} {limit:g} needed"
    words = f"{value:.4g} at output {where!r}, {demand}, {found.samples} samples"
    return Finding(
        "drift", rule, "pass" if kept else "fail", words, candidate=value, value=value, limit=limit,
        details={"output": where, "samples": found.samples},
    )  # fmt: skip
