"""The pipeline: load -> normalise -> analyse -> select -> rewrite -> verify -> recover -> fine-tune -> write."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx_graphsurgeon as gs

import compressor
from compressor.advice import advice
from compressor.backends.fingerprint import fingerprint
from compressor.data_statistics import DataStatistics
from compressor.data_use import data_of, recovering, statistics
from compressor.errors import UsageError
from compressor.finetuning import Finetuning, Tuned, tune
from compressor.loaded import Loaded, load_model, total_bytes
from compressor.model_io import write
from compressor.normalize import normalize
from compressor.passes.analysis import Analysis
from compressor.passes.apply_plan import aligned, best_orders, in_original_positions, realise
from compressor.passes.cost import CostModel
from compressor.passes.labels import Labels
from compressor.passes.plan import Plan, PlanCounts, cuts_of, read_plan
from compressor.passes.rewrite import removal_of, remove_atoms
from compressor.passes.scores import CRITERIA, ScoreContext, needs_data
from compressor.passes.selection import Options, Target, select
from compressor.proof import Progress, prove, silent
from compressor.recover import Recovering, recover_graph
from compressor.results import Compression, Counts
from compressor.targets import PathLike, check_paths, spare
from compressor.training.torchrun import leads
from compressor.user_evaluation import Evaluate, figures
from compressor.verification import Verification

if TYPE_CHECKING:
    from compressor.training.context import Finetune


@dataclass
class _Clock:
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - start, 4)


@dataclass(frozen=True)
class _Job:
    """What was asked for, besides what to cut."""

    output: Path
    plan_path: PathLike | None
    verify: bool
    seed: int
    progress: Progress
    finetune: Finetuning | None
    evaluate: Evaluate | None
    recovering: Recovering | None
    clock: _Clock = field(default_factory=_Clock)

    def figures(self, path: Path) -> dict[str, float | None] | None:
        """The user's figures of a file; each process would find the same, so one asks."""
        return figures(self.evaluate, path) if self.evaluate is not None and leads() else None


def compress(
    model: PathLike,
    output: PathLike,
    *,
    channels: float | None = None,
    params: float | None = None,
    macs: float | None = None,
    criterion: str = "l1",
    options: Options | None = None,
    seed: int = 0,
    verify: bool = True,
    plan_path: PathLike | None = None,
    data: Any = None,
    samples: int = 1024,
    recover: bool | None = None,
    pixels: str | None = None,
    finetune: Finetune | Finetuning | None = None,
    evaluate: Evaluate | None = None,
    progress: Progress = silent,
) -> Compression:
    """Remove the least important channels until the target is met, prove the result, fine-tune it, write it.

    Args:
        model: path of an ONNX file; it is never changed.
        output: path of the result, written whole or not at all.
        channels, params, macs: exactly one: the share to keep, between 0 and 1.
        criterion: a registered criterion: "l1", "obs" and so on; `compressor compress --help` lists them.
        options: scope, rounding and whether widths may be cut.
        seed: of random scores and of the verification's inputs.
        verify: prove that pruned equals masked before anything is written.
        plan_path: where to save the plan as well; it holds what was cut, not what was trained.
        data: what criteria and recovery look at: path.py:function, an .npz file, a folder of pictures, or what such a
            function would return; None takes the fine-tuning's.
        samples: of the data, at most, that criteria and recovery look at.
        recover: give the layers that are left weights that make up for what was removed, without training. None does
            so where there is data and nothing is trained; True without data makes inputs up, which is weaker.
        pixels: how pictures of a folder become numbers; None takes the fine-tuning's way, or "unit".
        finetune: ``function(module, context)`` that trains the pruned model, or a ``Finetuning`` with its data.
        evaluate: ``function(path)`` -> number or dict of numbers, asked about the original, pruned and final file.
        progress: called with (stage, done, total).

    Raises:
        CompressorError: one of its subclasses, with what was wrong and what to do.
    """
    target = _target(channels, params, macs)
    needs = CRITERIA.get(criterion).needs  # an unknown name is said before any work
    options = options or Options()
    wish = _wish(finetune)
    source = data_of(data, samples, pixels, wish)
    criteria_see = statistics(source, seed)
    if needs and criteria_see is None:
        raise needs_data(criterion, needs)
    check_paths(model, output, plan_path)
    job = _Job(
        Path(output), plan_path, verify, seed, progress, wish, evaluate, recovering(source, recover, wish)
    )  # fmt: skip
    with job.clock.stage("load and analyse"):
        loaded = load_model(model, keep_dropout=finetune is not None)
        spare(loaded.files, output, plan_path)
    progress("analyse", 1, 1)
    with job.clock.stage("select"):
        plan = _choose(loaded, target, criterion, options, seed, criteria_see)
    progress("select", 1, 1)
    return _carry_out(loaded, plan, job)


