"""Models beyond protobuf's 2 GiB, and how much of a model is in memory while it is read and written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from compressor import model_io
from tests.compressor import small_models as small

ROOT = Path(__file__).resolve().parents[2]
MIB = 2**20


@pytest.mark.slow
def test_more_than_two_gib_are_written_beside_and_read(tmp_path: Path) -> None:
    nodes = [helper.make_node("Mul", ["x", f"w{i}"], [f"y{i}"]) for i in range(3)]
    proto = small.model(nodes, [small.value("x", 1)], [small.value(f"y{i}", None) for i in range(3)], [
        small.tensor(f"w{i}", np.zeros(1, np.float32)) for i in range(3)
    ])  # fmt: skip
    graph = model_io.from_proto(proto)
    for i in range(3):
        graph.nodes[i].inputs[1].values = np.full(200 * MIB, i + 0.5, np.float32)  # 800 MiB each
    model_io.write(graph, tmp_path / "big.onnx")
    assert (tmp_path / "big.onnx").stat().st_size < MIB
    assert (tmp_path / "big.onnx.data").stat().st_size == 3 * 800 * MIB
    onnx.checker.check_model(tmp_path / "big.onnx")
    again = model_io.read(tmp_path / "big.onnx")
    for i in range(3):
        values = again.nodes[i].inputs[1].values
        assert (values[0], values[-1], values.shape) == (i + 0.5, i + 0.5, (200 * MIB,))


_MEASURE = """
import resource, sys
from pathlib import Path
from compressor import model_io

def resident_bytes():
    fields = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["RssAnon"].split()[0]) * 1024

before = resident_bytes()
graph = model_io.read(sys.argv[1])
print(resident_bytes() - before)
model_io.write(graph, sys.argv[2])
print(resident_bytes() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's account of memory")
def test_weights_are_not_copied_into_memory(tmp_path: Path) -> None:
    weight = small.tensor("w", np.ones((64, MIB // 4), np.float32))  # 64 MiB
    proto = small.model(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        [small.value("x", 1, 64)],
        [small.value("y", 1, MIB // 4)],
        [weight],
    )
    onnx.save(proto, tmp_path / "m.onnx")
    command = [sys.executable, "-c", _MEASURE, str(tmp_path / "m.onnx"), str(tmp_path / "copy.onnx")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    read_bytes, written_bytes = map(int, done.stdout.split())
    assert read_bytes < 8 * MIB
    assert written_bytes < 8 * MIB
    assert (tmp_path / "copy.onnx").stat().st_size == (tmp_path / "m.onnx").stat().st_size
