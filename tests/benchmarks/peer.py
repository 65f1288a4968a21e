"""Torch-Pruning, in an environment of its own that uses the torch which is already here.

Nothing of it is a dependency of ours: the environment is made on the first use, under build/, and where it cannot
be made (no network, no torch) the benchmarks go on without it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks import peer_env

FOLDER = peer_env.ROOT / "build" / "peer-venv"
WORKER = Path(__file__).with_name("peer_worker.py")
# Without their dependencies, which would fetch another torch. Torchvision gives the model definitions only: its
# compiled part does not fit every build of torch and is not loaded.
REQUIREMENTS = ("torch-pruning==1.6.1", "torchvision==0.28.0")
_TIMEOUT_S = 120


@dataclass(frozen=True)
class PeerResult:
    """What the peer did to one network.

    Attributes:
        build_s, step_s: of each repeat: dependency graph, and choosing and cutting channels.
        params_before, params_after: parameters of the network.
        error: why it failed, None when it did not.
    """

    build_s: list[float] = field(default_factory=list)
    step_s: list[float] = field(default_factory=list)
    params_before: int = 0
    params_after: int = 0
    error: str | None = None

    @property
    def kept(self) -> float | None:
        """Share of parameters that stay."""
        return None if self.error else self.params_after / self.params_before


def python() -> tuple[Path | None, str]:
    """The interpreter of the peer's environment (made if need be), or None and the reason."""
    if importlib.util.find_spec("torch") is None:
        return None, "torch is not installed here"
    return peer_env.interpreter(FOLDER, REQUIREMENTS)


def prune(interpreter: Path, network: str, repeats: int) -> PeerResult:
    """Let the peer cut half the channels of a torchvision network, in a process of its own: it may crash."""
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    try:
        done = subprocess.run(
            [str(interpreter), str(WORKER), network, str(repeats)],
            capture_output=True, text=True, timeout=_TIMEOUT_S, check=False, env=environment,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return PeerResult(error=f"not done after {_TIMEOUT_S} s")
    if done.returncode < 0:
        return PeerResult(error=f"killed by signal {-done.returncode}")
    if done.returncode or not done.stdout.strip():
        lines = done.stderr.strip().splitlines() or ["no output"]
        return PeerResult(error=lines[-1])
    return PeerResult(**json.loads(done.stdout.splitlines()[-1]))