def _choose(
    loaded: Loaded, target: Target, criterion: str, options: Options, seed: int, statistics: DataStatistics | None
) -> Plan:
    """Which channels go so that the target is met."""
    score = CRITERIA.get(criterion)
    if options.normalise is None:
        options = replace(options, normalise=not score.comparable)
    orders = best_orders(loaded.analysis) if options.align_groups else {}
    analysis = aligned(loaded.analysis, orders)
    cost = CostModel(analysis) if orders else loaded.cost
    scores = score(ScoreContext(analysis, seed, statistics, options.combine))
    selection = select(analysis, cost, scores, target, options)
    cuts = [in_original_positions(cut, orders) for cut in cuts_of(analysis, selection.atoms, scores, criterion)]
    return Plan(
        digest=loaded.digest,
        made_with={
            "criterion": criterion, "metric": target.metric, "keep": target.keep, "scope": options.scope,
            "floor": options.floor, "round_to": options.round_to, "allow_width": options.allow_width,
            "align_groups": options.align_groups, "combine": options.combine, "normalise": options.normalise,
            "seed": seed, "compressor": compressor.__version__,
        },
        before=PlanCounts(**vars(selection.before)),
        after=PlanCounts(**vars(selection.after)),
        cuts=cuts,
    )  # fmt: skip


def replay(
    model: PathLike, plan_path: PathLike, output: PathLike, *, verify: bool = True, seed: int = 0, data: Any = None,
    samples: int = 1024, recover: bool | None = None, pixels: str | None = None,
    finetune: Finetune | Finetuning | None = None, evaluate: Evaluate | None = None, progress: Progress = silent,
) -> Compression:  # fmt: skip
    """Apply a saved plan to the model it was made for; the other arguments are those of ``compress``.

    Raises:
        PlanError: the plan is malformed or was made for another graph.
    """
    check_paths(model, output, None)
    wish = _wish(finetune)
    asked = recovering(data_of(data, samples, pixels, wish), recover, wish)
    job = _Job(Path(output), None, verify, seed, progress, wish, evaluate, asked)
    with job.clock.stage("load and analyse"):
        plan = read_plan(Path(plan_path))
        loaded = load_model(model, keep_dropout=finetune is not None)
        spare((*loaded.files, Path(plan_path)), output, None)
    progress("analyse", 1, 1)
    return _carry_out(loaded, plan, job)


@dataclass(frozen=True)
class _Cut:
    """A graph less what a plan removes, and the evidence that this is all that was done."""

    plan: Plan
    analysis: Analysis
    atoms: Labels
    graph: gs.Graph
    evidence: Verification | None


def _cut(loaded: Loaded, plan: Plan, job: _Job) -> _Cut:
    """Both a fresh plan and a replayed one go this way, so that they give the same bytes."""
    with job.clock.stage("rewrite"):
        analysis, atoms = realise(plan, loaded.analysis, loaded.digest)
        pruned = remove_atoms(analysis, atoms)
    evidence = None
    if job.verify:
        with job.clock.stage("verify"):
            evidence = prove(loaded, analysis, atoms, pruned, 3, job.seed, job.progress)
    return _Cut(plan, analysis, atoms, pruned, evidence)


