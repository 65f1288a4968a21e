"""The pipeline: load -> normalise -> analyse -> select -> rewrite -> verify -> recover -> fine-tune -> write."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compressor.advice import advice
from compressor.auto_schedule import decide
from compressor.backends.fingerprint import fingerprint
from compressor.choosing import ByCriterion, ByPlan, Chooser
from compressor.data_use import data_of, recovering, statistics
from compressor.errors import UsageError
from compressor.finetuning import Finetuning
from compressor.job import Job, as_finetuning
from compressor.latency.choosing import ByLatency
from compressor.latency.goal import LatencyGoal
from compressor.latency.outcome import NotFasterError
from compressor.loaded import Loaded, load_model, total_bytes
from compressor.memory_goal import MemoryGoal
from compressor.model_io import read, write
from compressor.passes.cost import NO_ATOMS, Cost, CostModel
from compressor.passes.plan import Plan, PlanCounts, atoms_of, read_plan
from compressor.passes.scores import CRITERIA, needs_data
from compressor.passes.selection import Options
from compressor.proof import Progress, silent
from compressor.results import Compression, Counts
from compressor.scheduling import AUTO, Scheduling, as_scheduling
from compressor.step_record import training_of_all
from compressor.step_results import share_begun_with
from compressor.steps import carry_out_steps
from compressor.target_choice import memory_goal, targets_of
from compressor.targets import PathLike, check_paths, spare
from compressor.training.torchrun import leads, under_torchrun
from compressor.user_evaluation import Evaluate

if TYPE_CHECKING:
    from compressor.training.context import Finetune


def compress(
    model: PathLike,
    output: PathLike,
    *,
    channels: float | None = None,
    params: float | None = None,
    macs: float | None = None,
    size: float | None = None,
    memory: float | MemoryGoal | None = None,
    latency: float | LatencyGoal | None = None,
    criterion: str = "l1",
    options: Options | None = None,
    schedule: str | Scheduling = "one-shot",
    steps: int | None = None,
    seed: int = 0,
    verify: bool = True,
    plan_path: PathLike | None = None,
    data: Any = None,
    samples: int = 1024,
    recover: bool | None = None,
    pixels: str | None = None,
    finetune: Finetune | Finetuning | None = None,
    evaluate: Evaluate | None = None,
    keep_dropout: bool = False,
    progress: Progress = silent,
) -> Compression:
    """Remove the least important channels until the target is met, prove the result, fine-tune it, write it.

    Args:
        model: path of an ONNX file; it is never changed.
        output: path of the result, written whole or not at all.
        channels, params, macs, size, memory, latency: exactly one, or a latency with size, memory or both, which are
            not exceeded then: the share to keep, between 0 and 1. ``size`` counts the weights' bytes; ``memory`` the
            peak of weights and live tensors, at batch 1 or the sizes that a ``MemoryGoal`` names. A latency is
            measured, by default on ONNX Runtime's CPU kernels with one thread; a ``LatencyGoal`` names milliseconds,
            or energy instead of time, runtime and sizes of inputs. What is not measurably faster is not written: the
            original is, and the result says so.
        criterion: a registered criterion: "l1", "obs" and so on; `compressor compress --help` lists them.
        options: scope, rounding and whether widths may be cut.
        schedule: in how many cuts, with recovery or training after each: "one-shot", "geometric", "hybrid" and so on,
            "auto", or a ``Scheduling`` with all its settings. Every step scores anew what training left.
        steps: of the schedule.
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
        keep_dropout: leave Dropout nodes in the result, for training that comes later.
        progress: called with (stage, done, total).

    Raises:
        CompressorError: one of its subclasses, with what was wrong and what to do.
    """
    goal = LatencyGoal(latency) if isinstance(latency, float | int) else latency
    peak = memory_goal(memory, goal)
    shares = {"channels": channels, "params": params, "macs": macs, "size": size, "memory": None}
    if peak is not None:
        shares["memory"] = peak.keep
    if goal is not None and under_torchrun():
        raise UsageError(
            "what is measured would be another in each process of torchrun",
            fix="Cut without torchrun, then train the result under it: `compressor finetune --teacher ORIGINAL`.",
        )
    own = as_finetuning(finetune)
    known = None if goal is None or goal.ms is None else share_begun_with(own, goal.ms)
    target, budgets = targets_of(shares, goal, Path(model), known)
    needs = CRITERIA.get(criterion).needs  # an unknown name is said before any work
    asked = as_scheduling(schedule, steps)
    wish = asked.patient(own)
    source = data_of(data, samples, pixels, wish)
    criteria_see = statistics(source, seed)
    if needs and criteria_see is None:
        raise needs_data(criterion, needs)
    if asked.name != AUTO:
        asked.shares(1 - target.keep)  # settings that do not fit are said before any work
    check_paths(model, output, plan_path)
    job = Job(
        Path(output), plan_path, verify, seed, progress, wish, evaluate, recovering(source, recover, wish)
    )  # fmt: skip
    with job.clock.stage("load and analyse"):
        loaded = load_model(model, keep_dropout=keep_dropout or finetune is not None)
        spare(loaded.files, output, plan_path)
    progress("analyse", 1, 1)
    chooser = ByCriterion(target, criterion, options or Options(), seed, criteria_see, (1 - target.keep,), memory=peak)
    if goal is not None:
        chooser = ByLatency(**vars(chooser), goal=goal, budgets=budgets, tell=progress)
    try:
        decision = decide(asked, loaded, chooser, job)
    except NotFasterError as error:  # of a trial
        return _original_instead(loaded, chooser, job, [f"{error} The original is returned."])
    chosen = decision.schedule
    chooser = replace(chooser, shares=chosen.shares(1 - target.keep), schedule=chosen.for_plan())
    return _carry_out(loaded, chooser, replace(job, finetune=chosen.patient(wish)), decision.notes)


def replay(
    model: PathLike, plan_path: PathLike, output: PathLike, *, verify: bool = True, seed: int = 0, data: Any = None,
    samples: int = 1024, recover: bool | None = None, pixels: str | None = None,
    finetune: Finetune | Finetuning | None = None, evaluate: Evaluate | None = None, keep_dropout: bool = False,
    progress: Progress = silent,
) -> Compression:  # fmt: skip
    """Apply a saved plan to the model it was made for.

    Args:
        model: path of an ONNX file; it is never changed.
        plan_path: the plan that ``compress`` saved.
        output: path of the result, written whole or not at all.
        verify, seed, data, samples, recover, pixels, finetune, evaluate, keep_dropout, progress: as for ``compress``.

    Raises:
        PlanError: the plan is malformed or was made for another graph.
    """
    check_paths(model, output, None)
    wish = as_finetuning(finetune)
    asked = recovering(data_of(data, samples, pixels, wish), recover, wish)
    job = Job(Path(output), None, verify, seed, progress, wish, evaluate, asked)
    with job.clock.stage("load and analyse"):
        plan = read_plan(Path(plan_path))
        loaded = load_model(model, keep_dropout=keep_dropout or finetune is not None)
        spare((*loaded.files, Path(plan_path)), output, None)
        atoms_of(plan, loaded.analysis, loaded.digest)  # refuses a plan that was made for another graph
    progress("analyse", 1, 1)
    return _carry_out(loaded, ByPlan(plan), job)


def _carry_out(loaded: Loaded, chooser: Chooser, job: Job, notes: Sequence[str] = ()) -> Compression:
    """All steps, then write."""
    evaluation = {"original": job.figures(loaded.path)}
    try:
        done = carry_out_steps(loaded, chooser, job)
    except NotFasterError as error:
        return _original_instead(loaded, chooser, job, [*notes, f"{error} The original is returned."])
    plan, cut = done.cut.plan, done.cut
    evaluation |= done.evaluation
    before, after = loaded.cost.cost(cut.atoms[:0]), CostModel(cut.analysis).cost(cut.atoms)
    with job.clock.stage("write"):
        written = write(done.graph, job.output, _plan_file(plan, job.plan_path)) if leads() else []
    job.progress("write", 1, 1)
    evaluation["final"] = job.figures(job.output)
    return Compression(
        model=str(loaded.path),
        output=str(job.output),
        plan=None if job.plan_path is None else str(job.plan_path),
        made_with=dict(plan.made_with),
        before=_counts(before, plan.before, loaded.files),
        after=_counts(after, plan.after, written),
        spaces_cut=len(plan.cuts),
        spaces=len(loaded.analysis.spaces),
        verification=None if cut.evidence is None else cut.evidence.to_json(),
        recovery=done.recovery,
        training=training_of_all(done.steps),
        latency=done.latency,
        steps=done.steps if len(done.steps) > 1 else [],
        evaluation=None if job.evaluate is None else evaluation,
        advice=[*notes, *advice(plan, done.recovery)],
        seconds=job.clock.seconds,
        environment={"seed": job.seed, **fingerprint().to_json()},
    )


def _original_instead(loaded: Loaded, chooser: Chooser, job: Job, notes: Sequence[str]) -> Compression:
    """The model as it was, written as the result."""
    cost = loaded.cost.cost(NO_ATOMS)
    counts = PlanCounts(**vars(cost))
    plan = Plan(digest=loaded.digest, made_with=dict(chooser.made_with), before=counts, after=counts, cuts=[])
    with job.clock.stage("write"):
        written = write(read(loaded.path), job.output, _plan_file(plan, job.plan_path)) if leads() else []
    job.progress("write", 1, 1)
    after, before = _counts(cost, counts, written), _counts(cost, counts, loaded.files)
    return Compression(
        model=str(loaded.path), output=str(job.output), plan=None if job.plan_path is None else str(job.plan_path),
        made_with=dict(plan.made_with), before=before, after=after, spaces_cut=0, spaces=len(loaded.analysis.spaces),
        verification=None, advice=list(notes), seconds=job.clock.seconds,
        environment={"seed": job.seed, **fingerprint().to_json()},
    )  # fmt: skip


def _plan_file(plan: Plan, path: PathLike | None) -> dict[Path, bytes]:
    return {} if path is None else {Path(path): plan.to_bytes()}


def _counts(cost: Cost, planned: PlanCounts, files: Iterable[Path]) -> Counts:
    """With the peak of memory that the plan was made for, if any."""
    return Counts(**{**vars(cost), "peak_bytes": planned.peak_bytes}, size_bytes=total_bytes(files))
