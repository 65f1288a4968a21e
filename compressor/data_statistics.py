"""Statistics of a graph on data, for criteria: ONNX Runtime gives activations, the torch bridge gradients."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs
from numpy.typing import NDArray

from compressor.errors import UsageError
from compressor.graph_copy import copy_graph
from compressor.graph_edit import replace_input
from compressor.passes.analysis import Analysis
from compressor.passes.nested import all_nodes, tensor_names
from compressor.passes.products import Product
from compressor.passes.recovery.output_error import error_between
from compressor.passes.rewrite_rules import NameMaker
from compressor.passes.statistics import GradientSums, Labelling, Moments
from compressor.training.data import Batch, Part, Samples, in_order
from compressor.training.data_sources import load_samples
from compressor.training.wanted import wanted_inputs
from compressor.verification import opened

Floats = NDArray[np.float64]

_BATCH = 64
_POSITIONS = 64  # of one sample, of which a layer's rows are taken: neighbours say much the same
_COVARIANCE_BYTES = 1 << 29  # held at once; layers beyond it take another walk over the data


@dataclass(frozen=True)
class DataStatistics:
    """Statistics over calibration samples, computed at every call.

    Attributes:
        source: what ``--data`` takes; see ``data_sources``.
        samples: how many to use at most, evenly spread over the data.
        pixels: how pictures of a folder become numbers.
        seed: of sampled labels.
    """

    source: Any
    samples: int = 1024
    pixels: str = "unit"
    seed: int = 0

    def second_moments(self, analysis: Analysis, products: Sequence[Product]) -> list[Floats]:
        """See Statistics."""
        sums: dict[tuple[str, int], Floats] = {}
        counts: dict[tuple[str, int], int] = {}
        for values in self._activations(analysis, products):
            for tensor, axis in {(product.tensor, product.channel_axis) for product in products}:
                by_channel = np.moveaxis(values[tensor], axis, 0).reshape(values[tensor].shape[axis], -1)
                squares = np.square(by_channel, dtype=np.float64).sum(1)
                sums[tensor, axis] = sums.get((tensor, axis), 0) + squares
                counts[tensor, axis] = counts.get((tensor, axis), 0) + by_channel.shape[1]
        places = [(product.tensor, product.channel_axis) for product in products]
        return [sums[place] / counts[place] for place in places]

    def moments(self, analysis: Analysis, products: Sequence[Product]) -> Iterator[tuple[Product, Moments]]:
        """See Statistics."""
        for together in _in_memory(analysis, products):
            sums: dict[object, _Sums] = {_rows_key(product): _Sums() for product in together}
            readers = {_rows_key(product): product for product in together}
            for values in self._activations(analysis, together):
                for key, product in readers.items():
                    sums[key].add(product.rows(values[product.tensor], _POSITIONS))
            for product in together:
                yield product, sums[_rows_key(product)].moments()

    def output_errors(
        self, analysis: Analysis, changes: Iterable[tuple[Product, Floats]], samples: int
    ) -> Iterator[float]:
        """See Statistics."""
        few = replace(self, samples=min(self.samples, max(samples, _fixed_batch(analysis) or 1)))
        chunks = list(few._feeds(analysis))
        with opened(analysis.graph, []) as session:
            targets = [session.run(chunk) for chunk in chunks]
        for product, values in changes:
            with opened(_with_weight(analysis.graph, product, values), []) as session:
                yield error_between(zip(targets, map(session.run, chunks), strict=True))

    def gradients(self, analysis: Analysis, labels: Labelling) -> GradientSums:
        """See Statistics. Squares are of single samples, unless the file takes only batches of another size.

        Raises:
            UsageError: labels are asked for that the data does not have.
            LoweringError: PyTorch has no way through an op.
        """
        from compressor.extras import require_torch

        require_torch("gradients")
        from compressor.bridge import from_onnx
        from compressor.bridge.gradients import Labels, Squares, accumulate

        labelled = self._samples(analysis).batch(np.zeros(1, np.int64)).labels is not None
        if labels == "given" and not labelled:
            raise UsageError(
                "the data has no labels, which the criterion needs", where=_name(self.source),
                fix="Give labels, or choose criterion fisher, which then samples them from the model's predictions.",
            )  # fmt: skip
        chosen: Labels = "given" if labelled and labels != "sampled" else "sampled"
        module = from_onnx(analysis.graph)
        squares: Squares = "sample" if _fixed_batch(analysis) in (None, 1) else "batch"
        found = accumulate(module, self._batches(analysis), labels=chosen, seed=self.seed, squares=squares)
        sums: dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]] = {}
        for name, (gradient, square) in found.sums.items():
            owner = module.report.copies.get(name, name)  # uses that were stored as one count as one again
            if owner in sums:
                gradient, square = gradient + sums[owner][0], square + sums[owner][1]
            sums[owner] = gradient, square
        return GradientSums(sums, found.samples)

    def _samples(self, analysis: Analysis) -> Samples:
        samples = load_samples(self.source, wanted_inputs(analysis.graph), pixels=self.pixels)
        if len(samples) <= self.samples:
            return samples
        return Part(samples, np.linspace(0, len(samples) - 1, self.samples).astype(np.int64))

    def _activations(self, analysis: Analysis, products: Sequence[Product]) -> Iterator[dict[str, NDArray[Any]]]:
        """By name, what the products read, batch by batch."""
        inner = sorted({product.tensor for product in products} - {tensor.name for tensor in analysis.graph.inputs})
        with opened(analysis.graph, inner) as session:
            for feeds in self._feeds(analysis):
                yield {**feeds, **session.run(feeds)}

    def _feeds(self, analysis: Analysis) -> Iterator[dict[str, NDArray[Any]]]:
        """The graph's inputs by name, batch by batch."""
        names = [tensor.name for tensor in analysis.graph.inputs]
        for batch in self._batches(analysis):
            yield dict(zip(names, batch.inputs, strict=True))

    def _batches(self, analysis: Analysis) -> Iterator[Batch]:
        """Of the size that the file takes, if it takes only one; samples that do not fill it are then left out."""
        samples, fixed = self._samples(analysis), _fixed_batch(analysis)
        if fixed is None:
            yield from in_order(samples, _BATCH)
        elif len(samples) < fixed:
            raise UsageError(f"has {len(samples)} samples, the model takes {fixed} at a time", where=_name(self.source))
        else:
            yield from (batch for batch in in_order(samples, fixed) if len(batch) == fixed)


