"""Malformed inputs end in one clean line; thirty of those that the benchmark tries five hundred of."""

from __future__ import annotations

import itertools
import random

import pytest

from tests.malformed.cases import KINDS, SEEDS, case
from tests.malformed.mutations import BYTES, json_file, yaml_file
from tests.malformed.onnx_mutations import CHANGES, onnx_file
from tests.malformed.running import CHECKED, CLEAN, HARMLESS, VERDICTS, run_cases

EACH = 30 // len(KINDS)


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
