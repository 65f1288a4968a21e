"""One network: analyse, remove at random, rewrite, and hold the result against everything promised of it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import onnx
import onnx_graphsurgeon as gs

from compressor.backends.base import Session, open_model
from compressor.backends.inputs import index_bounds, random_feeds
from compressor.errors import CompressorError
from compressor.model_io import from_proto, to_proto
from compressor.normalize import normalize
from compressor.passes.analysis import Analysis, analyse, prunable_share
from compressor.passes.branches import Branches
from compressor.passes.cost import CostModel
from compressor.passes.fold_shuffles import fold_shuffles
from compressor.passes.labels import Labels
from compressor.passes.masking import mask_atoms
from compressor.passes.rewrite import remove_atoms
from compressor.same_function import prove_same
from compressor.verification import difference, verify_removal
from tests.zoo import source
from tests.zoo.removal import random_removal, seed_of
from tests.zoo.row import Row

T = TypeVar("T")


class BrokenPromiseError(Exception):
    """The pruned network is not what it should be."""


def check_network(name: str, *, share: float = 0.5, width: bool = False, seed: int = 0, repeats: int = 3) -> Row:
    """Everything the sweep asks of one network. Never raises what the network caused: the row says it."""
    row, start = Row(name), time.perf_counter()
    try:
        graph = normalize(from_proto(source.load(name), name=name))
        fill_row(row, graph, share=share, width=width, seed=seed_of(name, seed), repeats=repeats)
    except CompressorError as error:
        row.failure = f"{type(error).__name__}: {error}"
    except Exception as error:  # a sweep reports whatever breaks and goes on with the next network
        row.failure = f"{_stage(error)} raised {type(error).__name__}: {' '.join(str(error).split())[:400]}"
    row.total_s = time.perf_counter() - start
    return row


def fill_row(row: Row, graph: gs.Graph, *, share: float, width: bool, seed: int, repeats: int = 1) -> None:
    """Check a normalised graph. Raises at the first broken promise; ``row`` then holds what was known by then."""
    row.nodes = len(graph.nodes)
    analysis, row.analyse_s = best_of(lambda: analyse(fold_shuffles(graph)), repeats)
    if analysis.graph is not graph:
        prove_same(analysis, graph, what="folding shuffles", inputs=1, seed=seed)
    row.spaces, row.soft_spaces = len(analysis.spaces), sum(space.soft for space in analysis.spaces)
    row.atoms, row.reached = sum(space.size for space in analysis.spaces), prunable_share(analysis)
    row.fixed = dict(Counter(reason.rpartition(" (")[0] or reason for _, _, reason in analysis.fixed_axes()))
    cost = CostModel(analysis)
    row.width = width or row.spaces == row.soft_spaces  # where every space is soft, nothing else can be cut
    atoms = random_removal(analysis, cost, share=share, width=row.width, seed=seed)
    row.cut = int(atoms.size)
    if not row.cut:
        raise BrokenPromiseError("no channel could be removed")
    pruned, row.rewrite_s = best_of(lambda: remove_atoms(analysis, atoms), repeats)
    row.params_kept = sum(parameter_sizes(pruned).values()) / sum(parameter_sizes(graph).values())
    row.macs_kept = cost.cost(atoms).macs / max(cost.cost(atoms[:0]).macs, 1)
    check_counts(graph, pruned, cost.by_owner(atoms)[0])
    check_symbols(graph, pruned)
    evidence = verify_removal(analysis, atoms, pruned, seed=seed)
    row.max_error, row.sizes = evidence.max_error, evidence.sizes
    check_as_users_run_it(analysis, atoms, pruned, row, seed)
    check_branches(analysis, cost, atoms, row, seed)


def best_of(action: Callable[[], T], repeats: int) -> tuple[T, float]:
    """The last result and the shortest time in seconds."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = action()
        seconds.append(time.perf_counter() - start)
    return result, min(seconds)


def parameter_sizes(graph: gs.Graph) -> dict[str, int]:
    """Elements of each floating-point initializer that a node reads."""
    constants = {t.name: t for node in graph.nodes for t in node.inputs if isinstance(t, gs.Constant)}
    return {n: int(np.prod(t.shape)) for n, t in constants.items() if np.issubdtype(np.dtype(t.dtype), np.floating)}


