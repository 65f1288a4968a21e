"""Runs inside the peer's environment: `python peer_worker.py NETWORK REPEATS`; the last line printed is JSON.

Torch-Pruning as its documentation uses it: L1 group importance, half of the channels of every layer, the classifier
left whole, a fresh network each time. Making the network is not timed. It imports nothing of ours.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import resource
import sys
import time
from typing import Any

# On Swin it asks for ever more; it must not take the machine down with it.
MEMORY_BYTES = 8 << 30


def main(network: str, repeats: int) -> dict[str, Any]:
    """Timings and parameter counts, or the error."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    models, pruning, torch = _imports()
    torch.manual_seed(0)
    example = torch.randn(1, 3, 224, 224)
    build_s, step_s, before, after = [], [], 0, 0
    for _ in range(repeats):
        model = getattr(models, network)(weights=None).eval()
        before = sum(p.numel() for p in model.parameters())
        classifier = [m for m in model.modules() if isinstance(m, torch.nn.Linear) and m.out_features == 1000]
        try:
            start = time.perf_counter()
            pruner = pruning.pruner.MagnitudePruner(
                model, example, importance=pruning.importance.MagnitudeImportance(p=1), pruning_ratio=0.5,
                ignored_layers=classifier,
            )  # fmt: skip
            built = time.perf_counter()
            pruner.step()
            step_s.append(time.perf_counter() - built)
            build_s.append(built - start)
            with torch.no_grad():
                model(example)
        except Exception as error:  # whatever the peer raises is its result
            return {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"}
        after = sum(p.numel() for p in model.parameters())
    return {"build_s": build_s, "step_s": step_s, "params_before": before, "params_after": after}


def _imports() -> tuple[Any, Any, Any]:
    torch = importlib.import_module("torch")
    # torchvision's compiled part may be missing; it registers shapes for these two all the same.
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        with contextlib.suppress(RuntimeError):  # compiled part present: they exist
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    main.library = library  # type: ignore[attr-defined]  # its definitions vanish with it
    return importlib.import_module("torchvision.models"), importlib.import_module("torch_pruning"), torch


if __name__ == "__main__":
    with contextlib.redirect_stdout(io.StringIO()):  # torch-pruning prints
        answer = main(sys.argv[1], int(sys.argv[2]))
    print(json.dumps(answer))
