"""How many numbers and bytes the initializers hold after a removal: exactly for one, foretold for many candidates."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import onnx
import onnx_graphsurgeon as gs
from numpy.typing import NDArray

from compressor.graph_export import element_type
from compressor.passes.analysis import Analysis, is_float
from compressor.passes.axis_table import AxisTable
from compressor.tensor_values import stored_bytes

Rows = tuple[int, ...]
_BYTE = 8  # elements of a whole number of bytes, whatever their bits


@dataclass(frozen=True)
class _Initializer:
    """One of the file, with the rows of every distinct use; ``width`` is bytes of an element."""

    is_float: bool
    width: float
    uses: list[Rows]


class Weights:
    """All initializers of a graph, as lengths of rows of an ``AxisTable``.

    Uses of one initializer that keep the same indices share it, as the rewrite has them do; others get copies.
    """

    def __init__(self, analysis: Analysis, table: AxisTable) -> None:
        self._table = table
        nodes, state, probe = analysis.nodes, analysis.state, analysis.probes[0]
        found: dict[str, dict[Rows, None]] = {}
        constants: dict[str, gs.Constant] = {}
        for number, node in enumerate(nodes):
            for slot, tensor in enumerate(node.inputs):
                if isinstance(tensor, gs.Constant):
                    constants[tensor.name] = tensor
                    whole = tuple(-1 - size for size in tensor.shape)
                    axes = state.uses.get((number, slot))
                    uses = found.setdefault(tensor.name, {})
                    if tensor.name in state.whole or axes is None:
                        uses[whole] = None
                    if axes is not None:
                        uses[tuple(table.add(labels) for labels in axes)] = None
        self._all = {
            name: _Initializer(is_float(probe, name), _width(constants[name]), list(uses))
            for name, uses in found.items()
        }

    def elements(self, gone: NDArray[np.bool_], kept: NDArray[np.int64]) -> dict[str, int]:
        """Elements of every initializer by name, copies included.

        Args:
            gone: mark of every label id.
            kept: int64 [rows], lengths of the table's rows.
        """
        marks = self._table.marks(gone)
        counts: dict[str, int] = {}
        for name, initializer in self._all.items():
            slices = {tuple(int(marks[row]) if row >= 0 else 0 for row in rows): rows for rows in initializer.uses}
            counts[name] = sum(
                math.prod(self._table.length(row, kept) for row in rows) for rows in slices.values()
            )  # fmt: skip
        return counts

    def floats(self, elements: dict[str, int]) -> dict[str, int]:
        """Of these, the floating-point ones."""
        return {name: count for name, count in elements.items() if self._all[name].is_float}

    def size_bytes(self, elements: dict[str, int]) -> int:
        """Bytes that these take in a file, by their element types."""
        return sum(math.ceil(count * self._all[name].width) for name, count in elements.items())

    def bytes_at(self, lengths: NDArray[np.float64]) -> NDArray[np.float64]:
        """Float64 [candidates] for ``lengths`` [candidates, rows].

        Which indices are kept is not known here: two uses of one initializer count as two where either is cut.
        """
        total = np.zeros(len(lengths))
        whole = self._whole
        for initializer in self._all.values():
            sizes = [_product(rows, lengths) for rows in initializer.uses]
            if len(sizes) > 1:
                full = [_product(rows, whole)[0] for rows in initializer.uses]
                cut = [size < most for size, most in zip(sizes, full, strict=True)]
                parts = [np.where(less, size, 0.0) for size, less in zip(sizes, cut, strict=True)]
                sizes = [*parts, np.where(np.all(cut, axis=0), 0.0, full[0])]
            total += initializer.width * sum(sizes, np.zeros(len(lengths)))
        return total

    @property
    def _whole(self) -> NDArray[np.float64]:
        """Float64 [1, rows]: lengths while nothing is gone."""
        return self._table.kept(np.zeros(self._table.labels, np.bool_)).astype(np.float64)[None]


def _width(constant: gs.Constant) -> float:
    """Bytes of an element; strings, whose bytes nobody counts, are 0."""
    kind = element_type(constant)
    return 0.0 if kind == onnx.TensorProto.STRING else stored_bytes(kind, (_BYTE,)) / _BYTE


def _product(rows: Rows, lengths: NDArray[np.float64]) -> NDArray[np.float64]:
    found = np.ones(len(lengths))
    for row in rows:
        found = found * (lengths[:, row] if row >= 0 else -1.0 - row)
    return found
