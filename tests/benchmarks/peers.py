"""Side by side on common networks: ours, onnxsim's structured pruning, and Torch-Pruning, each at half the channels."""

from __future__ import annotations

import functools
import gc
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import onnx
from rich.console import Console

from compressor.errors import CompressorError
from compressor.model_io import from_proto, to_proto
from compressor.normalize import normalize
from compressor.passes.analysis import analyse
from compressor.passes.cost import CostModel
from compressor.passes.fold_shuffles import fold_shuffles
from compressor.passes.rewrite import remove_atoms
from compressor.passes.scores import CRITERIA, ScoreContext
from compressor.passes.selection import Options, Target, select
from compressor.same_function import prove_same
from compressor.verification import verify_removal
from tests.benchmarks import onnxsim_peer, peer
from tests.benchmarks.report import new_table, show
from tests.zoo import source
from tests.zoo.checks import parameter_sizes

NETWORKS = (
    "tv_resnet18", "tv_resnet50", "tv_resnext50_32x4d", "tv_regnet_x_400mf", "tv_squeezenet1_1", "tv_mobilenet_v2",
    "tv_mobilenet_v2-dynaxes", "tv_mnasnet0_5", "tv_efficientnet_b0", "tv_shufflenet_v2_x0_5", "tv_convnext_tiny",
    "tv_vit_b_16", "tv_swin_t", "timm_dpn48b", "timm_ese_vovnet19b_dw", "timm_dla34", "timm_mobilenetv4_conv_small",
    "hf_vit", "hf_bert", "hf_bert-dynaxes", "hf_gpt2", "hf_gpt2-dynaxes", "hf_llama", "hf_llama-dynaxes", "hf_t5enc",
)  # fmt: skip


@dataclass
class OurResult:
    """What we did to one network.

    Attributes:
        kept: share of parameters; ``width``: nothing but what a normalisation runs over could be cut, so it was.
        seconds: normalising, analysis, scores, selection and rewriting.
        max_error: from the masked original, relative to the largest output.
    """

    kept: float | None = None
    width: bool = False
    seconds: float | None = None
    max_error: float | None = None
    error: str | None = None


def run(console: Console) -> list[dict[str, Any]] | None:
    """The table."""
    if not source.is_present():
        console.print(f"peers: skipped: {source.ABSENT}.")
        return None
    onnxsim, reason = onnxsim_peer.python()
    if onnxsim is None:
        console.print(f"{onnxsim_peer.REQUIREMENTS[0]} is not measured: {reason}.")
    torch_pruning, reason = peer.python()
    if torch_pruning is None:
        console.print(f"{peer.REQUIREMENTS[0]} is not measured: {reason}.")
    table = new_table(
        "Half of the channels by L1: share of parameters kept, proof, seconds",
        "network", "ours", "proof", "s", "onnxsim", "runs", "proof", "s", "Torch-Pruning", "s",
    )  # fmt: skip
    rows = []
    for name in (name for network in NETWORKS for name in source.names(f"{network}.")):
        row = _measure(name, onnxsim, torch_pruning)
        table.add_row(name, *_our_cells(row["ours"]), *_onnxsim_cells(row["onnxsim"]), *_torch_cells(row["torch"]))
        for problem in _problems(row):
            console.print(problem, soft_wrap=True, markup=False)
        rows.append(row)
        gc.collect()
    show(console, table)
    for line in summary(rows):
        console.print(line, markup=False)
    return [{key: asdict(value) if hasattr(value, "error") else value for key, value in row.items()} for row in rows]


def _measure(name: str, onnxsim: Path | None, torch_pruning: Path | None) -> dict[str, Any]:
    model = source.load(name)
    network = name.rpartition(".")[0]
    has_torch = torch_pruning is not None and network.startswith("tv_")
    return {
        "network": name,
        "ours": prune(model),
        "onnxsim": onnxsim_peer.prune(onnxsim, model) if onnxsim else None,
        "torch": _torch(str(torch_pruning), network[3:].removesuffix("-dynaxes")) if has_torch else None,
    }


def _problems(row: dict[str, Any]) -> list[str]:
    """What went wrong, a line each."""
    ours, onnxsim, torch = row["ours"], row["onnxsim"], row["torch"]
    lines = [f"ours: {ours.error}"] if ours.error else []
    if onnxsim is not None:
        lines += [f"onnxsim: {onnxsim.error}"] if onnxsim.error else []
        lines += [f"onnxsim ({route.name}): {route.error}" for route in onnxsim.routes if route.error]
    lines += [f"Torch-Pruning: {torch.error}"] if torch is not None and torch.error else []
    return [f"{row['network']}: {line}" for line in lines]


