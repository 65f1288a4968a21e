"""Whoever is told to end takes measuring processes along; whoever is killed cannot, and they end by themselves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from compressor import cli, cli_app
from compressor.errors import Terminated
from tests.compressor.cli_models import environment, saved

MEASURES = """
import os, pathlib, time
from compressor.backends.worker import answer_one_job

def measure(job):
    pathlib.Path("new").write_text(str(os.getpid()))
    pathlib.Path("new").rename("pid")
    time.sleep(60)

answer_one_job(measure)
"""
BENCHES = """
import sys
from compressor.backends import processes
from compressor.cli import main

processes.WORKER = "stands_still"
sys.exit(main(["bench", "m.onnx", "--processes", "1"]))
"""


@contextmanager
def benchmark(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """`compressor bench` in a process whose measuring process stands still."""
    saved(folder / "m.onnx")
    (folder / "stands_still.py").write_text(MEASURES)
    (folder / "temporary").mkdir()
    home = environment()["PYTHONPATH"]
    env = environment(PYTHONPATH=os.pathsep.join([home, str(folder)]), TMPDIR=str(folder / "temporary"))
    with subprocess.Popen(
        [sys.executable, "-c", BENCHES], env=env, cwd=folder, stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 60
        while not (folder / "pid").exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        yield process


def ended(pid: int) -> bool:
    """Whether a process is gone, or is only waiting for its parent to look."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.fixture
def unhandled() -> Iterator[None]:
    """SIGTERM as a shell leaves it."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, before)


needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows processes as files")


@needs_proc
@pytest.mark.usefixtures("unhandled")
def test_sigterm_ends_measuring_processes_and_leaves_no_folder(tmp_path: Path) -> None:
    with benchmark(tmp_path) as process:
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (143, "terminated; nothing was written\n")
    assert ended(int((tmp_path / "pid").read_text()))
    left = {path.name for path in (tmp_path / "temporary").iterdir()}
    assert left <= {".ses"}  # ONNX Runtime's own


@needs_proc
def test_measuring_processes_of_a_killed_one_end(tmp_path: Path) -> None:
    with benchmark(tmp_path) as process:
        process.kill()
        process.wait(timeout=60)
    measuring, deadline = int((tmp_path / "pid").read_text()), time.monotonic() + 30
    while not ended(measuring) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert ended(measuring)


@pytest.mark.usefixtures("unhandled")
def test_the_handler_is_there_only_while_a_command_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    raised = []

    def run(arguments: list[str]) -> int:
        try:
            signal.raise_signal(signal.SIGTERM)
        except Terminated:
            raised.append(1)
        signal.raise_signal(signal.SIGTERM)  # the second one, as timeout(1) sends it, disturbs nothing
        return 7

    monkeypatch.setattr(cli_app, "run", run)
    assert (cli.main([]), raised) == (7, [1])
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.usefixtures("unhandled")
def test_another_handler_stays_and_other_threads_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []

    def run(arguments: object) -> int:
        seen.append(signal.getsignal(signal.SIGTERM))
        return 0

    monkeypatch.setattr(cli_app, "run", run)
    thread = threading.Thread(target=cli.main, args=([],))
    thread.start()
    thread.join()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    cli.main([])
    assert seen == [signal.SIG_DFL, signal.SIG_IGN]