def _recover(cut: _Cut, wish: Recovering, job: _Job) -> tuple[_Cut, dict[str, Any]]:
    """The cut graph with weights that make up for what was removed, and the record of it."""
    with job.clock.stage("recover"):
        recovered = recover_graph(cut.graph, cut.analysis, cut.atoms, wish, seed=job.seed, progress=job.progress)
    return replace(cut, graph=recovered.graph), recovered.record


def _train(cut: _Cut, wish: Finetuning, job: _Job) -> Tuned:
    """The cut graph with trained values; the teacher is the graph that was cut."""
    made = cut.plan.made_with
    with job.clock.stage("fine-tune"):
        tuned = tune(
            cut.graph, cut.analysis.graph, wish, schedule=(1.0 - float(made.get("keep") or 1.0),),
            metric=str(made.get("metric", "")), kept=removal_of(cut.analysis, cut.atoms).tensor_masks,
            seed=job.seed, progress=job.progress,
        )  # fmt: skip
        # Without fine-tuning idle Dropout goes when the model is loaded: the file is of the same form.
        return Tuned(normalize(tuned.graph), tuned.record)


def _carry_out(loaded: Loaded, plan: Plan, job: _Job) -> Compression:
    """Cut, train, write."""
    cut = _cut(loaded, plan, job)
    before, after = loaded.cost.cost(cut.atoms[:0]), CostModel(cut.analysis).cost(cut.atoms)
    evaluation = {"original": job.figures(loaded.path)}
    if job.finetune is not None or job.recovering is not None:
        evaluation["pruned"] = _figures_of(cut.graph, job)
    recovery = None
    if job.recovering is not None:
        cut, recovery = _recover(cut, job.recovering, job)
    final, training = cut.graph, None
    if job.finetune is not None:
        if recovery is not None:
            evaluation["recovered"] = _figures_of(cut.graph, job)
        tuned = _train(cut, job.finetune, job)
        final, training = tuned.graph, tuned.record
    with job.clock.stage("write"):
        written = write(final, job.output, _plan_file(plan, job.plan_path)) if leads() else []
    job.progress("write", 1, 1)
    evaluation["final"] = job.figures(job.output)
    return Compression(
        model=str(loaded.path),
        output=str(job.output),
        plan=None if job.plan_path is None else str(job.plan_path),
        made_with=dict(plan.made_with),
        before=Counts(**vars(before), size_bytes=total_bytes(loaded.files)),
        after=Counts(**vars(after), size_bytes=total_bytes(written)),
        spaces_cut=len(plan.cuts),
        spaces=len(loaded.analysis.spaces),
        verification=None if cut.evidence is None else cut.evidence.to_json(),
        recovery=recovery,
        training=training,
        evaluation=None if job.evaluate is None else evaluation,
        advice=advice(plan, recovery),
        seconds=job.clock.seconds,
        environment={"seed": job.seed, **fingerprint().to_json()},
    )


def _figures_of(graph: gs.Graph, job: _Job) -> dict[str, float | None] | None:
    """The user's figures of a graph that is in no file yet."""
    if job.evaluate is None or not leads():
        return None
    with tempfile.TemporaryDirectory(prefix="compressor-") as folder:
        path = Path(folder) / job.output.name
        write(graph, path)
        return job.figures(path)


def _wish(finetune: Finetune | Finetuning | None) -> Finetuning | None:
    return finetune if finetune is None or isinstance(finetune, Finetuning) else Finetuning(finetune)


def _plan_file(plan: Plan, path: PathLike | None) -> dict[Path, bytes]:
    return {} if path is None else {Path(path): plan.to_bytes()}


def _target(channels: float | None, params: float | None, macs: float | None) -> Target:
    given = {"channels": channels, "params": params, "macs": macs}
    named = [(metric, keep) for metric, keep in given.items() if keep is not None]
    if len(named) != 1:
        raise UsageError(
            "give exactly one of --channels, --params and --macs",
            fix="For example --macs 0.5 to keep half of the MACs.",
        )
    metric, keep = named[0]
    return Target(metric, keep)  # type: ignore[arg-type]
