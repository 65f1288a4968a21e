"""The pipeline: load -> normalise -> analyse -> select -> rewrite -> verify -> write."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import onnx_graphsurgeon as gs

import compressor
from compressor.backends.fingerprint import fingerprint
from compressor.errors import UsageError
from compressor.model_io import data_files, digest, read, write
from compressor.normalize import normalize
from compressor.passes.analysis import Analysis, analyse
from compressor.passes.apply_plan import aligned, best_orders, in_original_positions, realise
from compressor.passes.cost import CostModel
from compressor.passes.fold_shuffles import fold_shuffles
from compressor.passes.labels import Labels
from compressor.passes.plan import Plan, PlanCounts, cuts_of, read_plan
from compressor.passes.rewrite import remove_atoms
from compressor.passes.scores import CRITERIA, ScoreContext
from compressor.passes.selection import Options, Target, select
from compressor.results import Compression, Counts
from compressor.targets import PathLike, check_paths, spare
from compressor.verification import Verification, verify_removal, verify_same

Progress: TypeAlias = Callable[[str, int, int], None]


# Channels that CPU kernels compute together: 8 floats with AVX2, 16 with AVX-512.
_BLOCK = 8


@dataclass(frozen=True)
class Loaded:
    """A model file, read, normalised and analysed.

    Attributes:
        files: the model's file, and those its weights are in.
    """

    path: Path
    files: tuple[Path, ...]
    digest: str
    original: gs.Graph
    analysis: Analysis
    cost: CostModel


@dataclass
class _Clock:
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - start, 4)


def _silent(stage: str, done: int, total: int) -> None:
    """No progress shown."""


def load_model(path: PathLike) -> Loaded:
    """Read a model file and analyse it.

    Raises:
        ModelFileError: the file cannot be read safely.
        GraphError: its shapes cannot be inferred.
    """
    graph = read(path)
    original = normalize(graph)
    analysis = analyse(fold_shuffles(original))
    files = (Path(path), *data_files(graph))
    return Loaded(Path(path), files, digest(graph), original, analysis, CostModel(analysis))


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
    progress: Progress = _silent,
) -> Compression:
    """Remove the least important channels until the target is met, prove the result, write it.

    Args:
        model: path of an ONNX file; it is never changed.
        output: path of the result, written whole or not at all.
        channels, params, macs: exactly one: the share to keep, between 0 and 1.
        criterion: a registered criterion ("l1", "l2", "random").
        options: scope, rounding and whether widths may be cut.
        seed: of random scores and of the verification's inputs.
        verify: prove that pruned equals masked before anything is written.
        plan_path: where to save the plan as well.
        progress: called with (stage, done, total).

    Raises:
        CompressorError: one of its subclasses, with what was wrong and what to do.
    """
    target = _target(channels, params, macs)
    score = CRITERIA.get(criterion)
    options = options or Options()
    check_paths(model, output, plan_path)
    clock = _Clock()
    with clock.stage("load and analyse"):
        loaded = load_model(model)
        spare(loaded.files, output, plan_path)
    progress("analyse", 1, 1)
    with clock.stage("select"):
        orders = best_orders(loaded.analysis) if options.align_groups else {}
        analysis = aligned(loaded.analysis, orders)
        cost = CostModel(analysis) if orders else loaded.cost
        scores = score(ScoreContext(analysis, seed))
        selection = select(analysis, cost, scores, target, options)
        cuts = [in_original_positions(cut, orders) for cut in cuts_of(analysis, selection.atoms, scores, criterion)]
    progress("select", 1, 1)
    plan = Plan(
        digest=loaded.digest,
        made_with={
            "criterion": criterion, "metric": target.metric, "keep": target.keep, "scope": options.scope,
            "floor": options.floor, "round_to": options.round_to, "allow_width": options.allow_width,
            "align_groups": options.align_groups, "seed": seed, "compressor": compressor.__version__,
        },
        before=PlanCounts(**vars(selection.before)),
        after=PlanCounts(**vars(selection.after)),
        cuts=cuts,
    )  # fmt: skip
    return _carry_out(loaded, plan, Path(output), plan_path, verify, seed, clock, progress)


def replay(
    model: PathLike, plan_path: PathLike, output: PathLike, *, verify: bool = True, seed: int = 0,
    progress: Progress = _silent,
) -> Compression:  # fmt: skip
    """Apply a saved plan to the model it was made for.

    Raises:
        PlanError: the plan is malformed or was made for another graph.
    """
    check_paths(model, output, None)
    clock = _Clock()
    with clock.stage("load and analyse"):
        plan = read_plan(Path(plan_path))
        loaded = load_model(model)
        spare((*loaded.files, Path(plan_path)), output, None)
    progress("analyse", 1, 1)
    return _carry_out(loaded, plan, Path(output), None, verify, seed, clock, progress)


def verify_files(
    original: PathLike, pruned: PathLike, plan_path: PathLike, *, inputs: int = 3, seed: int = 0,
    progress: Progress = _silent,
) -> Verification:  # fmt: skip
    """Prove that a pruned file is its original less what the plan removes.

    Raises:
        VerificationError: it is not; names the first tensor that differs.
    """
    plan = read_plan(Path(plan_path))
    loaded = load_model(original)
    analysis, atoms = realise(plan, loaded.analysis, loaded.digest)
    candidate = normalize(read(pruned))
    _same_interface(analysis.graph, candidate, Path(pruned))
    return _prove(loaded, analysis, atoms, candidate, inputs, seed, progress)


def _prove(
    loaded: Loaded, analysis: Analysis, atoms: Labels, pruned: gs.Graph, inputs: int, seed: int, progress: Progress
) -> Verification:
    """Pruned equals masked; where shuffles were folded or groups aligned first, that this changed nothing as well."""
    if analysis.graph is not loaded.original:
        verify_same(analysis, loaded.original, seed=seed)
    return verify_removal(
        analysis, atoms, pruned, inputs=inputs, seed=seed, progress=lambda d, t: progress("verify", d, t)
    )


def _carry_out(
    loaded: Loaded, plan: Plan, output: Path, plan_path: PathLike | None, verify: bool, seed: int, clock: _Clock,
    progress: Progress,
) -> Compression:  # fmt: skip
    """Both a fresh plan and a replayed one go this way, so that they give the same bytes."""
    with clock.stage("rewrite"):
        analysis, atoms = realise(plan, loaded.analysis, loaded.digest)
        pruned = remove_atoms(analysis, atoms)
    evidence = None
    if verify:
        with clock.stage("verify"):
            evidence = _prove(loaded, analysis, atoms, pruned, 3, seed, progress)
    before, after = loaded.cost.cost(atoms[:0]), CostModel(analysis).cost(atoms)
    with clock.stage("write"):
        written = write(pruned, output, {} if plan_path is None else {Path(plan_path): plan.to_bytes()})
    progress("write", 1, 1)
    return Compression(
        model=str(loaded.path),
        output=str(output),
        plan=None if plan_path is None else str(plan_path),
        made_with=dict(plan.made_with),
        before=Counts(**vars(before), size_bytes=total_bytes(loaded.files)),
        after=Counts(**vars(after), size_bytes=total_bytes(written)),
        spaces_cut=len(plan.cuts),
        spaces=len(loaded.analysis.spaces),
        verification=None if evidence is None else evidence.to_json(),
        advice=_advice(plan),
        seconds=clock.seconds,
        environment={"seed": seed, **fingerprint().to_json()},
    )


def _advice(plan: Plan) -> list[str]:
    wide = [cut for cut in plan.cuts if cut.size >= 2 * _BLOCK]  # a handful of heads is no width
    ragged = sum((cut.size - len(cut.removed)) % _BLOCK > 0 for cut in wide)
    if plan.made_with.get("round_to", 1) != 1 or not ragged:
        return []
    return [
        f"{ragged} of {len(wide)} cut spaces keep a number of channels that is no multiple of {_BLOCK}; runtimes"
        f" compute channels in blocks, so where milliseconds matter try --round-to {_BLOCK}"
    ]


def total_bytes(files: Iterable[Path]) -> int:
    """Size of a model's files in bytes."""
    return sum(path.stat().st_size for path in files)


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


def _same_interface(original: gs.Graph, pruned: gs.Graph, path: Path) -> None:
    for side in ("inputs", "outputs"):
        want = [(t.name, t.dtype) for t in getattr(original, side)]
        have = [(t.name, t.dtype) for t in getattr(pruned, side)]
        if want != have:
            raise UsageError(
                f"its {side} are {[n for n, _ in have]}, the original's {[n for n, _ in want]}", where=str(path),
                fix="Compare a model with its own pruned version.",
            )  # fmt: skip