def _fixed_batch(analysis: Analysis) -> int | None:
    return next((want.fixed_batch for want in wanted_inputs(analysis.graph) if want.fixed_batch), None)


def _with_weight(graph: gs.Graph, product: Product, values: Floats) -> gs.Graph:
    """A copy in which one product has another weight; other nodes keep what they shared with it."""
    changed = copy_graph(graph)
    node = list(all_nodes(changed))[product.node]
    weight = node.inputs[product.weight]
    name = NameMaker(tensor_names(changed)).new(weight.name)
    replace_input(node, product.weight, gs.Constant(name, values.astype(weight.dtype)))
    return changed


def _name(source: Any) -> str:
    return str(source) if isinstance(source, str | Path) else "data"


class _Sums:
    """Of rows and of their products, in float64."""

    def __init__(self) -> None:
        self._rows = 0
        self._first: Floats | float = 0.0
        self._second: Floats | float = 0.0

    def add(self, rows: NDArray[Any]) -> None:
        """``rows`` [groups, n, numbers of a row]."""
        exact = rows.astype(np.float64)
        self._rows += rows.shape[1]
        self._first = self._first + exact.sum(1)
        self._second = self._second + exact.transpose(0, 2, 1) @ exact

    def moments(self) -> Moments:
        mean = np.asarray(self._first) / self._rows
        return Moments(mean, np.asarray(self._second) / self._rows - mean[:, :, None] * mean[:, None, :], self._rows)


def _rows_key(product: Product) -> object:
    """Products with the same key read the same rows."""
    return product.tensor, product.channel_axis, product.groups, product.sliding


def _in_memory(analysis: Analysis, products: Sequence[Product]) -> Iterator[list[Product]]:
    """Runs of products whose covariances fit into memory together; one that alone does not is a run of its own."""
    together: list[Product] = []
    keys: set[object] = set()
    held = 0
    for product in products:
        need = 0 if _rows_key(product) in keys else product.covariance_bytes(analysis)
        if together and held + need > _COVARIANCE_BYTES:
            yield together
            together, keys, held, need = [], set(), 0, product.covariance_bytes(analysis)
        together.append(product)
        keys.add(_rows_key(product))
        held += need
    if together:
        yield together
