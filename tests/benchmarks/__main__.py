"""The command: `python -m tests.benchmarks [NAME...]`; without a name, all that need no great disk."""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Callable

from rich.console import Console

from tests.benchmarks.criteria import run as run_criteria
from tests.benchmarks.finetune_peers import run as run_finetune_peers
from tests.benchmarks.finetune_resnet20 import run as run_finetune
from tests.benchmarks.gates import run as run_gates
from tests.benchmarks.kept import run as run_kept
from tests.benchmarks.kills import run as run_kills
from tests.benchmarks.latency_budgets import run as run_latency_budgets
from tests.benchmarks.latency_peers import run as run_latency_peers
from tests.benchmarks.latency_peers_trained import run as run_latency_peers_trained
from tests.benchmarks.latency_prediction import run as run_latency_prediction
from tests.benchmarks.latency_seconds import run as run_latency_seconds
from tests.benchmarks.malformed import run as run_malformed
from tests.benchmarks.peers import run as run_peers
from tests.benchmarks.recovery import run as run_recovery
from tests.benchmarks.recovery_peers import run as run_recovery_peers
from tests.benchmarks.report import load_average, save
from tests.benchmarks.resnet20 import run as run_resnet20
from tests.benchmarks.scale import run as run_scale
from tests.benchmarks.scale import run_big
from tests.benchmarks.sparsity import run as run_sparsity
from tests.benchmarks.speed import run as run_speed
from tests.benchmarks.step_speed import run as run_step_speed

BENCHMARKS: dict[str, Callable[..., object]] = {
    "kept": run_kept, "peers": run_peers, "resnet20": run_resnet20, "scale": run_scale, "speed": run_speed,
    "recovery": run_recovery, "scale7b": run_big, "finetune_resnet20": run_finetune, "step_speed": run_step_speed,
    "criteria": run_criteria, "sparsity": run_sparsity, "gates": run_gates, "recovery_peers": run_recovery_peers,
    "finetune_peers": run_finetune_peers, "kills": run_kills, "malformed": run_malformed,
    "latency_prediction": run_latency_prediction, "latency_budgets": run_latency_budgets,
    "latency_seconds": run_latency_seconds, "latency_peers": run_latency_peers,
    "latency_peers_trained": run_latency_peers_trained,
}  # fmt: skip
# 23 GB of disk; minutes of training; half an hour; two hours; half an hour; an hour; half an hour; minutes
ON_REQUEST = {
    "scale7b",
    "finetune_resnet20",
    "criteria",
    "gates",
    "recovery_peers",
    "finetune_peers",
    "kills",
    "malformed",
    "latency_budgets",
    "latency_peers",
    "latency_peers_trained",
    "latency_prediction",
}


def main() -> int:
    """Run what is named."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"of {', '.join(BENCHMARKS)} (default: all but {', '.join(sorted(ON_REQUEST))})",
    )
    parser.add_argument("--count", type=int, metavar="N", help="how many kills, or malformed inputs, to try")
    asked = parser.parse_args()
    chosen = asked.names or [name for name in BENCHMARKS if name not in ON_REQUEST]
    unknown = [name for name in chosen if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark called {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    counted = {name for name in chosen if "count" in inspect.signature(BENCHMARKS[name]).parameters}
    if asked.count is not None and counted != set(chosen):
        parser.error("--count is for kills and malformed")
    # Wide enough for every table also where the output goes to a file.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 150)
    for name in chosen:
        before = load_average()
        results = BENCHMARKS[name](console, **({} if asked.count is None else {"count": asked.count}))
        if results is not None:
            console.print(f"saved {save(name, results, before)}", style="dim")
        console.print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
