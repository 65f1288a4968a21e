"""What must hold of every graph and every removal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import onnx
import onnx_graphsurgeon as gs

from compressor.backends.base import Array, open_model
from compressor.backends.inputs import random_feeds
from compressor.errors import CompressorError
from compressor.model_io import from_proto, to_proto
from compressor.normalize import normalize
from compressor.passes.analysis import Analysis, analyse
from compressor.passes.cost import CostModel
from compressor.passes.labels import Labels
from compressor.passes.masking import mask_atoms
from compressor.passes.rewrite import remove_atoms
from compressor.verification import differences, verify_removal
from tests.fuzz.draw import Draw
from tests.zoo.checks import check_counts, check_symbols

T = TypeVar("T")


class MismatchError(Exception):
    """A promise is broken."""


class InvalidGraphError(Exception):
    """The generated graph proves nothing: the generator's fault."""


class NotRunError(InvalidGraphError):
    """ONNX Runtime does not run the original, or not as it is written once it has optimised it."""


@dataclass(frozen=True)
class Found:
    """Counts of one graph."""

    spaces: int
    soft_spaces: int
    atoms: int
    removals: int


def check(proto: onnx.ModelProto, draw: Draw, *, removals: int = 2) -> Found:
    """Analyse, remove at random, and hold the results against every promise.

    Raises:
        InvalidGraphError: the graph gives no finite numbers.
        NotRunError: the runtime refuses it, or gives other numbers once it has optimised it.
        MismatchError: a promise is broken.
    """
    run_original(proto)
    graph = _stage("normalise", lambda: normalize(from_proto(proto)))
    analysis = _stage("analyse", lambda: analyse(graph))
    check_labels(analysis)
    cost = CostModel(analysis)
    untouched = to_proto(graph).SerializeToString(deterministic=True)
    done = 0
    for number in range(removals):
        atoms = pick_atoms(analysis, cost, draw, soft=number % 2 == 1)
        if atoms.size:
            check_removal(analysis, cost, atoms, seed=number)
            done += 1
    if to_proto(graph).SerializeToString(deterministic=True) != untouched:
        raise MismatchError("the analysed graph was changed")
    spaces = analysis.spaces
    return Found(len(spaces), sum(s.soft for s in spaces), sum(s.size for s in spaces), done)


def check_labels(analysis: Analysis) -> None:
    """Every labelled tensor has one label for each index of each axis."""
    for name, axes in analysis.state.tensors.items():
        shape, sizes = analysis.probes[0].shapes.get(name), tuple(labels.size for labels in axes)
        if shape is not None and sizes != shape:
            raise MismatchError(f"labels: {name!r} has {sizes} labels and is {shape}")


def _stage(name: str, action: Callable[[], T]) -> T:
    try:
        return action()
    except NotRunError:
        raise
    except Exception as error:  # whatever breaks here is a finding
        raise MismatchError(f"{name}: {type(error).__name__}: {error}") from error


def run_original(proto: onnx.ModelProto, *, optimised: bool = True) -> None:
    """The original must run, optimised too unless that is not asked for, at two sizes with finite outputs.

    Raises:
        InvalidGraphError: outputs are not finite.
        NotRunError: the runtime fails.
    """
    for base in (2, 7):
        values = _run_original(proto, _sizes(proto, base), seed=base, optimised=optimised)
        if not all(np.isfinite(value).all() for value in values):
            raise InvalidGraphError("not finite")


def _run_original(proto: onnx.ModelProto, sizes: Mapping[str, int], *, seed: int, optimised: bool) -> list[Array]:
    """Outputs as written. Some fusions of ONNX Runtime break on what they were not made for: NotRunError."""
    try:
        with open_model(proto, optimize=False) as session:
            feeds = random_feeds(session.inputs, seed=seed, dims=sizes)
            expected = session.run(feeds)
        with open_model(proto, optimize=optimised) as session:
            actual = session.run(feeds)
    except CompressorError as error:
        raise NotRunError(str(error)) from error
    if not _multiplies_in_int8(proto.graph.node) and not all(_alike(actual[n], value) for n, value in expected.items()):
        raise NotRunError("optimised by the runtime, the original gives other numbers")
    return list(expected.values())


