"""Samples of a latency table without branches: what then is left of a branch no width foretells."""

from __future__ import annotations

import numpy as np

from compressor.latency.measuring import measure
from compressor.latency.setting import Setting
from compressor.latency.source import TableSource
from compressor.passes.analysis import Analysis
from compressor.passes.branches import Branches
from compressor.passes.cost import CostModel
from compressor.passes.latency.work_units import WorkUnits


def sample_branches(source: TableSource, analysis: Analysis, cost: CostModel, setting: Setting) -> None:
    """Measure the model without every other branch, and without those between, where the table has nothing like it.

    Another machine's table is left as it is.

    Raises:
        BackendError: the runtime cannot run a candidate.
    """
    if not source.here or (source.table.widths() == 0).any():
        return
    branches = Branches.of(analysis)
    numbers = list(branches.spaces())
    units = WorkUnits(analysis, cost.table)
    for some in (numbers[::2], numbers[1::2]):
        if some:
            atoms = branches.whole(np.concatenate([analysis.spaces[number].atoms for number in some]))
            source.add(measure(analysis, units, atoms, setting))
