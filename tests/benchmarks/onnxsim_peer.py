"""onnxsim's structured pruning of one ONNX file, in a process of its own, and what its result is worth."""

from __future__ import annotations

import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import onnx

from compressor.backends.base import open_model
from compressor.backends.inputs import index_bounds, random_feeds
from compressor.errors import CompressorError
from compressor.model_io import from_proto
from compressor.normalize import normalize
from compressor.passes.analysis import analyse
from compressor.verification import difference
from tests.benchmarks import peer_env
from tests.benchmarks.zero_mask import NotABlockError, masked
from tests.zoo.checks import parameter_sizes

REQUIREMENTS = ("onnxsim==0.8.1",)
_FOLDER = peer_env.ROOT / "build" / "peer-onnxsim"
_WORKER = Path(__file__).with_name("onnxsim_worker.py")
_TIMEOUT_S = 60


@dataclass
class OnnxsimResult:
    """The route that keeps the fewest parameters among those that give a file.

    Attributes:
        route: "python" or "c++", and whether the file was simplified first; None when every route failed.
        kept: share of the source's parameters.
        cut: whether pruning removed anything (simplifying alone may, too).
        seconds: of this route: simplifying and pruning.
        runs: loads in ONNX Runtime and has the interface of the source; else ``error`` says what is wrong.
        equal: equals its own original with zeros in the removed slices; None where that cannot be told.
        max_error: how far it is from that, relative to the largest output.
        error: of the last thing that failed.
    """

    route: str | None = None
    kept: float | None = None
    cut: bool = False
    seconds: float | None = None
    runs: bool = False
    equal: bool | None = None
    max_error: float | None = None
    error: str | None = None


def python() -> tuple[Path | None, str]:
    """The interpreter of onnxsim's environment (made if need be), or None and the reason."""
    return peer_env.interpreter(_FOLDER, REQUIREMENTS)


def prune(interpreter: Path, source: onnx.ModelProto) -> OnnxsimResult:
    """Cut half of every layer that onnxsim matches, and check what comes out."""
    with tempfile.TemporaryDirectory(prefix="onnxsim-") as name:
        folder = Path(name)
        onnx.save(source, folder / "source.onnx")
        problem = _call(interpreter, folder)
        report = folder / "routes.json"
        routes = json.loads(report.read_text(encoding="utf-8")) if report.is_file() else {}
        made = {route: onnx.load(folder / f"{route}.onnx") for route, found in routes.items() if not found["error"]}
        if not made:
            errors = [found["error"] for found in routes.values()]
            return OnnxsimResult(error=problem or errors[0])
        route = min(made, key=lambda each: _parameters(made[each]))
        base = onnx.load(folder / f"{route}.base.onnx")
        parameters = _parameters(made[route])
        result = OnnxsimResult(
            route, parameters / _parameters(source), parameters < _parameters(base),
            routes[route]["simplify_s"] + routes[route]["prune_s"],
        )  # fmt: skip
        _check(result, source, base, made[route])
        return result


def _call(interpreter: Path, folder: Path) -> str | None:
    """Run the worker; what went wrong with it as a whole."""
    try:
        done = subprocess.run(
            [str(interpreter), str(_WORKER), str(folder)],
            capture_output=True, text=True, timeout=_TIMEOUT_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"not done after {_TIMEOUT_S} s"
    if done.returncode < 0:
        return f"killed by signal {-done.returncode}"
    return (done.stderr.strip().splitlines() or ["no output"])[-1] if done.returncode else None


def _parameters(model: onnx.ModelProto) -> int:
    return sum(parameter_sizes(normalize(from_proto(model))).values())


def _check(result: OnnxsimResult, source: onnx.ModelProto, base: onnx.ModelProto, pruned: onnx.ModelProto) -> None:
    for side in ("input", "output"):
        want, have = (_interface(getattr(model.graph, side)) for model in (source, pruned))
        if want != have:
            result.error = f"{side}s were {want} and are {have}"
            return
    try:
        _compare(result, source, base, pruned)
    except (CompressorError, NotABlockError) as error:
        result.error = " ".join(str(error).split())[:200]


def _interface(values: object) -> list[tuple[str, int, list[int | str]]]:
    return [
        (v.name, v.type.tensor_type.elem_type, [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim])
        for v in values  # type: ignore[attr-defined]
    ]


def _compare(result: OnnxsimResult, source: onnx.ModelProto, base: onnx.ModelProto, pruned: onnx.ModelProto) -> None:
    """Run it at two sets of sizes where dimensions are symbolic, beside its masked original."""
    sizes = [probe.sizes for probe in analyse(normalize(from_proto(source))).probes][:2]
    bounds = index_bounds(source)
    with open_model(pruned, optimize=False) as right:
        feeds = [random_feeds(right.inputs, seed=0, dims=each, bounds=bounds) for each in sizes]
        outputs = [right.run(each) for each in feeds]
    result.runs = True
    with open_model(masked(base, pruned), optimize=False) as left:
        errors = [
            difference(actual[name], value, name)
            for each, actual in zip(feeds, outputs, strict=True)
            for name, value in left.run(each).items()
        ]
    result.max_error = max(error for error, _ in errors)
    result.equal = all(error <= tolerance for error, tolerance in errors)
