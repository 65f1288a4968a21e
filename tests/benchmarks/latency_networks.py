"""Networks, runtimes and threads that latency is measured on."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from compressor.latency.goal import LatencyGoal
from compressor.latency.setting import Setting
from compressor.latency.source import TableSource, table_for
from compressor.model_io import from_proto
from compressor.normalize import normalize
from compressor.passes.analysis import Analysis, analyse
from compressor.passes.cost import CostModel
from compressor.passes.fold_shuffles import fold_shuffles
from tests.zoo.source import load

NETWORKS = ("tv_resnet50.dyn", "tv_mobilenet_v2.dyn", "tv_efficientnet_b0.dyn", "tv_vit_b_16.dyn", "hf_bert.dyn")
SETTINGS = (
    Setting("onnxruntime-cpu", 1), Setting("onnxruntime-cpu", 2), Setting("openvino-cpu", 1), Setting("openvino-cpu", 2)
)  # fmt: skip
MINUTES = 4.0  # of measuring for a table


@dataclass(frozen=True)
class Network:
    """A network of the collection, analysed."""

    name: str
    analysis: Analysis
    cost: CostModel

    def table(self, setting: Setting) -> TableSource:
        """From the cache, or measured."""
        return table_for(LatencyGoal(0.5, setting=setting, minutes=MINUTES), self.analysis, self.cost)


@functools.lru_cache(maxsize=1)
def network(name: str) -> Network:
    """Read and analysed once."""
    analysis = analyse(fold_shuffles(normalize(from_proto(load(name)))))
    return Network(name, analysis, CostModel(analysis))


def words(setting: Setting) -> str:
    """For tables."""
    return f"{setting.backend}, {setting.threads} thread{'s' if setting.threads != 1 else ''}"
