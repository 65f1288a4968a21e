"""Everything that a report is made of, and how it is found in JSON results of every kind."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from compressor.errors import CompressorError, UsageError
from compressor.passes.plan import Plan, read_plan
from compressor.report.documents import Comparison, Compression, Document, Facts, Gate, Pareto, Recovery, Training
from compressor.report.layers import Layer
from compressor.report.run_documents import Inspection, Run, VerifyRecord, Why
from compressor.result_file import read_result
from compressor.study.paths import file_digest

FIX = "Give JSON that compress, bench, gate, run, why or inspect wrote, or a plan."
PLAN_FORMAT = "compressor-plan"
_LATER = {"recover": "recovery", "finetune": "training"}
"""Stages of a run whose records belong to the compression before them."""
_BESIDE = ("bench.json", "gate.json", "analysis.json", "plan.json")
"""What of a run's files holds more than its run.json."""

_D = TypeVar("_D", bound=Document)


@dataclass
class Results:
    """What was found, by kind.

    Attributes:
        gate_times: what gates measured.
        evaluations: the user's own figures by model ("original", "final"), of runs.
        facts: of the two files themselves, before and after.
        layers: of two models, layer by layer, where their files were given.
        notes: what was left out and why, in words.
    """

    compressions: list[Compression] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    gates: list[Gate] = field(default_factory=list)
    gate_times: list[Comparison] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    whys: list[Why] = field(default_factory=list)
    paretos: list[Pareto] = field(default_factory=list)
    inspections: list[Inspection] = field(default_factory=list)
    plans: list[Plan] = field(default_factory=list)
    evaluations: list[dict[str, dict[str, float | None] | None]] = field(default_factory=list)
    facts: list[tuple[Facts, Facts]] = field(default_factory=list)
    layers: list[Layer] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def every_compression(self) -> Iterator[Compression]:
        """Those alone, and those of Pareto points."""
        yield from self.compressions
        for one in self.paretos:
            yield from (point.result for point in one.points if point.result is not None)

    def add(self, found: Mapping[str, Any], where: str) -> None:
        """Take in a result.

        Raises:
            UsageError: it is of no kind that reports show, or not in its form.
        """
        kind = found.get("kind")
        if kind == "compression":
            self.compressions.append(parsed(Compression, found, where))
        elif kind == "comparison":
            self.comparisons.append(parsed(Comparison, found, where))
        elif kind == "gate":
            self._add_gate(parsed(Gate, found, where), where)
        elif kind == "why":
            self.whys.append(parsed(Why, found, where))
        elif kind == "pareto":
            self.paretos.append(parsed(Pareto, found, where))
        elif kind == "inspection":
            self.inspections.append(parsed(Inspection, found, where))
        elif kind == "run":
            self.add_run(found, where)
        else:
            raise UsageError(f"is of a kind that no report shows ({str(kind)[:60]!r})", where=where, fix=FIX)

    def _add_gate(self, gate: Gate, where: str) -> None:
        self.gates.append(gate)
        before, after = gate.baseline.facts, gate.candidate.facts
        if before is not None and after is not None:
            self.facts.append((before, after))
        for finding in gate.findings:
            rounds = finding.details.get("rounds")
            for one in rounds if isinstance(rounds, list) else []:
                times = one.get("comparison") if isinstance(one, dict) else None
                if isinstance(times, dict) and times.get("samples_ns"):
                    self.gate_times.append(parsed(Comparison, times, f"{where}, {finding.check}"))

    def add_run(self, found: Mapping[str, Any], where: str, beside: Collection[str] = ()) -> Run:
        """Take in a run, and the records of its stages that are results of their own.

        Args:
            found: what run.json holds.
            where: its file, for messages.
            beside: names of the run's files that are taken in too; they tell more than the records.

        Raises:
            UsageError: it has another form.
        """
        run = parsed(Run, found, where)
        self.runs.append(run)
        for stage in run.stages:
            place = f"{where}, {stage.stage}"
            if stage.stage == "prune":
                self.compressions.append(parsed(Compression, stage.record, place))
            elif stage.stage == "gate" and "gate.json" not in beside:
                self._add_gate(parsed(Gate, stage.record, place), place)
            elif stage.stage == "verify":
                record = parsed(VerifyRecord, stage.record, place)
                self.evaluations += [] if record.evaluation is None else [dict(record.evaluation)]
            elif stage.stage in _LATER and self.compressions:
                form = Recovery if stage.stage == "recover" else Training
                update = {_LATER[stage.stage]: parsed(form, stage.record, place)}
                self.compressions[-1] = self.compressions[-1].model_copy(update=update)
        return run


def read_results(paths: Sequence[Path]) -> Results:
    """Results from files. Files of a run that lie beside its run.json are read with it.

    Raises:
        UsageError: a file is no result.
        EnvironmentProblem: the system does not let us read one.
    """
    results = Results()
    for path in paths:
        _add_file(results, path)
    return results


def _add_file(results: Results, path: Path) -> None:
    found = read_result(path, FIX)
    if found.get("format") == PLAN_FORMAT:
        results.plans.append(read_plan(path))
    elif found.get("kind") == "run":
        _add_folder(results, found, path)
    else:
        results.add(found, str(path))


def _add_folder(results: Results, found: Mapping[str, Any], path: Path) -> None:
    run = parsed(Run, found, str(path))
    beside = {name for name in _BESIDE if name in run.files and _same(path.parent / name, run.files[name])}
    gone = sorted(name for name in _BESIDE if name in run.files and name not in beside)
    if gone:
        results.notes.append(f"{', '.join(gone)} of this run are not beside its run.json, or have changed since.")
    results.add_run(found, str(path), beside)
    for name in _BESIDE:
        if name in beside:
            _add_file(results, path.parent / name)


def _same(path: Path, digest: str) -> bool:
    try:
        return path.is_file() and file_digest(path) == digest
    except (OSError, CompressorError):
        return False


def parsed(kind: type[_D], found: Mapping[str, Any], where: str) -> _D:
    """A result in its form.

    Raises:
        UsageError: it is in another; says which part.
    """
    try:
        return kind.model_validate(found)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise UsageError(
            f"is no {kind.__name__.lower()} of this version: {place}: {first['msg']}"[:300], where=where, fix=FIX
        ) from error
