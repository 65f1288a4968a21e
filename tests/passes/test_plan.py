"""Plans: saved, read, replayed, refused for another graph, and never trusted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compressor.errors import PlanError
from compressor.passes.plan import Plan, PlanCounts, PlanStep, SpaceCut, atoms_of, cuts_of, merged, read_plan
from tests.passes.graphs import analysed

ANALYSIS = analysed("h = MatMul(x, w)\ni = MatMul(h, u)\ny = MatMul(i, v)", {"w": (6, 8), "u": (8, 4), "v": (4, 5)})
SCORES = np.zeros(len(ANALYSIS.state.store))
SCORES[ANALYSIS.spaces[0].atoms] = range(1, 9)
ATOMS = np.sort(np.concatenate([ANALYSIS.spaces[0].atoms[:3], ANALYSIS.spaces[1].atoms[1:2]]))
DIGEST = "sha256:" + "0" * 64


def _plan() -> Plan:
    counts = PlanCounts(params=100, macs=200, channels=12)
    cuts = list(cuts_of(ANALYSIS, ATOMS, SCORES, "l1"))
    return Plan(digest=DIGEST, made_with={"criterion": "l1", "keep": 0.5}, before=counts, after=counts, cuts=cuts)


def test_a_plan_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    _plan().save(path)
    again = read_plan(path)
    assert again == _plan()
    np.testing.assert_array_equal(atoms_of(again, ANALYSIS, DIGEST), ATOMS)
    assert [cut["removed"] for cut in json.loads(path.read_text())["cuts"]] == [[0, 1, 2], [1]]


def test_a_cut_says_what_and_why() -> None:
    cut = _plan().cuts[0]
    assert (cut.name, cut.size, cut.parameters) == ("w[1]", 8, ["w", "u"])
    assert cut.why == "lowest l1 of 8: at most 3; the least kept has 4"


def _plan_of_steps() -> Plan:
    whole = _plan()
    first, second = (
        PlanStep(share=share, after=whole.after, cuts=list(cuts_of(ANALYSIS, atoms, SCORES, "l1")))
        for share, atoms in ((0.3, ATOMS[:2]), (0.5, ATOMS[2:]))
    )
    return Plan.model_validate({**whole.model_dump(), "version": 2, "steps": [first, second]})


def test_a_plan_of_steps_comes_back_and_is_one_cut(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    _plan_of_steps().save(path)
    again = read_plan(path)
    assert again == _plan_of_steps()
    np.testing.assert_array_equal(atoms_of(again, ANALYSIS, DIGEST), ATOMS)
    assert [[cut.removed for cut in step.cuts] for step in again.steps] == [[[0, 1]], [[2], [1]]]
    assert "steps" not in json.loads(_plan().to_bytes())


@pytest.mark.parametrize(
    "change", [{"removed": [3]}, {"removed": [0]}, {"size": 7}, {"name": "u[1]"}, {"groups": [[2]]}]
)
def test_steps_that_are_not_the_cuts_are_refused(change: dict[str, Any], tmp_path: Path) -> None:
    plan = _plan_of_steps()
    plan.steps[1].cuts[0] = plan.steps[1].cuts[0].model_copy(update=change)
    plan.save(tmp_path / "plan.json")
    with pytest.raises(PlanError, match="steps"):
        read_plan(tmp_path / "plan.json")


def test_positions_of_groups_are_merged_group_by_group() -> None:
    def cut(groups: list[list[int]]) -> SpaceCut:
        width = len(groups[0])
        return SpaceCut(
            name="k[1]", size=6, removed=list(range(6 - width, 6)), groups=groups, why="lowest", parameters=["k"]
        )

    (both,) = merged([[cut([[3], [0]])], [], [cut([[1, 5], [2, 4]])]])
    assert (both.removed, both.groups) == ([3, 4, 5], [[1, 3, 5], [0, 2, 4]])
    assert both.why == "in 2 steps, in the last one the lowest"


def test_another_graph_is_refused() -> None:
    with pytest.raises(PlanError, match="made for another graph"):
        atoms_of(_plan(), ANALYSIS, "sha256:" + "1" * 64)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "z[0]"}, "does not have"),
        ({"size": 9}, "does not have"),
        ({"removed": [8]}, "distinct numbers below 8"),
        ({"removed": [-1]}, "distinct numbers below 8"),
        ({"removed": [1, 1]}, "distinct numbers below 8"),
        ({"removed": list(range(8))}, "every channel"),
    ],
)
def test_cuts_that_do_not_fit_are_refused(change: dict[str, Any], message: str) -> None:
    plan = _plan()
    plan.cuts[0] = plan.cuts[0].model_copy(update=change)
    with pytest.raises(PlanError, match=message):
        atoms_of(plan, ANALYSIS, DIGEST)


def test_one_space_named_twice_cannot_be_emptied() -> None:
    plan = _plan()
    first = plan.cuts[0].model_copy(update={"removed": [0, 1, 2, 3]})
    plan.cuts[:] = [first, first.model_copy(update={"removed": [4, 5, 6, 7]})]
    with pytest.raises(PlanError, match="twice"):
        atoms_of(plan, ANALYSIS, DIGEST)


NOT_PLANS = [b"", b"{", b"[]", b"null", b"{}", b'{"format": "compressor-plan"}', b"\x00", b"\xed\xa0\x80"]


@pytest.mark.parametrize("content", NOT_PLANS)
def test_what_is_no_plan_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_bytes(content)
    with pytest.raises(PlanError, match="not a plan") as caught:
        read_plan(path)
    assert caught.value.where == str(path)


def test_a_plan_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(PlanError, match="cannot be read"):
            read_plan(path)


JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=5), st.just([]), st.just({}),
    st.lists(st.integers(-3, 12), max_size=4),
)  # fmt: skip


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += _places(inner, (*path, key))
    return found


@given(data=st.data())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_mutated_plan_is_refused_or_harmless(data: st.DataObject, tmp_path: Path) -> None:
    tree = json.loads(data.draw(st.sampled_from([_plan, _plan_of_steps]))().to_bytes())
    for _ in range(data.draw(st.integers(1, 2))):
        *above, last = data.draw(st.sampled_from(_places(tree)))
        spot = tree
        for key in above:
            spot = spot[key]
        if data.draw(st.booleans()):
            spot[last] = data.draw(JUNK)
        else:
            del spot[last]
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(tree))
    try:
        atoms = atoms_of(read_plan(path), ANALYSIS, DIGEST)
    except PlanError:
        return
    for space in ANALYSIS.spaces:
        assert np.isin(space.atoms, atoms).sum() < space.size
    assert np.isin(atoms, np.concatenate([space.atoms for space in ANALYSIS.spaces])).all()


@pytest.mark.parametrize("index", [2**63, 2**31, -1])
def test_an_index_that_no_axis_has_is_refused(index: int, tmp_path: Path) -> None:
    tree = json.loads(_plan().to_bytes())
    tree["cuts"][0]["removed"][0] = index
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(tree))
    with pytest.raises(PlanError):
        atoms_of(read_plan(path), ANALYSIS, DIGEST)