def check_counts(before: gs.Graph, after: gs.Graph, promised: dict[str, int]) -> None:
    """The rewritten graph holds the parameters that the cost model promised.

    Of an initializer that several nodes share, the model counts a copy for every use that might be cut differently;
    the rewrite makes only those it needs. So those count up to what was promised, all others to the element,
    except single numbers, which vanish with the arithmetic that the rewrite replaces by its result.
    """
    uses = Counter(t.name for node in before.nodes for t in node.inputs if isinstance(t, gs.Constant))
    sizes = parameter_sizes(after)
    wrong = {n: (sizes.get(n, 0), size) for n, size in promised.items() if uses[n] == 1 and sizes.get(n, 0) != size}
    wrong = {n: counts for n, counts in wrong.items() if counts != (0, 1)}
    if wrong:
        raise BrokenPromiseError(f"initializers (size, promised size): {wrong}")
    if sum(sizes.values()) > sum(promised.values()):
        raise BrokenPromiseError(f"{sum(sizes.values())} parameters are left, {sum(promised.values())} were promised")


def check_symbols(before: gs.Graph, after: gs.Graph) -> None:
    """Inputs and outputs keep their names, types, and the very sizes or symbols they had."""
    for side in ("inputs", "outputs"):
        want, have = (_signature(getattr(graph, side)) for graph in (before, after))
        if want != have:
            raise BrokenPromiseError(f"{side} were {want} and are {have}")


def _signature(tensors: Sequence[gs.Tensor]) -> list[tuple[str, str, tuple[int | str | None, ...] | None]]:
    return [(t.name, str(t.dtype), None if t.shape is None else tuple(t.shape)) for t in tensors]


def check_as_users_run_it(analysis: Analysis, atoms: Labels, pruned: gs.Graph, row: Row, seed: int) -> None:
    """The file passes ONNX's checker and, optimised by the runtime, equals the masked original.

    Dynamic networks are run at sizes that the analysis has not seen.
    """
    proto = to_proto(pruned)
    onnx.checker.check_model(proto, full_check=True)
    sizes = {name: size + 1 for name, size in analysis.probes[0].sizes.items()}
    bounds = index_bounds(to_proto(analysis.graph))
    with open_model(to_proto(mask_atoms(analysis, atoms)), optimize=False) as left, open_model(proto) as right:
        error = _worst(left, right, sizes, bounds, seed)
    row.max_error = max(row.max_error or 0.0, error)
    if sizes:
        row.sizes = [*row.sizes, sizes]


def check_branches(analysis: Analysis, cost: CostModel, atoms: Labels, row: Row, seed: int) -> None:
    """Without all branches that may go whole, and without ``atoms`` elsewhere, it equals the masked original too."""
    branches = Branches.of(analysis)
    numbers = list(branches.spaces())
    row.branches = len(numbers)
    if not numbers:
        return
    whole = branches.whole(np.concatenate([analysis.spaces[number].atoms for number in numbers]))
    together = np.union1d(cost.protect(np.setdiff1d(atoms, whole)), whole)
    pruned = remove_atoms(analysis, together)
    check_symbols(analysis.graph, pruned)
    onnx.checker.check_model(to_proto(pruned), full_check=True)
    evidence = verify_removal(analysis, together, pruned, inputs=1, seed=seed)
    row.max_error = max(row.max_error or 0.0, evidence.max_error)


def _worst(left: Session, right: Session, sizes: dict[str, int], bounds: dict[str, int], seed: int) -> float:
    feeds = random_feeds(left.inputs, seed=seed, dims=sizes, bounds=bounds)
    expected, actual = left.run(feeds), right.run(feeds)
    worst = 0.0
    for name, value in expected.items():
        error, tolerance = difference(actual[name], value, name)
        if error > tolerance:
            raise BrokenPromiseError(f"output {name!r} at sizes {sizes or 'as in the file'}: error {error:.2g}")
        worst = max(worst, error)
    return worst


def _stage(error: BaseException) -> str:
    """The innermost of this file's functions that was running."""
    trace, name = error.__traceback__, "the check"
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_filename == __file__ and not code.co_name.startswith("<"):
            name = code.co_name
        trace = trace.tb_next
    return name
