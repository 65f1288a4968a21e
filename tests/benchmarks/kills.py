"""Kill `compressor run` at random moments, resume, and compare: `python -m tests.benchmarks kills --count 50`.

The embedded digits network, cut to half its MACs, recovered, trained for an epoch, folded and verified. Half of the
runs begin in a folder that shows the results of another recipe. After each SIGKILL every visible file must be whole,
and all of one run; after the resume, model, plan, lock and verification must be byte for byte those of a run that
nobody killed. As the results are put in place within milliseconds, further kills are aimed at that moment.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import onnx
from rich.console import Console
from rich.progress import track
from rich.table import Table

from compressor.recipe.stage import STAGES
from tests.compressor.cli_models import command, environment, snapshot

RECIPE = """
model: demo
data: demo
samples: 256
prune: {macs: MACS, criterion: l2, scope: global, round_to: 8}
recover:
finetune: {epochs: 1}
fold:
"""
SAME = ("model.onnx", "plan.json", "recipe.lock", "verification.json", "analysis.json")
AIMED = 10  # kills while results are put in place, for every fifty others


@dataclass
class Tally:
    """What happened."""

    killed: int = 0
    too_late: int = 0
    aimed: int = 0
    stages: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def run(console: Console, count: int = 50, seed: int = 0) -> dict[str, Any]:
    """Kill ``count`` runs."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="compressor-kills-") as name:
        bench = _Bench(Path(name))
        tally = Tally()
        for number in track(range(count), "killing", console=console, transient=True):
            bench.kill_once(rng, tally, older=number % 2 == 1)
        for _ in track(range(-(-count * AIMED // 50)), "killing at the end", console=console, transient=True):
            bench.kill_at_the_end(rng, tally)
    table = Table("", "", title=f"Kills of `compressor run` (a whole run takes {bench.seconds:.1f} s)")
    for row in (
        ("killed at random moments", f"{tally.killed} (and {tally.too_late} that had ended already)"),
        ("killed while results were put in place", str(tally.aimed)),
        ("last finished stage", ", ".join(f"{stage} {times}" for stage, times in tally.stages.most_common())),
        ("wrong", "; ".join(tally.wrong) or "nothing: all resumed to the same bytes, nothing partial was visible"),
    ):
        table.add_row(*row)
    console.print(table)
    return {"count": count, "seed": seed, "seconds": bench.seconds, **vars(tally), "stages": dict(tally.stages)}


class _Bench:
    """A folder with two recipes, and what each comes to when it is left alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._recipes = {}
        for key, share in (("new", 0.5), ("old", 0.7)):
            self._recipes[key] = folder / f"{key}.yaml"
            self._recipes[key].write_text(RECIPE.replace("MACS", str(share)), encoding="utf-8")
        self._finish("old", folder / "old")
        start = time.perf_counter()
        self._finish("new", folder / "new")
        self.seconds = time.perf_counter() - start
        self.wanted = visible(folder / "new")
        self._unshown = folder / "unshown"
        self._finish("new", self._unshown, "--stop-after", "fold")

    def kill_once(self, rng: random.Random, tally: Tally, *, older: bool) -> None:
        """A run killed at any moment; one that had ended by then is tried again."""
        while True:
            out = self._fresh("old" if older else None)
            process = self._start("new", out)
            time.sleep(rng.uniform(0, self.seconds))
            if process.poll() is None:
                break
            tally.too_late += 1
        _kill(process)
        tally.killed += 1
        self._judge(out, tally)

    def kill_at_the_end(self, rng: random.Random, tally: Tally) -> None:
        """A run killed some milliseconds after the first change in what is visible."""
        out = self._fresh("old")
        shutil.copytree(self._unshown / ".stages", out / ".stages", dirs_exist_ok=True)
        before = _stamp(out)
        process = self._start("new", out)
        while process.poll() is None and _stamp(out) == before:
            time.sleep(0.0002)
        time.sleep(rng.uniform(0, 0.004))
        _kill(process)
        tally.aimed += 1
        self._judge(out, tally)

    def _judge(self, out: Path, tally: Tally) -> None:
        """What is visible now, and what the same command comes to."""
        seen = visible(out)
        done = [path.parent.name for path in out.glob(".stages/[!.]*/stage.json")]
        new = [name.partition("-")[0] for name in done if not (self._folder / "old" / ".stages" / name).exists()]
        tally.stages[max(new, key=lambda name: STAGES.get(name).place) if new else "none of its own"] += 1
        resumed = self._finish("new", out)
        after = visible(out)
        old = visible(self._folder / "old")
        for run_files in (old, after):
            if all(run_files.get(name) == data for name, data in seen.items()):
                break
        else:
            tally.wrong.append(f"visible after a kill: {sorted(seen)}")
        tally.wrong += [f"{name} is damaged" for name, data in seen.items() if not _parses(name, data)]
        tally.wrong += [f"{name} differs" for name in SAME if after.get(name) != self.wanted[name]]
        tally.wrong += [f"resume failed: {resumed}"] if resumed else []
        tally.wrong += [f"left behind: {path.name}" for path in out.glob(".stages/.new-*")]

    def _fresh(self, source: str | None) -> Path:
        out = self._folder / "out"
        shutil.rmtree(out, ignore_errors=True)
        if source is not None:
            shutil.copytree(self._folder / source, out)
        return out

    def _start(self, key: str, out: Path, *more: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command("run", self._recipes[key], "--out", out, *more), env=environment(OMP_NUM_THREADS="1"),
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip

    def _finish(self, key: str, out: Path, *more: str) -> str:
        """What a run said that failed."""
        process = self._start(key, out, *more)
        _, said = process.communicate()
        return said.decode() if process.returncode else ""


def visible(out: Path) -> dict[str, bytes]:
    """The files that a user sees."""
    return {name: data for name, data in snapshot(out).items() if not name.startswith(".")}


def _stamp(out: Path) -> list[tuple[str, int]]:
    with contextlib.suppress(OSError):
        return sorted((one.name, one.stat().st_ino) for one in os.scandir(out) if not one.name.startswith("."))
    return []


def _parses(name: str, data: bytes) -> bool:
    try:
        if name.endswith(".onnx"):
            onnx.checker.check_model(onnx.load_from_string(data), full_check=True)
        else:
            json.loads(data)
    except (ValueError, onnx.checker.ValidationError):
        return False
    return True


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