@functools.cache
def _torch(interpreter: str, network: str) -> peer.PeerResult:
    """Once for both exporters: it prunes the PyTorch network, not the file."""
    return peer.prune(Path(interpreter), network, 1)


def prune(model: onnx.ModelProto) -> OurResult:
    """Half of the channels of every space, proven."""
    result = OurResult()
    try:
        start = time.perf_counter()
        graph = normalize(from_proto(model))
        analysis = analyse(fold_shuffles(graph))
        result.width = all(space.soft for space in analysis.spaces)
        scores = CRITERIA.get("l1")(ScoreContext(analysis, 0))
        options = Options(allow_width=result.width)
        atoms = select(analysis, CostModel(analysis), scores, Target("channels", 0.5), options).atoms
        pruned = remove_atoms(analysis, atoms)
        to_proto(pruned)
        result.seconds = time.perf_counter() - start
        result.kept = sum(parameter_sizes(pruned).values()) / sum(parameter_sizes(graph).values())
        if analysis.graph is not graph:
            prove_same(analysis, graph, what="folding shuffles", inputs=1)
        result.max_error = verify_removal(analysis, atoms, pruned, inputs=2).max_error
    except CompressorError as error:
        result.error = " ".join(str(error).split())[:200]
    return result


def _our_cells(found: OurResult) -> tuple[str, str, str]:
    proof = "NO" if found.error else "equal"
    return f"{_share(found.kept)}{' w' if found.width else ''}", proof, _seconds(found.seconds)


def _onnxsim_cells(found: onnxsim_peer.OnnxsimResult | None) -> tuple[str, str, str, str]:
    if found is None:
        return "-", "-", "-", "-"
    if found.best is None:
        return "fails", "-", "-", "-"
    if not found.best.cut:
        return "cuts nothing", "yes" if found.best.runs else "NO", "-", _seconds(found.best.seconds)
    proof = {True: "equal", False: "DIFFERS", None: "?"}[found.best.equal]
    broken = sum(route.cut and not route.proven for route in found.routes)
    return (
        _share(found.best.kept), "yes" if found.best.runs else "NO",
        f"{proof}, {broken} of {len(found.routes)} broken" if broken else proof, _seconds(found.best.seconds),
    )  # fmt: skip


def _torch_cells(found: peer.PeerResult | None) -> tuple[str, str]:
    if found is None:
        return "-", "-"
    return ("fails", "-") if found.error else (_share(found.kept), _seconds(found.build_s[0] + found.step_s[0]))


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def summary(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Counts and medians in words; the peers' only of what they were tried on."""
    ours = [row["ours"] for row in rows]
    theirs = [row["onnxsim"] for row in rows if row["onnxsim"]]
    torch = [row["torch"] for row in rows if row["torch"]]
    good = [found for found in ours if not found.error]
    lines = [f"ours: {len(good)} of {len(ours)} pruned and proven{_medians(good)}"]
    if theirs:
        best = [found.best for found in theirs if found.best is not None]
        proven = [route for route in best if route.proven]
        broken = sum(route.cut and not route.proven for route in best)
        nothing = sum(not route.cut for route in best)
        lines.append(
            f"onnxsim: {len(proven)} of {len(theirs)} pruned and proven{_medians(proven)}; {broken} pruned, but broken "
            f"or without proof, {nothing} left as they were, {len(theirs) - len(best)} failed"
        )
        for name in sorted({route.name for found in theirs for route in found.routes}):
            routes = [route for found in theirs for route in found.routes if route.name == name]
            lines.append(
                f"  {name} alone: {sum(route.proven for route in routes)} pruned and proven, "
                f"{sum(route.cut and not route.runs for route in routes)} give a file that does not run, "
                f"{sum(route.cut and route.equal is False for route in routes)} a wrong one"
            )
    if torch:
        done = [found for found in torch if not found.error]
        lines.append(f"Torch-Pruning: {len(done)} of {len(torch)} pruned and ran (no proof)")
    lines.append(
        "proof: outputs equal those of the masked original (onnxsim: its own choice of channels, read off its weights, "
        "by the best of four routes); w: width was cut, as nothing else can be"
    )
    return lines


def _medians(found: Sequence[Any]) -> str:
    if not found:
        return ""
    kept, seconds = (statistics.median(getattr(each, field) for each in found) for field in ("kept", "seconds"))
    return f", median {kept:.3f} of the parameters kept, {seconds:.2f} s"
