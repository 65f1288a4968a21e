"""Runs inside onnxsim's environment: `python onnxsim_worker.py FOLDER`. It imports nothing of ours.

FOLDER holds source.onnx. Every documented way of cutting half of each layer by L1 is tried: the file as it is or
simplified first, by the Python implementation or the C++ one, channels first and attention heads after. Results go to
ROUTE.onnx (and ROUTE.base.onnx, what was pruned) and, after every route, to routes.json.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

MEMORY_BYTES = 8 << 30
STEPS = ("apply_structured_pruning", "apply_attention_head_pruning")
SUFFIXES = {"python": "", "c++": "_cpp"}


def main(folder: Path) -> None:
    """All routes."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    onnx, onnxsim = importlib.import_module("onnx"), importlib.import_module("onnxsim")
    routes: dict[str, dict[str, Any]] = {}
    for simplified in (False, True):
        base, error, simplify_s = onnx.load(folder / "source.onnx"), None, 0.0
        if simplified:
            start = time.perf_counter()
            try:
                base, _ = onnxsim.simplify(base)
            except Exception as raised:  # whatever the peer raises is its result
                error = _line(raised)
            simplify_s = time.perf_counter() - start
        for language, suffix in SUFFIXES.items():
            name = f"{language}, simplified" if simplified else language
            routes[name] = {"error": error} if error else _prune(onnx, onnxsim, base, suffix, folder / name)
            routes[name]["simplify_s"] = simplify_s
            (folder / "routes.json").write_text(json.dumps(routes), encoding="utf-8")


def _prune(onnx: Any, onnxsim: Any, base: Any, suffix: str, target: Path) -> dict[str, Any]:
    onnx.save(base, f"{target}.base.onnx")
    start, model = time.perf_counter(), base
    try:
        for step in STEPS:
            model = getattr(onnxsim, step + suffix)(model, sparsity=0.5, importance_norm="l1")
    except Exception as error:  # whatever the peer raises is its result
        return {"error": _line(error)}
    seconds = time.perf_counter() - start
    onnx.save(model, f"{target}.onnx")
    return {"error": None, "prune_s": seconds}


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
