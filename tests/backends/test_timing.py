"""Comparing models: exactly on the null backend, and for real on ONNX Runtime."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from compressor.backends import processes, sampling, timing
from compressor.backends.base import Session, open_model
from compressor.backends.comparison import AGAIN
from compressor.backends.modes import LATENCY
from compressor.backends.null import NullBackend
from compressor.backends.sampling import ProcessSamples, Sampling, sample, warm_up
from compressor.backends.timing import compare, compare_here
from compressor.errors import BackendError, ModelFileError, UsageError
from tests.backends.small_models import chain

FEEDS = {"x": np.ones((2, 16), np.float32)}
QUICK = {"min_time_s": 0.01, "blocks": 5}


def null(length: int) -> Session:
    return NullBackend().open(chain(length), threads=1)


def test_half_the_nodes_take_half_the_time(tmp_path: Path) -> None:
    path = tmp_path / "two.onnx"
    onnx.save(chain(2), str(path))
    seen: list[tuple[int, int]] = []
    found = compare(
        {"a": chain(4), "b": path, "c": chain(4).SerializeToString(), "d": chain(8)},
        FEEDS,
        backend="null",
        threads=1,
        processes=2,
        progress=lambda done, total: seen.append((done, total)),
        **QUICK,  # type: ignore[arg-type]
    )
    assert found.verdicts == {"b": "faster", "c": "inconclusive", "d": "slower"}
    assert found.ratios["b"].ratio == pytest.approx(0.5, rel=0.02)
    assert found.ratios["d"].ratio == pytest.approx(2.0, rel=0.02)
    assert (found.baseline, found.provider, found.threads) == ("a", "null", 1)
    assert (found.processes, found.blocks) == (2, 5)
    assert seen == [(1, 2), (2, 2)]
    assert found.noise_floor < 0.03
    assert found.timed == "whole runs, inputs and outputs in host memory"
    runtime = {"backend": "null", "provider": "null", "version": onnx.__version__, "device": "none (a fake for tests)"}
    assert found.fingerprint["runtime"] == runtime


def test_json_keeps_the_raw_samples_and_the_fingerprint() -> None:
    found = compare_here({"a": lambda: null(3), "b": lambda: null(2)}, FEEDS, backend="null", **QUICK)  # type: ignore[arg-type]
    loaded = json.loads(json.dumps(found.to_json()))
    assert set(loaded["samples_ns"]) == {"a", "b", AGAIN}
    runs = [run for block in loaded["samples_ns"]["b"][0] for run in block]
    assert loaded["timings"]["b"]["runs"] == len(runs)
    assert loaded["timings"]["b"]["min_ms"] == min(runs) / 1e6
    assert loaded["timings"]["b"]["median_ms"] == pytest.approx(np.median(runs) / 1e6, rel=0.02)
    assert loaded["fingerprint"]["cpus"] == os.cpu_count()
    assert any("one process" in warning for warning in loaded["warnings"])
    assert "samples_ns" not in found.to_json(samples=False)


def test_every_model_gets_its_time_and_its_turns() -> None:
    with null(1) as short, null(10) as long:
        found = sample(
            {"short": short, "long": long}, FEEDS, Sampling(blocks=4, min_time_s=0.02, max_time_s=60, seed=0)
        )
    for label in ("short", "long"):
        assert len(found.runs_ns[label]) == 4
        assert sum(map(sum, found.runs_ns[label])) == pytest.approx(0.02e9, rel=0.1)
    assert len(found.runs_ns["short"][0]) == pytest.approx(10 * len(found.runs_ns["long"][0]), rel=0.1)


def test_max_time_stops_after_the_first_block() -> None:
    with null(1) as session:
        found = sample({"a": session}, FEEDS, Sampling(blocks=50, min_time_s=0.01, max_time_s=1e-9, seed=0))
    assert len(found.runs_ns["a"]) == 1


class Fixed:
    """A meter that counts a hundred joules a turn."""

    least_turn_s, meters = 0.0, ()

    def now(self) -> list[int]:
        return []

    def joules_since(self, before: list[int]) -> float:
        return 100.0


@pytest.mark.parametrize(("runs", "kept", "asked"), [(1000, 1000, [1003]), (1001, 501, [1003, 1]), (2500, 834, None)])
def test_long_turns_keep_some_of_their_runs(
    runs: int, kept: int, asked: list[int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "_MOST_TIMES", 1000)
    asked_for: list[int] = []
    with NullBackend(lambda model, call: 10_000 + call).open(chain(1), threads=1) as session:
        plain = session.time_ns

        def counted(feeds: Any, repeats: int) -> list[int]:
            asked_for.append(repeats)
            return plain(feeds, repeats)

        session.time_ns = counted  # type: ignore[method-assign]
        turn = sampling._Turn([session], FEEDS, LATENCY, 1e4, runs * 1e-5, Fixed())  # type: ignore[arg-type]
        times = turn.take()
    assert len(times) == pytest.approx(kept, abs=2)
    assert times[0] == 10_003
    assert np.median(times) == pytest.approx(10_003 + runs / 2, abs=5)
    assert asked_for == (asked or [1003, 1000, 500])
    assert turn.joules == [100 / (runs + 3)]


def test_turns_are_taken_in_random_order() -> None:
    order: list[str] = []

    def logged(name: str) -> Session:
        def cost(model: onnx.ModelProto, call: int) -> int:
            if not order or order[-1] != name:
                order.append(name)
            return 50_000_000

        return NullBackend(cost).open(chain(1), threads=1)

    sample({"a": logged("a"), "b": logged("b")}, FEEDS, Sampling(blocks=40, min_time_s=0, max_time_s=60, seed=0))
    # Strict alternation would give 80 changes, sorted blocks as well; a fair order merges about half of the borders.
    assert 50 < len(order) < 75


def test_warm_up_ends_when_windows_agree_and_says_when_they_never_do() -> None:
    falling = NullBackend(lambda model, call: max(1_000_000, 50_000_000 - call * 1_000_000)).open(chain(1), threads=1)
    median_ns, runs, stable = warm_up(falling, FEEDS)
    assert stable
    assert median_ns == 1_000_000
    assert runs > 50
    growing = NullBackend(lambda model, call: int(1_000_000 * 1.05**call)).open(chain(1), threads=1)
    assert warm_up(growing, FEEDS)[2] is False
    found = compare_here(
        {"grows": lambda: NullBackend(lambda model, call: int(1e6 * 1.05 ** min(call, 300))).open(chain(1), threads=1)},
        FEEDS,
        blocks=2,
        min_time_s=0,
    )
    assert any("still changing" in warning and "grows" in warning for warning in found.warnings)


def test_too_few_blocks_conclude_nothing() -> None:
    found = compare_here({"a": lambda: null(8), "b": lambda: null(1)}, FEEDS, blocks=2, min_time_s=0)
    assert found.verdicts == {"b": "inconclusive"}
    assert any("too few" in warning for warning in found.warnings)


def test_onnxruntime_finds_the_shorter_chain_faster() -> None:
    feeds = {"x": np.ones((64, 256), np.float32)}
    found = compare(
        {"long": chain(12, 256), "short": chain(2, 256)}, feeds, threads=1, processes=2, blocks=6, min_time_s=0.2
    )
    assert found.provider == "CPUExecutionProvider"
    assert found.ratios["short"].ratio < 0.5
    assert found.verdicts == {"short": "faster"}


def test_paths_with_external_data_are_opened_in_place(tmp_path: Path) -> None:
    path = tmp_path / "external.onnx"
    onnx.save_model(chain(2, 64), str(path), save_as_external_data=True, size_threshold=0, location="weights.bin")
    feeds = {"x": np.ones((1, 64), np.float32)}
    found = compare({"a": path}, feeds, threads=1, processes=1, blocks=1, min_time_s=0)
    assert found.timings["a"].median_ms > 0
    assert sorted(file.name for file in tmp_path.iterdir()) == ["external.onnx", "weights.bin"]


@pytest.mark.parametrize(
    ("models", "options", "kind"),
    [
        ({}, {}, UsageError),
        ({"a": Path("/no/such.onnx")}, {}, ModelFileError),
        ({AGAIN: b""}, {}, UsageError),
        ({"a": b"not a model"}, {"backend": "null"}, BackendError),
        ({"a": b"not a model"}, {}, BackendError),
        ({"a": chain(1)}, {"processes": 0}, UsageError),
        ({"a": chain(1)}, {"blocks": 0}, UsageError),
        ({"a": chain(1)}, {"max_time_s": 0}, UsageError),
        ({"a": chain(1)}, {"threads": 0}, UsageError),
        ({"a": chain(1, 8)}, {"backend": "null"}, BackendError),
    ],
)
def test_bad_arguments_are_one_line(models: dict[str, bytes], options: dict[str, int], kind: type[Exception]) -> None:
    with pytest.raises(kind) as caught:
        compare(models, FEEDS, **options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_worker_answers_json_whatever_else_is_printed(tmp_path: Path) -> None:
    """The answer is the only thing on stdout, and errors come as data with exit code 0."""
    job = {"backend": "none such", "threads": 1, "models": {}, "feeds": str(tmp_path), "sampling": {}}
    done = subprocess.run(
        [sys.executable, "-m", processes.WORKER], input=json.dumps(job), capture_output=True, text=True, check=True
    )
    error = json.loads(done.stdout)["error"]
    assert error["kind"] == "RegistryError"
    assert "none such" in error["what"]


def test_worker_runs_from_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    found = compare({"a": chain(1)}, FEEDS, backend="null", processes=1, blocks=1, min_time_s=0)
    assert found.processes == 1


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL.*out of memory"),
        ("raise SystemExit('went wrong')", "exit code 1: went wrong"),
        ("print('no json')", "no JSON"),
    ],
)
def test_a_dying_worker_is_reported(code: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dying_worker.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(processes, "WORKER", "dying_worker")
    with pytest.raises(BackendError, match=message):
        processes.run_worker({})


def test_spinning_threads_have_gone_to_sleep_before_the_next_turn() -> None:
    """Without settling, a thread spins through most of the 20 ms; other programs may spoil some attempts."""
    feeds = {"x": np.ones((64, 256), np.float32)}
    quiet = 0
    with open_model(chain(10, 256), threads=2) as session:
        for _ in range(5):
            session.time_ns(feeds, 20)
            sampling.settle(session)
            before = time.process_time()
            time.sleep(0.02)
            quiet += time.process_time() - before < 0.005
    assert quiet >= 3


def test_every_turn_begins_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    log: list[str] = []

    def logged(name: str) -> Session:
        def cost(model: onnx.ModelProto, call: int) -> int:
            log.append(name)
            return 50_000_000

        return NullBackend(cost).open(chain(1), threads=1)

    sessions = {name: logged(name) for name in "ab"}
    names = {id(session): name for name, session in sessions.items()}
    monkeypatch.setattr(sampling, "settle", lambda session: log.append(f"settle {names[id(session)]}"))
    sample(sessions, FEEDS, Sampling(blocks=3, min_time_s=0, max_time_s=60, seed=0))
    owner = ""
    for entry in log:
        owner = entry.removeprefix("settle ") if entry.startswith("settle") else owner
        assert entry.removeprefix("settle ") == owner
    assert sum(entry.startswith("settle") for entry in log) == 2 + 6


def test_every_process_takes_turns_in_its_own_order(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []

    def recorded(job: dict[str, Any]) -> ProcessSamples:
        seeds.append(job["sampling"]["seed"])
        return processes.run_worker(job)

    monkeypatch.setattr(timing, "run_worker", recorded)
    compare({"a": chain(1)}, FEEDS, backend="null", processes=2, blocks=1, min_time_s=0, seed=7)
    assert seeds == [7, 8]


def test_what_a_runtime_prints_stays_out_of_the_answer() -> None:
    code = (
        "import os\n"
        "from compressor.backends import worker\n"
        "from compressor.errors import UsageError\n"
        "def measure(job):\n"
        "    os.write(1, b'noise')\n"
        "    raise UsageError('told')\n"
        "worker.measure = measure\n"
        "worker.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], input="{}", capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["error"]["what"] == "told"
    assert "noise" in done.stderr
