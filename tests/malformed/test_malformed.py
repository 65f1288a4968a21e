"""Malformed inputs end in one clean line: some thirty of those that the benchmark tries five hundred of."""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.compressor.cli_models import environment
from tests.malformed.cases import KINDS, SEEDS, case
from tests.malformed.mutations import BYTES, json_file, yaml_file
from tests.malformed.onnx_mutations import CHANGES, onnx_file
from tests.malformed.running import CHECKED, CLEAN, HARMLESS, VERDICTS, judged, run_cases

EACH = -(-30 // len(KINDS))


def chosen() -> list[int]:
    """The first few cases of every kind."""
    numbers: dict[str, list[int]] = {kind: [] for kind in KINDS}
    for number in range(500):
        mine = numbers[case(number).kind]
        if len(mine) < EACH:
            mine.append(number)
    return sorted(itertools.chain.from_iterable(numbers.values()))


def test_malformed_inputs_end_in_one_line() -> None:
    verdicts = list(run_cases(chosen()))
    wrong = [f"{one.number} {one.kind} {one.command}: {one.wrong}" for one in verdicts if one.wrong]
    assert not wrong, "\n".join(wrong)
    assert {verdict.number for verdict in verdicts} == set(chosen())
    assert {verdict.code for verdict in verdicts} <= {HARMLESS, CHECKED, *CLEAN, *VERDICTS}
    assert sum(verdict.code in CLEAN for verdict in verdicts) >= len(verdicts) // 2


@pytest.mark.slow
def test_five_hundred() -> None:
    wrong = [f"{one.number} {one.kind} {one.command}: {one.wrong}" for one in run_cases(range(500)) if one.wrong]
    assert not wrong, "\n".join(wrong)


def test_a_case_is_a_function_of_its_number() -> None:
    assert case(17) == case(17)
    assert len({case(number).content for number in range(40)}) > 35


def test_every_mutation_works_on_every_seed_of_its_form() -> None:
    rng = random.Random(0)
    for path in sorted(SEEDS.iterdir()):
        data = path.read_bytes()
        changed = [mutate(data, rng) for mutate in BYTES for _ in range(3)]
        assert any(one != data for one in changed)
        form = {".onnx": onnx_file, ".json": json_file, ".lock": json_file, ".yaml": yaml_file}.get(path.suffix)
        if form is not None:
            assert len({form(data, rng) for _ in range(60)}) > 20
    assert len(CHANGES) > 10


FINE: dict[str, Any] = {
    "number": 1, "kind": "plan", "command": "verify", "code": 2, "trace": None, "lines": ["error: x"], "seconds": 1.0,
    "peak_bytes": 1, "outside": [],
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, None),
        ({"code": 0, "lines": []}, None),
        ({"lines": ["warning: y", "error: x"]}, None),
        ({"command": "gate --x", "code": 4, "lines": []}, None),
        ({"command": "check model.onnx", "lines": []}, None),
        ({"command": "check model.onnx"}, "exit code 2, says error: x"),
        ({"command": "check model.onnx", "code": 1, "lines": []}, "exit code 1"),
        ({"code": 4}, "exit code 4"),
        ({"code": None, "trace": "KeyError"}, "lets through: KeyError"),
        ({"lines": ["error: x", "more"]}, "says 2 lines"),
        ({"lines": []}, "says 0 lines"),
        ({"lines": ["error: Traceback (most recent call last)"]}, "shows a traceback"),
        ({"seconds": 31.0}, "takes 31 s"),
        ({"peak_bytes": 5 << 30}, "takes 5.0 GiB"),
        ({"outside": ["open /etc/x"]}, "touches open /etc/x"),
    ],
)
def test_what_is_wrong_is_seen(change: dict[str, Any], said: str | None) -> None:
    found = judged({**FINE, **change}).wrong
    assert (said is None) == (found == [])
    assert said is None or said in found[0]


def test_writes_outside_are_seen(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "file").write_text("x")
    script = f"""
import shutil
from pathlib import Path
from tests.malformed.worker import Writes
writes = Writes()
writes.allowed = ({str(tmp_path / "out")!r},)
Path({str(tmp_path / "out")!r}).mkdir()
Path({str(tmp_path / "out" / "a")!r}).write_text("x")
Path({str(tmp_path / "b")!r}).write_text("x")
Path({str(tmp_path / "b")!r}).read_text()
Path({str(tmp_path / "b")!r}).rename({str(tmp_path / "c")!r})
shutil.rmtree({str(tmp_path / "out")!r})
shutil.rmtree({str(tmp_path / "deep")!r})
found, writes.allowed = list(writes.found), None
print(found)
"""
    done = subprocess.run([sys.executable, "-c", script], env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout.count(str(tmp_path / "b")) == 2
    assert str(tmp_path / "c") in done.stdout
    assert str(tmp_path / "out" / "a") not in done.stdout
    assert f"os.remove {tmp_path / 'deep' / 'er' / 'file'}" in done.stdout
