"""How often the latency gate is wrong, and how often it cannot tell: many gates of models whose truth is known.

The digits network against itself, while another process loads one core half of the time; and against itself with one
op added (an Abs after a ReLU: the same outputs, 5 % slower, since it breaks a fusion), quiet and loaded.
Every finished gate is a line in build/benchmarks/gates.jsonl; started again, what is there is not measured again,
unless the rule, the way of measuring or the machine is another.

`python -m tests.benchmarks gates` runs 200 + 50 + 50; `python -m tests.benchmarks.gates --same 20 --slow 10` fewer.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import inspect
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from onnx import helper
from rich.console import Console

from compressor.backends import decision, sampling
from compressor.backends import statistics as statistics_of_times
from compressor.backends.fingerprint import fingerprint
from compressor.gate import latency_rounds
from compressor.gate.policy import Policy, parse_policy
from compressor.gate.run import run_gate
from compressor.models.demo import demo_model_path
from tests.benchmarks.report import FOLDER, load_average, new_table, save, show

LIMIT = 1.02
POLICY = {"latency": {"max_ratio": LIMIT, "batch": 8, "seconds": 1.0}}
RESULTS = FOLDER / "gates.jsonl"
SAME, SLOW = 200, 50
MOST_FALSE_FAILS, LEAST_CAUGHT, MOST_SECONDS = 0.01, 0.95, 60.0
MOST_OTHER_CPUS = 0.2  # of a quiet machine
_AFTER = 6  # of the digits network's nodes: the second ReLU of a residual block

# Busy for a while, idle for as long on average: bursts of the length of a timer's, a page's, a compiler's work.
NEIGHBOUR = """
import os, random, time
draw, parent = random.Random({seed}), os.getppid()
while os.getppid() == parent:
    end = time.monotonic() + draw.expovariate(5)
    while time.monotonic() < end:
        pass
    time.sleep(draw.expovariate(5))
"""


@dataclass(frozen=True)
class Experiment:
    """Many gates of one kind."""

    name: str
    slow: bool
    loaded: bool
    count: int


def main() -> int:
    """As the docstring says."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.gates", description=__doc__)
    parser.add_argument("--same", type=int, default=SAME, help="gates of the model against itself")
    parser.add_argument("--slow", type=int, default=SLOW, help="gates of the slower model, quiet and loaded each")
    parser.add_argument("--fresh", action="store_true", help="forget earlier results")
    options = parser.parse_args()
    if options.fresh:
        RESULTS.unlink(missing_ok=True)
    before = load_average()
    save("gates", run(Console(highlight=False, width=150), options.same, options.slow), before)
    return 0


def run(console: Console, same: int = SAME, slow: int = SLOW) -> dict[str, Any]:
    """Do what is missing, and tell."""
    experiments = [
        Experiment("same, loaded", slow=False, loaded=True, count=same),
        Experiment("5 % slower, quiet", slow=True, loaded=False, count=slow),
        Experiment("5 % slower, loaded", slow=True, loaded=True, count=slow),
    ]
    with tempfile.TemporaryDirectory() as folder:
        slower = Path(folder) / "slower.onnx"
        onnx.save(slower_model(), str(slower))
        rows = {each.name: carry_out(console, each, slower) for each in experiments}
    found = {each.name: tally(each, rows[each.name]) for each in experiments}
    _print(console, found)
    return found


def slower_model() -> onnx.ModelProto:
    """The digits network with one op more, and the same outputs."""
    model = onnx.load(str(demo_model_path()))
    node = model.graph.node[_AFTER]
    name = node.output[0]
    node.output[0] = f"{name}_before"
    model.graph.node.insert(_AFTER + 1, helper.make_node("Abs", [node.output[0]], [name], "one op more"))
    onnx.checker.check_model(model)
    return model


