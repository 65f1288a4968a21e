"""Which channel spaces the work of an op runs along: what would have to be cut to make it faster."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from compressor.passes.analysis import Analysis
from compressor.passes.labels import Labels, is_fixed


class SpaceMap:
    """Spaces by tensor.

    Args:
        analysis: of the network.
    """

    def __init__(self, analysis: Analysis) -> None:
        self._analysis = analysis
        self._space_of = np.full(len(analysis.state.store), -1, np.int64)
        for number, space in enumerate(analysis.spaces):
            self._space_of[space.atoms] = number
        self._work: dict[str, list[Labels]] = {}
        for work in analysis.state.work:
            name = analysis.nodes[work.node].outputs[0].name
            self._work.setdefault(name, []).extend(work.axes)

    @property
    def sizes(self) -> Mapping[str, str]:
        """In words how many channels a space has and what cutting it needs, by its name."""
        return {
            space.name: f"{space.size} channels" + (", cut with --allow-width" if space.soft else "")
            for space in self._analysis.spaces
        }

    def of(self, tensor: str, layer: str | None) -> tuple[str, ...]:
        """Names of the spaces that the work of a fused op runs along.

        Args:
            tensor: that it computes at its end.
            layer: output of its layer, if it has one.
        """
        axes = self._work.get(layer or "") or self._analysis.state.tensors.get(tensor) or []
        found: set[int] = set()
        for labels in axes:
            if not is_fixed(labels):
                atoms = self._analysis.state.store.atoms(labels)
                found |= set(self._space_of[atoms].tolist())
        return tuple(self._analysis.spaces[number].name for number in sorted(found - {-1}))
