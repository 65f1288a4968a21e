"""Does an exported graph compute what the module computes? On the example inputs and at other dynamic sizes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from compressor.errors import BackendError, CompressorError, GraphError, UsageError, VerificationError
from compressor.foreign_errors import ForeignErrors, reason
from compressor.models.export import evaluation_mode
from compressor.verification import difference, opened

if TYPE_CHECKING:
    import onnx_graphsurgeon as gs
    from torch import Tensor, nn

    from compressor.backends.base import Array

_OTHER_SIZES = 2  # of each dynamic axis, beside the example's
_SEED = 0


@dataclass(frozen=True)
class Reference:
    """What the module computes at one set of sizes: inputs by name, outputs in order."""

    sizes: dict[str, int]
    feeds: dict[str, Array]
    outputs: list[Array]


@dataclass(frozen=True)
class References:
    """What graphs are compared with.

    Attributes:
        cases: the example inputs first.
        unchecked: symbols of which the module takes the example's size only.
    """

    cases: list[Reference]
    unchecked: list[str] = field(default_factory=list)


def references(
    module: nn.Module, inputs: Mapping[str, Tensor], positional: int, dynamic: Mapping[str, Mapping[int, str]]
) -> References:
    """Run ``module`` in evaluation mode on its example inputs, and on others at other sizes of each dynamic axis.

    Args:
        positional: how many of the inputs are passed by position.

    Raises:
        UsageError: the module does not run on the example inputs, or its outputs are not tensors.
    """
    where = type(module).__name__
    example = {symbol: inputs[name].shape[axis] for name, axes in dynamic.items() for axis, symbol in axes.items()}
    with evaluation_mode(module):
        with ForeignErrors(partial(_forward_failed, where)):
            first = _run(module, inputs, positional)
        cases, unchecked = [_reference(inputs, first, example, where)], []
        for symbol, size in example.items():
            fitting = 0
            for other in _others(size):
                resized = {
                    name: _resized(value, dynamic.get(name, {}), symbol, other) for name, value in inputs.items()
                }
                found = _tried(module, resized, positional)
                if found is not None and fitting < _OTHER_SIZES:
                    cases.append(_reference(resized, found, {**example, symbol: other}, where))
                    fitting += 1
            if not fitting:
                unchecked.append(symbol)
    return References(cases, unchecked)


def compare(graph: gs.Graph, against: References) -> tuple[float, float]:
    """(largest error relative to the largest magnitude of its output, tolerance of the outputs' loosest type).

    Raises:
        VerificationError: an output is missing or differs by more than its type's tolerance, or the graph does not run.
    """
    worst, loosest = 0.0, 0.0
    with _runnable(), opened(graph) as session:
        taken = [spec.name for spec in session.inputs]
        for case in against.cases:
            # An input that nothing reads is not in every exporter's graph.
            with _runnable(case):
                actual = session.run({name: value for name, value in case.feeds.items() if name in taken})
            if len(actual) != len(case.outputs):
                said = f"the graph has {len(actual)} outputs, the module {len(case.outputs)}"
                raise VerificationError(said, fix="Nothing was written. Try the other exporter.")
            for (name, value), expected in zip(actual.items(), case.outputs, strict=True):
                error, tolerance = difference(value, expected, name)
                if error > tolerance:
                    raise _difference(name, error, tolerance, case)
                worst, loosest = max(worst, error), max(loosest, tolerance)
    return worst, loosest


@contextmanager
def _runnable(case: Reference | None = None) -> Iterator[None]:
    """What cannot run cannot be compared: an element type the runtime has no kernels for, a size frozen by tracing."""
    try:
        yield
    except BackendError as error:
        at = "" if case is None else _at(case)
        said = f"ONNX Runtime cannot run the graph{at}, so it cannot be compared with the module: {error.one_line()}"
        fix = "Export float32 or float16." if case is None else "Try the other exporter, or leave that axis fixed."
        raise VerificationError(said, fix=f"Nothing was written. {fix}") from error


def _difference(name: str, error: float, tolerance: float, case: Reference) -> VerificationError:
    return VerificationError(
        f"differs from the module by {error:.2g} of the output{_at(case)} (tolerance {tolerance:g})",
        where=f"output {name!r}",
        fix="Nothing was written. Try the other exporter. A module that draws random numbers cannot be compared.",
    )


def _at(case: Reference) -> str:
    return f" at {', '.join(f'{symbol} {size}' for symbol, size in case.sizes.items())}" if case.sizes else ""


def _run(module: nn.Module, inputs: Mapping[str, Tensor], positional: int) -> Any:
    import torch

    items = list(inputs.items())
    with torch.no_grad():
        return module(*(value.clone() for _, value in items[:positional]),
                      **{name: value.clone() for name, value in items[positional:]})  # fmt: skip


class _RefusedError(CompressorError):
    """The module does not take this size."""


def _tried(module: nn.Module, inputs: Mapping[str, Tensor], positional: int) -> Any:
    """What the module returns, None if it raises: a size may be too long for its positions."""
    try:
        with ForeignErrors(lambda error: _RefusedError(reason(error))):
            return _run(module, inputs, positional)
    except _RefusedError:
        return None


def _forward_failed(where: str, error: BaseException) -> CompressorError:
    fix = "Give inputs of the shapes and types that forward takes."
    return UsageError(f"does not run on the example inputs: {reason(error)}", where=where, fix=fix)


def _reference(inputs: Mapping[str, Tensor], output: Any, sizes: Mapping[str, int], where: str) -> Reference:
    outputs = list(_tensors(output, where))
    if not outputs:
        raise GraphError("forward returns no tensor", where=where)
    return Reference(dict(sizes), {name: _array(value) for name, value in inputs.items()}, list(map(_array, outputs)))


def _tensors(output: Any, where: str) -> Iterator[Tensor]:
    """The tensors of nested tuples, lists, dicts and dataclasses, as the exporters order them."""
    import torch
    from torch.utils import _pytree

    for leaf in _pytree.tree_leaves(output):
        if isinstance(leaf, torch.Tensor):
            yield leaf
        elif leaf is not None:
            raise UsageError(f"forward returns a {type(leaf).__name__}", where=where, fix="Return tensors only.")


def _array(value: Tensor) -> Array:
    import torch

    value = value.detach().cpu().contiguous()
    if value.dtype == torch.bfloat16:
        import ml_dtypes

        return value.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    array: Array = value.numpy()
    return array


def _others(size: int) -> Sequence[int]:
    """Candidates: one broadcasts where a fixed size hides, uneven ones break wrong Reshapes, even ones fit grids."""
    return [other for other in (1, size + 3, 2 * size, size - 1) if other not in (size, 0)]


def _resized(value: Tensor, axes: Mapping[int, str], symbol: str, size: int) -> Tensor:
    """Repeated or cut to ``size`` along the axes called ``symbol``; floats change a little, no two alike."""
    import torch

    generator = torch.Generator().manual_seed(_SEED)
    for axis in (axis for axis, name in axes.items() if name == symbol):
        indices = torch.arange(size) % value.shape[axis]
        value = value.index_select(axis, indices.to(value.device))
        if value.is_floating_point():
            noise = torch.rand(value.shape, generator=generator).to(value.device, value.dtype)
            value = value * (1 + 0.1 * noise)
    return value
