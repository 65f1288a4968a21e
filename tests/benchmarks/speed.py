"""Seconds of analysis and rewrite, against the limits we set ourselves and against Torch-Pruning in the same run."""

from __future__ import annotations

import functools
import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import onnx_graphsurgeon as gs
from rich.console import Console

from compressor.model_io import from_proto
from compressor.normalize import normalize
from compressor.passes.analysis import analyse
from compressor.passes.cost import CostModel
from compressor.passes.fold_shuffles import fold_shuffles
from compressor.passes.rewrite import remove_atoms
from compressor.passes.scores import CRITERIA, ScoreContext
from compressor.passes.selection import Options, Target, select
from tests.benchmarks import peer
from tests.benchmarks.report import new_table, show
from tests.zoo import source

T = TypeVar("T")
REPEATS = 7
PEER_REPEATS = 3  # in each of the peer's turns
LIMITS_S = {"tv_resnet50": 0.5, "tv_vit_b_16": 1.0, "tv_swin_t": 1.5}
BOTH = (
    "resnet18", "resnet50", "resnext50_32x4d", "vgg11_bn", "mobilenet_v2", "efficientnet_b0", "convnext_tiny",
    "regnet_x_400mf", "mnasnet0_5", "squeezenet1_1", "inception_v3", "shufflenet_v2_x1_0", "vit_b_16", "swin_t",
)  # fmt: skip


@dataclass
class Seconds:
    """Of each repeat: normalising, analysing, choosing (L1 scores and selection), rewriting."""

    normalize: list[float] = field(default_factory=list)
    analyse: list[float] = field(default_factory=list)
    choose: list[float] = field(default_factory=list)
    rewrite: list[float] = field(default_factory=list)

    @property
    def core(self) -> list[float]:
        """Analysis and rewrite of each repeat."""
        return [a + r for a, r in zip(self.analyse, self.rewrite, strict=True)]

    @property
    def whole(self) -> list[float]:
        """All that a prune of a loaded model takes."""
        return [sum(parts) for parts in zip(self.normalize, self.analyse, self.choose, self.rewrite, strict=True)]


def run(console: Console) -> dict[str, Any] | None:
    """Both tables."""
    if not source.is_present():
        console.print(f"speed: skipped: {source.ABSENT}.")
        return None
    return {"limits": limits(console), "peer": against_peer(console)}


def measure(name: str, repeats: int) -> Seconds:
    """Time one network of the zoo; the first, cold repeat counts like the others."""
    loaded, seconds = source.load(name), Seconds()
    for _ in range(repeats):
        gc.collect()  # garbage of the last repeat is not this one's time
        imported = from_proto(loaded)
        graph = _timed(seconds.normalize, functools.partial(normalize, imported))
        _prune(graph, seconds)
    return seconds


def _prune(graph: gs.Graph, seconds: Seconds) -> None:
    analysis = _timed(seconds.analyse, lambda: analyse(fold_shuffles(graph)))

    def choose() -> Any:
        scores = CRITERIA.get("l1")(ScoreContext(analysis, 0))
        return select(analysis, CostModel(analysis), scores, Target("channels", 0.5), Options())

    selection = _timed(seconds.choose, choose)
    _timed(seconds.rewrite, lambda: remove_atoms(analysis, selection.atoms))


def _timed(into: list[float], action: Callable[[], T]) -> T:
    start = time.perf_counter()
    result = action()
    into.append(time.perf_counter() - start)
    return result


def limits(console: Console) -> list[dict[str, Any]]:
    """The networks that have a limit, as both exporters write them."""
    table = new_table(
        f"Analysis + rewrite, seconds (medians of {REPEATS})",
        "network", "analyse", "rewrite", "together", "best", "worst", "limit", "",
    )  # fmt: skip
    found = []
    for name, limit_s in LIMITS_S.items():
        for exporter in ("leg", "dyn"):
            seconds = measure(f"{name}.{exporter}", REPEATS)
            together = statistics.median(seconds.core)
            verdict = "met" if together < limit_s else "MISSED"
            table.add_row(
                f"{name}.{exporter}", _median(seconds.analyse), _median(seconds.rewrite), f"{together:.3f}",
                f"{min(seconds.core):.3f}", f"{max(seconds.core):.3f}", f"{limit_s:g}", verdict,
            )  # fmt: skip
            found.append({"network": f"{name}.{exporter}", "limit_s": limit_s, "verdict": verdict, **asdict(seconds)})
    show(console, table)
    return found


def _median(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.3f}" if values else "-"


def against_peer(console: Console) -> dict[str, Any] | str:
    """Turn by turn, ours and theirs, network by network."""
    interpreter, reason = peer.python()
    if interpreter is None:
        console.print(f"Torch-Pruning: skipped: {reason}.")
        return reason
    table = new_table(
        f"Half of the channels by L1, seconds (medians; {peer.REQUIREMENTS[0]} has the classifier named, ours no hint)",
        "network", "analyse", "choose", "rewrite", "all ours", "build", "step", "all theirs", "theirs / ours",
    )  # fmt: skip
    found: dict[str, Any] = {}
    for network in BOTH:
        ours, theirs = _in_turns(interpreter, network)
        found[network] = {"ours": asdict(ours), "theirs": asdict(theirs)}
        mine = statistics.median(ours.whole)
        row = [_median(ours.analyse), _median(ours.choose), _median(ours.rewrite), f"{mine:.3f}"]
        if theirs.error:
            table.add_row(network, *row, "-", "-", "fails", "-")
            console.print(f"Torch-Pruning fails on {network}: {theirs.error}", soft_wrap=True, markup=False)
        else:
            whole = statistics.median(b + s for b, s in zip(theirs.build_s, theirs.step_s, strict=True))
            table.add_row(
                network, *row, _median(theirs.build_s), _median(theirs.step_s), f"{whole:.3f}", f"{whole / mine:.2f}"
            )
    show(console, table)
    console.print("all ours: normalising, analysis, L1 scores and selection, rewrite; all theirs: build and step")
    return found


def _in_turns(interpreter: Path, network: str) -> tuple[Seconds, peer.PeerResult]:
    """Ours, theirs, ours, theirs: what else the machine does then hits both alike."""
    file = next(name for name in source.names(f"tv_{network}") if name.endswith(".leg"))
    ours, theirs = Seconds(), peer.PeerResult()
    for _ in range(2):
        turn = measure(file, PEER_REPEATS)
        for mine, more in zip(vars(ours).values(), vars(turn).values(), strict=True):
            mine.extend(more)
        if theirs.error is None:
            result = peer.prune(interpreter, network, PEER_REPEATS)
            theirs = peer.PeerResult(
                theirs.build_s + result.build_s, theirs.step_s + result.step_s, result.params_before,
                result.params_after, result.error,
            )  # fmt: skip
    return ours, theirs
