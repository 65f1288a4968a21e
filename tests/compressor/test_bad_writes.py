"""Writing that fails or is interrupted: one line, an exit code, every file as it was."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from compressor.atomic import FileSet
from tests.compressor.cli_models import Cli, environment, external, mlp, saved, snapshot


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS])
@pytest.mark.parametrize("which", ["o.onnx", "p.json"])
def test_read_only_folder(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, which: str) -> None:
    """Simulated: root may write anywhere."""
    model = saved(tmp_path / "m.onnx")
    saved(tmp_path / "o.onnx", mlp(seed=5))
    before = snapshot(tmp_path)
    really = os.open

    def refuse(path: str, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_CREAT and which in str(path):
            raise OSError(code, os.strerror(code), str(path))
        return really(path, flags, mode)

    monkeypatch.setattr("compressor.atomic.os.open", refuse)
    said = cli.error("compress", model, "-o", tmp_path / "o.onnx", "--plan", tmp_path / "p.json", "--macs", "0.5")
    assert f"{tmp_path / which}: cannot be written: {os.strerror(code)}. Write to a folder" in said
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("stop", [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), KeyboardInterrupt()])
@pytest.mark.parametrize("step", [0, 1, 2])
@pytest.mark.parametrize("old_files", [False, True])
def test_disk_full_or_interrupted_while_writing(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: BaseException, step: int, old_files: bool
) -> None:
    """Stops at each file's last write (weights, model, plan): all files are as before."""
    model = external(tmp_path)
    output, plan = tmp_path / "o.onnx", tmp_path / "p.json"
    arguments = ("compress", model, "-o", output, "--plan", plan, "--macs")
    if old_files:
        cli.ok(*arguments, "0.7")
    before = snapshot(tmp_path)
    really, steps = FileSet.sync, iter(range(3))

    def sync(self: FileSet, file: object) -> None:
        if next(steps) == step:
            raise stop
        really(self, file)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(FileSet, "sync", sync)
        code, out, err = cli(*arguments, "0.5")
    assert out == ""
    if isinstance(stop, KeyboardInterrupt):
        assert (code, err) == (130, "interrupted; nothing was written\n")
    else:
        assert code == 2
        assert err.endswith("No space left on device. Free some space on the disk, or write somewhere else.\n")
        assert err.count("\n") == 1
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("stop", [OSError(errno.EIO, os.strerror(errno.EIO)), KeyboardInterrupt()])
@pytest.mark.parametrize("step", [0, 1, 2])
def test_stopped_between_the_renames(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: BaseException, step: int
) -> None:
    model = external(tmp_path)
    before = snapshot(tmp_path)
    really, steps = Path.replace, iter(range(100))

    def replace(self: Path, target: Path) -> Path:
        if next(steps) == step:
            raise stop
        return really(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", replace)
        code, out, err = cli(
            "compress", model, "-o", tmp_path / "o.onnx", "--plan", tmp_path / "p.json", "--macs", "0.5"
        )
    assert (code, out, err.count("\n")) == (130 if isinstance(stop, KeyboardInterrupt) else 2, "", 1)
    assert snapshot(tmp_path) == before


def test_interrupted_after_writing_says_so(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, output = saved(tmp_path / "m.onnx"), tmp_path / "o.onnx"

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("compressor.cli_training.emit", stop)
    code, _, err = cli("compress", model, "-o", output, "--macs", "0.5")
    assert (code, err) == (130, f"interrupted; already written: {output}\n")
    assert output.is_file()


SLOW = """
import sys, time
import {module}
def stop_here(*_, **__):
    open({marker!r}, "w").close()
    time.sleep(60)
{module}.{name} = stop_here
from compressor.cli import main
sys.exit(main(sys.argv[1:]))
"""


INT, TERM = (signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")


@pytest.mark.parametrize(
    ("module", "name", "stop"),
    [
        ("compressor.loaded", "read", INT),
        ("compressor.choosing", "select", INT),
        ("compressor.proof", "verify_removal", INT),
        ("compressor.proof", "verify_removal", TERM),
        ("compressor.atomic", "FileSet.sync", INT),
        ("compressor.atomic", "FileSet.commit", INT),
        ("compressor.atomic", "FileSet.commit", TERM),
    ],
)
def test_told_to_stop(tmp_path: Path, module: str, name: str, stop: tuple[signal.Signals, int, str]) -> None:
    """A real signal to a real process, at a known place."""
    number, code, says = stop
    folder = tmp_path / "work"
    folder.mkdir()
    model, marker = external(folder), tmp_path / "reached"
    before = snapshot(folder)
    program = SLOW.format(module=module, name=name, marker=str(marker))
    paths = [str(model), "-o", str(folder / "o.onnx"), "--plan", str(folder / "p.json")]
    with subprocess.Popen(
        [sys.executable, "-c", program, "compress", *paths, "--macs", "0.5"],
        env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        deadline = time.monotonic() + 30
        while not marker.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert marker.exists(), err
    assert (process.returncode, out, err) == (code, "", f"{says}; nothing was written\n")
    assert snapshot(folder) == before
