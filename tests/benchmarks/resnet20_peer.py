"""Torch-Pruning's cuts of the trained ResNet-20, each made once and kept under build/."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from compressor.errors import VerificationError
from compressor.inspection import inspect_model
from tests.benchmarks import peer
from tests.benchmarks.criteria import DATA, MODEL_BN
from tests.benchmarks.report import FOLDER

WORKER = Path(__file__).with_name("resnet20_peer_worker.py")
_TIMEOUT_S = 1200


@dataclass(frozen=True)
class PeerWay:
    """One of its ways: ``ranked`` local or global, ``layers`` all or the middles of blocks alone, widths rounded."""

    ranked: str
    layers: str
    keep: float
    round_to: int = 1

    @property
    def label(self) -> str:
        """For tables and file names."""
        rounded = f", rounded to {self.round_to}" if self.round_to > 1 else ""
        return f"{self.ranked}, {'all layers' if self.layers == 'all' else 'block middles'}{rounded}"

    @property
    def path(self) -> Path:
        """Of its network."""
        rounded = f"-round{self.round_to}" if self.round_to > 1 else ""
        return FOLDER / "resnet20_peer" / f"{self.ranked}-{self.layers}-{self.keep:g}{rounded}.onnx"


def peer_ways(keep: float) -> Iterator[PeerWay]:
    """All of them."""
    for ranked in ("local", "global"):
        for layers in ("all", "middles"):
            yield PeerWay(ranked, layers, keep)


def peer_cut(way: PeerWay) -> dict[str, Any] | None:
    """What the worker says of one cut, its network at ``way.path``; None where the environment cannot be made.

    Raises:
        VerificationError: the written network has other multiply-accumulates than the one that was cut.
    """
    record = way.path.with_suffix(".json")
    if record.is_file() and way.path.is_file():
        found: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
        return found
    interpreter, _ = peer.python()
    if interpreter is None:
        return None
    way.path.parent.mkdir(parents=True, exist_ok=True)
    job = way.path.with_suffix(".job")
    job.write_text(json.dumps({**asdict(way), "model": str(MODEL_BN), "cifar": str(DATA), "output": str(way.path)}))
    done = subprocess.run(
        [str(interpreter), str(WORKER), str(job)], capture_output=True, text=True, timeout=_TIMEOUT_S, check=True,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    macs = inspect_model(way.path).macs
    if macs != answer["macs"] + answer["shortcut_macs"]:
        raise VerificationError(f"{macs:,} MACs in the file, {answer['macs']:,} counted in PyTorch", where=job.name)
    record.write_text(json.dumps(answer), encoding="utf-8")
    return answer
