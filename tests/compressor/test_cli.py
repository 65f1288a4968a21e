"""The command line as a whole: exit codes, streams, start-up, odd names, closed pipes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import compressor
from compressor import cli_app
from compressor.errors import BackendError, NothingToPruneError, UsageError, VerificationError
from tests.compressor.cli_models import ODD_NAME, Cli, command, environment, in_process, mlp, saved
from tests.house.test_lean_import import HEAVY

COMMANDS = ("inspect", "check", "compress", "verify", "bench", "demo", "doctor")
HELP_LIMIT_S = 0.3


def test_help_names_every_command(cli: Cli) -> None:
    text = cli.ok("--help")
    assert all(f"\n  {name} " in text for name in COMMANDS)
    assert cli.ok() == text


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_json(cli: Cli, name: str) -> None:
    assert "--json" in cli.ok(name, "--help")


def test_version(cli: Cli) -> None:
    assert cli.ok("--version") == f"compressor {compressor.__version__}\n"


def test_help_is_quick(tmp_path: Path) -> None:
    spent = []
    for _ in range(5):  # CPU time, and the best: a busy machine makes runs slower, never faster
        before = os.times()
        assert in_process(tmp_path, "--help").returncode == 0
        after = os.times()
        spent.append(after.children_user + after.children_system - before.children_user - before.children_system)
    assert 0 < min(spent) < HELP_LIMIT_S


def test_help_loads_nothing_heavy() -> None:
    probe = "import sys; from compressor.cli import main; main(['--help']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", probe], env=environment(), capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stderr.split()}
    assert loaded & (HEAVY - {"typer"}) == set()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["frob"], "No such command 'frob'"),
        (["inspect"], "Missing argument 'MODEL'"),
        (["inspect", "a", "--what"], "No such option: --what"),
        (["compress", "a", "-o", "b", "--macs", "half"], "--macs"),
        (["bench", "a", "--dim", "n"], "--dim 'n' is not NAME=SIZE"),
        (["bench", "a", "--dim", "n=0"], "--dim 'n=0' is not NAME=SIZE"),
        (["bench", "a", "--dim", "=3"], "--dim '=3' is not NAME=SIZE"),
        (["bench", "a", "--seconds", "0"], "--seconds 0 is not between"),
        (["bench", "a", "--seconds", "nan"], "--seconds nan is not between"),
        (["bench", "a", "--threads", "0"], "--threads"),
    ],
)
def test_wrong_use_is_one_line(cli: Cli, arguments: list[str], says: str) -> None:
    assert says in cli.error(*arguments)


@pytest.mark.parametrize(
    ("error", "code"),
    [(UsageError, 2), (NothingToPruneError, 1), (VerificationError, 1), (BackendError, 3)],
)
def test_exit_code_is_that_of_the_error(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, error: type[UsageError], code: int
) -> None:
    def fail(arguments: list[str]) -> int:
        raise error("went\nwrong", where="[bold]x[/bold]", fix="Do better.")

    monkeypatch.setattr(cli_app, "run", fail)
    assert cli.error(code=code) == "[bold]x[/bold]: went wrong. Do better."


def test_names_from_a_file_are_taken_literally(cli: Cli, tmp_path: Path) -> None:
    model = saved(tmp_path / "[bold]m.onnx", mlp(second=ODD_NAME))
    out = cli.ok("inspect", model, "--all")
    assert "[bold]m.onnx" in out
    assert "[red]w2[/red]\\x1b[31m[0]" in out
    assert "\x1b" not in out
    missing = cli.error("inspect", tmp_path / "[red]no\x1b[2J.onnx")
    assert "[red]no\\x1b[2J.onnx: no such file" in missing


def test_closed_pipe_is_no_traceback(tmp_path: Path) -> None:
    model = saved(tmp_path / "m.onnx")
    with subprocess.Popen(
        command("inspect", model, "--json"), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        if process.stdout is None or process.stderr is None:
            raise AssertionError
        process.stdout.close()
        said = process.stderr.read()
        assert process.wait() == 141
    assert said == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", [["--help"], ["inspect", "m.onnx"], ["inspect", "m.onnx", "--json"]])
def test_full_disk_behind_stdout(tmp_path: Path, arguments: list[str]) -> None:
    saved(tmp_path / "m.onnx")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command(*arguments), cwd=tmp_path, env=environment(), stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 3
    assert done.stderr == b"error: the output: No space left on device. Check the disk.\n"


def test_ascii_terminal(tmp_path: Path) -> None:
    saved(tmp_path / "größe.onnx")
    done = in_process(tmp_path, "inspect", "größe.onnx", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert "gr\\xf6\\xdfe.onnx" in done.stdout


def test_json_alone_on_stdout_from_another_folder(tmp_path: Path) -> None:
    saved(tmp_path / "m.onnx")
    done = in_process(tmp_path, "inspect", "m.onnx", "--json")
    assert json.loads(done.stdout)["kind"] == "inspection"
    assert done.stderr == ""


def test_rows_are_not_broken_in_a_pipe(tmp_path: Path) -> None:
    long = "layer." * 40 + "weight"
    saved(tmp_path / "m.onnx", mlp(second=long))
    done = in_process(tmp_path, "inspect", "m.onnx", "--all", COLUMNS="40")
    assert any(line.startswith(f" {long}[1]") and "graph output" in line for line in done.stdout.split("\n"))