def carry_out(console: Console, experiment: Experiment, slower: Path) -> list[dict[str, Any]]:
    """Gates that are not done yet; all of them."""
    setup = setup_digest()
    done = {row["number"]: row for row in _rows() if (row["experiment"], row.get("setup")) == (experiment.name, setup)}
    policy, base = parse_policy(POLICY), demo_model_path()
    candidate = slower if experiment.slow else base
    for number in range(experiment.count):
        if number in done:
            continue
        with neighbour(number) if experiment.loaded else contextlib.nullcontext():
            found = gated(base, candidate, policy, number)
        row = {"experiment": experiment.name, "number": number, "setup": setup, **found}
        FOLDER.mkdir(parents=True, exist_ok=True)
        with RESULTS.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        done[number] = row
        console.print(
            f"{experiment.name} {number}: {row['status']}, {row['seconds']:.1f} s, {row['reason']}", style="dim"
        )
    return [done[number] for number in sorted(done) if number < experiment.count]


def setup_digest() -> str:
    """Of all that a gate's outcome depends on: results of another setup say nothing about this one."""
    sources = [inspect.getsource(module) for module in (decision, latency_rounds, sampling, statistics_of_times)]
    text = json.dumps([POLICY, NEIGHBOUR, sources, fingerprint().digest()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def gated(base: Path, candidate: Path, policy: Policy, number: int) -> dict[str, Any]:
    """One gate, in short."""
    load, start = load_average()[0], time.monotonic()
    report = run_gate(base, candidate, policy, seed=number)
    (finding,) = report.findings
    rounds = finding.details["rounds"]
    conditions = [each["comparison"]["conditions"] for each in rounds]
    wall_s = sum(each["wall_s"] for each in conditions)
    return {
        "status": report.status, "reason": finding.reason, "seconds": time.monotonic() - start,
        "ratio": finding.value, "low": finding.low, "high": finding.high, "noise": finding.details["noise_floor"],
        "outcomes": [each["outcome"] for each in rounds], "load": load,
        "other_cpus": sum(each["other_s"] for each in conditions) / wall_s,
        "waited": sum(each["waited_s"] for each in conditions) / wall_s,
    }  # fmt: skip


@contextlib.contextmanager
def neighbour(seed: int) -> Iterator[None]:
    """Another process that loads one core half of the time."""
    process = subprocess.Popen([sys.executable, "-c", NEIGHBOUR.format(seed=seed)])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def tally(experiment: Experiment, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Shares, and whether the promise is kept."""
    count = len(rows)
    shares = {
        status: sum(row["status"] == status for row in rows) / max(1, count)
        for status in ("pass", "fail", "inconclusive", "environment")
    }
    seconds = [row["seconds"] for row in rows] or [0.0]
    if not experiment.slow:
        kept = shares["fail"] <= MOST_FALSE_FAILS
    elif experiment.loaded:
        kept = shares["pass"] == 0
    else:
        in_time = sum(row["status"] == "fail" and row["seconds"] <= MOST_SECONDS for row in rows)
        kept = in_time / max(1, count) >= LEAST_CAUGHT
    other_cpus = statistics.mean([row["other_cpus"] for row in rows] or [0.0])
    quiet = experiment.loaded or other_cpus <= MOST_OTHER_CPUS
    return {
        "gates": count, **shares, "median_s": statistics.median(seconds), "longest_s": max(seconds), "kept": kept,
        "as_asked": quiet,
        "median_ratio": statistics.median([row["ratio"] for row in rows] or [0.0]),
        "other_cpus": other_cpus,
    }  # fmt: skip


def _rows() -> list[dict[str, Any]]:
    if not RESULTS.exists():
        return []
    return [json.loads(line) for line in RESULTS.read_text(encoding="utf-8").splitlines()]


def _print(console: Console, found: dict[str, dict[str, Any]]) -> None:
    table = new_table(
        f"gates with max_ratio {LIMIT:g}", "candidate, machine", "gates", "pass", "fail", "inconclusive", "ratio",
        "median s", "longest s", "CPUs of others", "promise",
    )  # fmt: skip
    for name, row in found.items():
        shares = [f"{row[status]:.1%}" for status in ("pass", "fail", "inconclusive")]
        times = [f"{row[key]:.1f}" for key in ("median_s", "longest_s", "other_cpus")]
        promise = "kept" if row["kept"] else "BROKEN" if row["as_asked"] else "machine not quiet"
        table.add_row(name, str(row["gates"]), *shares, f"{row['median_ratio']:.3f}", *times, promise)
    show(console, table)


if __name__ == "__main__":
    sys.exit(main())
