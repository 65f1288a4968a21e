"""Files of settings: what is read, and what is refused in one line."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from compressor.errors import UsageError
from compressor.settings import MOST_BYTES, Part, parse_settings, read_settings, validated


class _Inner(Part):
    epochs: int = 3
    rate: float = 0.1


class _Outer(Part):
    name: str
    training: _Inner = _Inner()


def bomb(levels: int) -> str:
    """YAML whose aliases repeat ten things, ten of them, and so on."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, levels)]
    return "\n".join(lines)


def test_yaml_and_json_give_the_same(tmp_path: Path) -> None:
    wanted = {"name": "x", "training": {"epochs": 2}}
    (tmp_path / "a.yaml").write_text("name: x\ntraining: {epochs: 2}\n", encoding="utf-8")
    (tmp_path / "a.json").write_text(json.dumps(wanted), encoding="utf-8")
    assert read_settings(tmp_path / "a.yaml", "recipe") == read_settings(tmp_path / "a.json", "recipe") == wanted
    assert validated(_Outer, wanted, "a").training.epochs == 2


def test_aliases_are_taken_where_they_stay_small() -> None:
    assert parse_settings("a: &a {b: 1}\nc: *a\n", "x") == {"a": {"b": 1}, "c": {"b": 1}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (bomb(10), "holds more than 100,000 values"),
        ("a: &a [*a]", "recursive"),
        ("<<: {a: 1}\nb: 2", "'<<' is not taken"),
        ("a: 1\na: 2", "a key is given twice"),
        ("a: !!python/object:os.system x", "write plain values"),
        ("a: !!timestamp x", "write plain values"),  # PyYAML answers with an AttributeError
        ("a: " + "9" * 5000, "4300 digits"),
        ("a: 2020-99-99", "month"),
        ("[" * 100_000, "nested too deeply"),
        ("? [1, 2]\n: 3", "unhashable"),
        ("a: \x00", "special characters"),
        ("a: [1", "expected"),
        ("--- a\n--- b", "single document"),
    ],
)
def test_yaml_that_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=r"is no YAML|holds more") as caught:
        parse_settings(text, "r.yaml")
    assert said in caught.value.one_line()
    assert len(caught.value.one_line()) < 500


@pytest.mark.parametrize("text", ["{", '{"a": 1, "a": 2}', "[" * 100_000, '{"a": ' + "9" * 5000 + "}"])
def test_json_that_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no JSON"):
        parse_settings(text, "r.json", json_only=True)


def test_merging_into_each_other_costs_no_time() -> None:
    lines = ["a0: &a0 {k: 1}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 12)]
    start = time.perf_counter()
    with pytest.raises(UsageError):
        parse_settings("\n".join(lines), "x")
    assert time.perf_counter() - start < 2


def test_files_that_cannot_be_settings(tmp_path: Path) -> None:
    (tmp_path / "big.yaml").write_text("#" * (MOST_BYTES + 1), encoding="utf-8")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "list.yaml").write_text("- 1", encoding="utf-8")
    for name, said in [
        ("big.yaml", "too many"), ("bytes.yaml", "cannot be read"), ("list.yaml", "is no recipe"),
        ("none.yaml", "no such recipe"), (".", "is no file"), ("a\0b.yaml", "no such recipe"),
    ]:  # fmt: skip
        with pytest.raises(UsageError, match=said):
            read_settings(tmp_path / name, "recipe")


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"nam": "x"}, "unknown key 'nam'; did you mean 'name'? known: name, training"),
        ({"name": "x", "training": {"epoch": 1}}, "training: unknown key 'epoch'; did you mean 'epochs'?"),
        ({"name": "x", "training": {"rate": float("nan")}}, "training.rate: Input should be a finite number"),
        ({}, "name: Field required"),
        ({"name": "x", "y" * 10_000: 1}, "unknown key"),
    ],
)
def test_what_does_not_fit_is_told_with_its_place(found: Any, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        validated(_Outer, found, "r.yaml")
    assert said in caught.value.one_line()
    assert len(caught.value.one_line()) < 500
