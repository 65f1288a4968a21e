"""Step after step: choose, cut, prove, recover, train, put back, and on with the graph as it is then.

Every step cuts the graph with all its channels once, by what has gone so far: nothing is composed from cuts of cuts, so
plans, masks and proofs are those of one cut. Between steps, what training or recovery did to the channels that are
left is put back into that graph (``passes/put_back.py``).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import onnx_graphsurgeon as gs

from compressor.choosing import Chooser, Step
from compressor.errors import GraphError
from compressor.finetuning import Tuned, tune
from compressor.job import Job
from compressor.loaded import Loaded
from compressor.normalize import normalize
from compressor.passes.analysis import Analysis, analyse
from compressor.passes.apply_plan import orders_of, realise
from compressor.passes.cost import CostModel
from compressor.passes.labels import Labels
from compressor.passes.plan import Plan, PlanStep, merged
from compressor.passes.put_back import in_first_positions, put_back
from compressor.passes.rewrite import removal_of, remove_atoms
from compressor.proof import prove
from compressor.recover import recover_graph
from compressor.step_record import record_of
from compressor.step_results import StepResults
from compressor.verification import Verification


@dataclass(frozen=True)
class Cut:
    """A graph less what a plan removes, and the evidence that this is all that was done."""

    plan: Plan
    analysis: Analysis
    atoms: Labels
    graph: gs.Graph
    evidence: Verification | None


@dataclass(frozen=True)
class Carried:
    """What came of all steps.

    Attributes:
        cut: the last one.
        graph: the final graph.
        recovery, training: records of the last step.
        steps: a record of each step, in words and numbers.
        evaluation: the user's figures on the way.
        latency: of the last step, where it was the target.
    """

    cut: Cut
    graph: gs.Graph
    recovery: dict[str, Any] | None
    training: dict[str, Any] | None
    steps: list[dict[str, Any]]
    evaluation: dict[str, Any]
    latency: dict[str, Any] | None = None


def carry_out_steps(loaded: Loaded, chooser: Chooser, job: Job) -> Carried:
    """All steps of a schedule, one after the other."""
    results = StepResults(loaded, chooser, job)
    current, taken, records = loaded, list[Step](), list[dict[str, Any]]()
    count = len(chooser.shares)
    for number in range(1, count + 1):
        start = time.perf_counter()
        found = results.load(number) if number < count else None
        if found is None:
            chosen = results.load_choice(number)
            if chosen is None:
                with job.clock.stage("select"):
                    chosen = chooser.step(current, number, merged(step.cuts for step in taken))
                results.save_choice(number, chosen)
            taken.append(chosen)
            job.progress("select", 1, 1)
        else:
            taken.append(found.step)
        plan = plan_of(loaded.digest, chooser, taken)
        if found is None:
            done = _carry_out(loaded, current, plan, chooser, number, job)
            records.append(record_of(number, taken[-1], done, round(time.perf_counter() - start, 3), chooser.made_with))
            if number < count:
                results.save(number, taken[-1], done.graph, records[-1])
        else:
            done = replace(_cut_alone(current, plan, job), graph=found.graph)
            records.append(found.record)
        if number < count and (job.finetune is not None or job.recovering is not None):
            current = _with_values_of(loaded, current, done)
    graph = normalize(done.graph) if job.finetune is not None else done.graph
    return replace(done, graph=graph, steps=records, latency=records[-1]["latency"])


def plan_of(digest: str, chooser: Chooser, taken: Sequence[Step]) -> Plan:
    """All that has gone by now, as one cut of the original; of steps where a schedule has several."""
    several = len(chooser.shares) > 1
    steps = [PlanStep(share=step.share, after=step.after, cuts=step.cuts) for step in taken] if several else []
    return Plan(
        version=2 if several else 1, digest=digest, made_with=dict(chooser.made_with), before=taken[0].before,
        after=taken[-1].after, cuts=merged(step.cuts for step in taken), steps=steps,
    )  # fmt: skip


def _cut(current: Loaded, plan: Plan, job: Job) -> Cut:
    """Both a fresh plan and a replayed one go this way, so that they give the same bytes."""
    with job.clock.stage("rewrite"):
        analysis, atoms = realise(plan, current.analysis, plan.digest)
        pruned = remove_atoms(analysis, atoms)
    evidence = None
    if job.verify:
        with job.clock.stage("verify"):
            evidence = prove(current, analysis, atoms, pruned, 3, job.seed, job.progress)
    return Cut(plan, analysis, atoms, pruned, evidence)


def _cut_alone(current: Loaded, plan: Plan, job: Job) -> Carried:
    """The cut of a step whose result is known already."""
    cut = _cut(current, plan, replace(job, verify=False))
    return Carried(cut, cut.graph, None, None, [], {})


def _carry_out(loaded: Loaded, current: Loaded, plan: Plan, chooser: Chooser, number: int, job: Job) -> Carried:
    """One step: cut, recover, train. Recovery and distillation look at the original, not at the last step."""
    cut = _cut(current, plan, job)
    graph, recovery, training = cut.graph, None, None
    evaluation: dict[str, Any] = {}
    alone = len(chooser.shares) == 1  # between steps the user's figures would only cost time
    if alone and (job.finetune is not None or job.recovering is not None):
        evaluation["pruned"] = job.figures_of(graph)
    analysis, atoms = (cut.analysis, cut.atoms)
    if current is not loaded:
        analysis, atoms = realise(plan, loaded.analysis, plan.digest)
    if job.recovering is not None:
        with job.clock.stage("recover"):
            recovered = recover_graph(graph, analysis, atoms, job.recovering, seed=job.seed, progress=job.progress)
        graph, recovery = recovered.graph, recovered.record
    if job.finetune is not None:
        if alone and recovery is not None:
            evaluation["recovered"] = job.figures_of(graph)
        tuned = _train(graph, analysis, atoms, chooser, number, job)
        graph, training = tuned.graph, tuned.record
    return Carried(cut, graph, recovery, training, [], evaluation)


def _train(graph: gs.Graph, original: Analysis, atoms: Labels, chooser: Chooser, number: int, job: Job) -> Tuned:
    """The cut graph with trained values; the teacher is the original."""
    if job.finetune is None:
        raise ValueError("nothing to train with")
    with job.clock.stage("fine-tune"):
        return tune(
            graph, original.graph, job.finetune, step=number, schedule=tuple(chooser.shares),
            metric=str(chooser.made_with.get("metric", "")), kept=removal_of(original, atoms).tensor_masks,
            seed=job.seed, progress=job.progress,
        )  # fmt: skip


def _with_values_of(loaded: Loaded, current: Loaded, done: Carried) -> Loaded:
    """The graph with all its channels, as trained by now."""
    cut = done.cut
    whole = in_first_positions(
        cut.analysis, put_back(cut.analysis, cut.atoms, done.graph), orders_of(cut.plan, current.analysis)
    )
    analysis = _named_alike(analyse(whole), loaded.analysis)
    return replace(loaded, original=whole, analysis=analysis, cost=CostModel(analysis))


def _named_alike(analysis: Analysis, original: Analysis) -> Analysis:
    """The analysis with the original's names for its spaces: initializers that were trained apart have new ones."""
    places = [
        [(space.size, space.members[0].use, space.members[0].axis) for space in part.spaces]
        for part in (analysis, original)
    ]
    if places[0] != places[1]:
        raise GraphError("has other channel spaces after training than before", where=original.graph.name)
    pairs = zip(analysis.spaces, original.spaces, strict=True)
    return replace(analysis, spaces=[replace(space, name=old.name) for space, old in pairs])
