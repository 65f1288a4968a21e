"""onnxsim's structured pruning of one ONNX file, in a process of its own, and what its result is worth."""

from __future__ import annotations

import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
class Route:
    """One way of pruning with onnxsim, and what came of it.

    Attributes:
        name: "python" or "c++", and whether the file was simplified first.
        kept: share of the source's parameters; None when there is no result.
        cut: whether pruning removed anything (simplifying alone may, too).
        seconds: simplifying and pruning.
        runs: loads in ONNX Runtime and has the interface of the source.
        equal: equals its own original with zeros in the removed slices; None where that cannot be told.
        max_error: how far it is from that, relative to the largest output.
        error: what went wrong.
    """

    name: str
    kept: float | None = None
    cut: bool = False
    seconds: float | None = None
    runs: bool = False
    equal: bool | None = None
    max_error: float | None = None
    error: str | None = None

    @property
    def proven(self) -> bool:
        """Pruned, usable and right."""
        return self.cut and self.runs and self.equal is True


@dataclass
class OnnxsimResult:
    """All routes of one network; ``error`` when there are none."""

    routes: list[Route]
    error: str | None = None

    @property
    def best(self) -> Route | None:
        """Of the proven routes, else of all that cut something, else of the rest: the one that keeps the least."""
        made = [route for route in self.routes if route.kept is not None]
        return min(made, key=lambda route: (not route.proven, not route.cut, route.kept), default=None)


def python() -> tuple[Path | None, str]:
    """The interpreter of onnxsim's environment (made if need be), or None and the reason."""
    return peer_env.interpreter(_FOLDER, REQUIREMENTS)


def prune(interpreter: Path, source: onnx.ModelProto) -> OnnxsimResult:
    """Cut half of every layer that onnxsim matches, by every route, and check what comes out."""
    with tempfile.TemporaryDirectory(prefix="onnxsim-") as name:
        folder = Path(name)
        onnx.save(source, folder / "source.onnx")
        problem = _call(interpreter, folder)
        report = folder / "routes.json"
        found = json.loads(report.read_text(encoding="utf-8")) if report.is_file() else {}
        judge = _Judge(source)
        return OnnxsimResult([_route(folder, each, found[each], judge) for each in found], problem)


def _route(folder: Path, name: str, found: dict[str, Any], judge: _Judge) -> Route:
    if found["error"]:
        return Route(name, error=found["error"])
    base, pruned = (onnx.load(folder / f"{name}{suffix}.onnx") for suffix in (".base", ""))
    parameters = _parameters(pruned)
    route = Route(
        name, parameters / judge.parameters, parameters < _parameters(base), found["simplify_s"] + found["prune_s"]
    )
    judge.check(route, base, pruned)
    return route


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


def _interfaces(model: onnx.ModelProto, source: onnx.ModelProto) -> list[tuple[str, int, list[int | str]]]:
    """Names, types and sizes of inputs and outputs.

    A symbol that an exporter made up for an output, and that no input of ``source`` has, may be resolved: it says "?".
    """
    given = {dim.dim_param for value in source.graph.input for dim in value.type.tensor_type.shape.dim}
    loose = {
        (value.name, axis)
        for value in source.graph.output
        for axis, dim in enumerate(value.type.tensor_type.shape.dim)
        if dim.dim_param and dim.dim_param not in given
    }
    return [
        (
            value.name, value.type.tensor_type.elem_type,
            [
                "?" if (value.name, axis) in loose else dim.dim_param or dim.dim_value
                for axis, dim in enumerate(value.type.tensor_type.shape.dim)
            ],
        )
        for value in (*model.graph.input, *model.graph.output)
    ]  # fmt: skip


class _Judge:
    """Holds what comes out against the source; dynamic dimensions are tried at two sizes."""

    def __init__(self, source: onnx.ModelProto) -> None:
        self._source, self.parameters = source, _parameters(source)
        self._interfaces = _interfaces(source, source)
        probes = analyse(normalize(from_proto(source))).probes
        self._sizes = [probe.sizes for probe in probes][: 2 if probes[0].sizes else 1]
        self._bounds = index_bounds(source)

    def check(self, route: Route, base: onnx.ModelProto, pruned: onnx.ModelProto) -> None:
        """Fill in whether it runs and equals its masked original."""
        have = _interfaces(pruned, self._source)
        if have != self._interfaces:
            route.error = f"inputs and outputs were {self._interfaces} and are {have}"
            return
        try:
            self._compare(route, base, pruned)
        except (CompressorError, NotABlockError) as error:
            route.error = " ".join(str(error).split())[:200]

    def _compare(self, route: Route, base: onnx.ModelProto, pruned: onnx.ModelProto) -> None:
        with open_model(pruned, optimize=False) as right:
            feeds = [random_feeds(right.inputs, seed=0, dims=sizes, bounds=self._bounds) for sizes in self._sizes]
            outputs = [right.run(each) for each in feeds]
        route.runs = True
        with open_model(masked(base, pruned), optimize=False) as left:
            errors = [
                difference(actual[name], value, name)
                for each, actual in zip(feeds, outputs, strict=True)
                for name, value in left.run(each).items()
            ]
        route.max_error = max(error for error, _ in errors)
        route.equal = all(error <= tolerance for error, tolerance in errors)