def _alike(actual: Array, expected: Array) -> bool:
    """Roughly: another order of sums is no finding, and neither is what it makes of terms that cancel."""
    if actual.shape != expected.shape or not np.isfinite(expected).all():
        return actual.shape == expected.shape
    room = 1e-2 * max(1.0, np.abs(expected.astype(np.float64)).max(initial=0.0))
    return np.allclose(actual.astype(np.float64), expected.astype(np.float64), rtol=0.0, atol=room)


def _multiplies_in_int8(nodes: Iterable[onnx.NodeProto]) -> bool:
    """Whether optimised and as written differ by design: ONNX Runtime multiplies dequantised weights in int8."""
    return any(node.op_type == "DequantizeLinear" for node in nodes)


def _sizes(proto: onnx.ModelProto, base: int) -> Mapping[str, int]:
    dims = (d for value in proto.graph.input for d in value.type.tensor_type.shape.dim)
    names = dict.fromkeys(d.dim_param for d in dims if d.dim_param)
    return {name: base + 2 * i for i, name in enumerate(names)}


def pick_atoms(analysis: Analysis, cost: CostModel, draw: Draw, *, soft: bool) -> Labels:
    """Of every space a random share (none to all), less what must stay."""
    rng = np.random.default_rng(draw.integer(0, 999))
    share = draw.pick([0.5, 0.3, 0.8, 1.0])
    picked = [np.zeros(0, np.int64)]
    for space in analysis.spaces:
        if space.soft and not soft:
            continue
        if rng.random() < 0.8:
            picked.append(space.atoms[rng.random(space.size) < share])
    return cost.protect(np.sort(np.concatenate(picked)))


def check_removal(analysis: Analysis, cost: CostModel, atoms: Labels, *, seed: int) -> None:
    """Rewrite and compare: equal to the masked original at probed sizes and at others, counted right, loadable."""
    pruned = _stage("remove", lambda: remove_atoms(analysis, atoms))
    _stage("check", lambda: onnx.checker.check_model(to_proto(pruned), full_check=True))
    _stage("counts", lambda: check_counts(analysis.graph, pruned, cost.by_owner(atoms)[0]))
    _stage("symbols", lambda: check_symbols(analysis.graph, pruned))
    _exact_counts(analysis, cost, atoms, pruned)
    _stage("verify", lambda: verify_removal(analysis, atoms, pruned, inputs=2, seed=seed))
    if analysis.probes[0].sizes:
        sizes = {name: 3 * size + 1 + i for i, (name, size) in enumerate(analysis.probes[0].sizes.items())}
        _stage(f"sizes {sizes}", lambda: _equal_at(analysis, atoms, pruned, sizes, seed))


def _exact_counts(analysis: Analysis, cost: CostModel, atoms: Labels, pruned: gs.Graph) -> None:
    """With no shared initializer the counts agree to the element."""
    uses = Counter(t.name for node in analysis.graph.nodes for t in node.inputs if isinstance(t, gs.Constant))
    if max(uses.values(), default=1) > 1:
        return
    found = {t.name: t for node in pruned.nodes for t in node.inputs if isinstance(t, gs.Constant)}
    real = sum(int(np.prod(t.shape)) for t in found.values() if np.issubdtype(np.dtype(t.dtype), np.floating))
    if real != cost.cost(atoms).params:
        raise MismatchError(f"{real} parameters are left, {cost.cost(atoms).params} were promised")


def _equal_at(analysis: Analysis, atoms: Labels, pruned: gs.Graph, sizes: Mapping[str, int], seed: int) -> None:
    """At other sizes, and optimised as users run it, unless that changes the numbers by design."""
    optimize = all(node.op != "DequantizeLinear" for node in pruned.nodes)
    masked = mask_atoms(analysis, atoms)
    with open_model(to_proto(masked), optimize=False) as left:
        feeds = random_feeds(left.inputs, seed=seed, dims=sizes)
        expected = left.run(feeds)
    _run_original(
        to_proto(analysis.graph), sizes, seed=seed, optimised=True
    )  # what the runtime cannot do here is no mismatch
    with open_model(to_proto(pruned), optimize=optimize) as right:
        actual = right.run(feeds)
    for name, (error, tolerance) in differences(analysis, masked, feeds, expected, actual).items():
        if error > tolerance:
            raise MismatchError(f"{name} is off by {error:.3g}")
