"""Small models and runs of the command line that its tests share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from compressor.cli import main
from tests.house.source_tree import ROOT

HIDDEN = 64
EXTERNAL = "own_weights.bin"
ODD_NAME = "[red]w2[/red]\x1b[31m"  # rich markup and a terminal's control sequence


def mlp(seed: int = 0, *, second: str = "w2") -> onnx.ModelProto:
    """x [n, 16] -> Gemm -> Relu -> Gemm -> y [n, 8] with one channel space of 64."""
    rng = np.random.default_rng(seed)
    shapes = {"w1": (16, HIDDEN), "b1": (HIDDEN,), second: (HIDDEN, 8)}
    tensors = [
        numpy_helper.from_array(rng.standard_normal(shape).astype(np.float32), name) for name, shape in shapes.items()
    ]
    nodes = [
        helper.make_node("Gemm", ["x", "w1", "b1"], ["h"], "first"),
        helper.make_node("Relu", ["h"], ["a"], "relu"),
        helper.make_node("MatMul", ["a", second], ["y"], "second"),
    ]
    return _model(nodes, 16, 8, tensors)


def fixed_model() -> onnx.ModelProto:
    """One layer from the input to the output: no channel can go."""
    weight = numpy_helper.from_array(np.ones((16, 8), np.float32), "w")
    return _model([helper.make_node("MatMul", ["x", "w"], ["y"], "only")], 16, 8, [weight])


def _model(nodes: list[onnx.NodeProto], width: int, out: int, tensors: list[onnx.TensorProto]) -> onnx.ModelProto:
    x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", width])
    y = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n", out])
    graph = helper.make_graph(nodes, "g", [x], [y], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def saved(path: Path, proto: onnx.ModelProto | None = None) -> Path:
    """`path`, with a model in it (`mlp` if none is given)."""
    path.write_bytes((proto or mlp()).SerializeToString())
    return path


def external(folder: Path) -> Path:
    """A model whose weights lie beside it."""
    path = folder / "m.onnx"
    onnx.save(mlp(), path, save_as_external_data=True, location=EXTERNAL, size_threshold=0)
    return path


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones included, with its bytes."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


class Cli:
    """Runs the command line in this process; `capsys` holds what it said."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str | Path) -> tuple[int, str, str]:
        """(exit code, stdout, stderr)."""
        self._capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        said = self._capsys.readouterr()
        return code, said.out, said.err

    def said(self, work: Callable[[], object]) -> str:
        """Stdout of anything else done in this process."""
        self._capsys.readouterr()
        work()
        return self._capsys.readouterr().out

    def ok(self, *arguments: str | Path) -> str:
        """Stdout of a run that must succeed."""
        code, out, err = self(*arguments)
        assert code == 0, err
        return out

    def json(self, *arguments: str | Path) -> Any:
        """The one JSON document on stdout of a run that must succeed."""
        return json.loads(self.ok(*arguments, "--json"))

    def error(self, *arguments: str | Path, code: int = 2) -> str:
        """The one line that a failing run says, without "error: "."""
        got, out, err = self(*arguments)
        assert (got, out) == (code, ""), err
        assert err.startswith("error: "), err
        assert err.count("\n") == 1, err
        return err.removeprefix("error: ").rstrip("\n")


def command(*arguments: str | Path) -> list[str]:
    """A command line for a process of its own."""
    return [sys.executable, "-m", "compressor", *map(str, arguments)]


def environment(**more: str) -> dict[str, str]:
    """This environment, in which a process anywhere finds this checkout."""
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}


def in_process(cwd: Path, *arguments: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user does, in a process of its own."""
    return subprocess.run(
        command(*arguments), cwd=cwd, env=environment(**more), capture_output=True, text=True, check=False
    )
