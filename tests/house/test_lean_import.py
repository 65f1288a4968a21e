"""``import compressor`` costs next to nothing: the command line must answer at once."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.house.source_tree import ROOT

LIMIT_MS = 150.0
HEAVY = {"torch", "onnxruntime", "openvino", "onnx", "onnx_graphsurgeon", "numpy", "scipy", "pydantic", "typer", "rich"}

PROBE = """
import json, sys, time
started = time.perf_counter()
import {module}
elapsed_ms = (time.perf_counter() - started) * 1000
print(json.dumps([elapsed_ms, sorted({{name.partition(".")[0] for name in sys.modules}})]))
"""


def import_in_fresh_process(module: str) -> tuple[float, set[str]]:
    """(milliseconds the import took, top-level names of all modules then loaded)."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(module=module)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    elapsed_ms, loaded = json.loads(done.stdout)
    return elapsed_ms, set(loaded)


def test_import_loads_nothing_heavy() -> None:
    _, loaded = import_in_fresh_process("compressor")
    assert "compressor" in loaded
    assert not loaded & HEAVY


def test_import_is_quick() -> None:
    # The best of five: a busy machine can only make a run slower, never faster.
    best_ms = min(import_in_fresh_process("compressor")[0] for _ in range(5))
    assert best_ms < LIMIT_MS


def test_the_probe_sees_heavy_modules() -> None:
    _, loaded = import_in_fresh_process("numpy")
    assert loaded & HEAVY == {"numpy"}
