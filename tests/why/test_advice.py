"""Advice of ``why``: said where the figures bear it out, and only there."""

from __future__ import annotations

from dataclasses import replace

from compressor.why.advice import Facts, advise, by_space
from compressor.why.one_op import OUTPUT, read_steps
from compressor.why.rows import Row

CONV = Row("t", "conv", "Conv", "Conv", (), False, "t", (64, 64), None, 8.0, None, 10**9, 0, ("w1", "w2"))
POOL = Row("p", "pool", "MaxPool", "MaxPool", (), False, before_ms=0.1, spaces=("w2",))
SIZES = {"w1": "64 channels", "w2": "32 channels", "w3": "16 channels"}


def facts(*rows: Row, **other: object) -> Facts:
    plain: dict[str, object] = {
        "whole_ms": 10.0, "whole_before_ms": 0.0, "kernels_ms": 10.0, "idle_ms": 0.001, "space_sizes": SIZES,
        "steps": {},
    }  # fmt: skip
    return Facts(rows, **{**plain, **other})  # type: ignore[arg-type]


def text(*rows: Row, **other: object) -> str:
    return "\n".join(advise(facts(*rows, **other)))


def test_what_dominates_and_which_space_would_help() -> None:
    said = text(CONV, replace(POOL, before_ms=2.0))
    assert "Conv 'conv' takes 80% of a run" in said
    assert "100% of a run is spent in ops along w2 (32 channels): to cut there helps most." in said
    assert "80% of a run is spent in ops along w1 (64 channels)." in said
    assert "w3" not in said
    assert by_space(facts(CONV, replace(POOL, before_ms=2.0))) == {"w2": 10.0, "w1": 8.0}


def test_nothing_but_what_dominates_is_said_of_a_good_model() -> None:
    assert len(advise(facts(CONV, POOL))) == 3


def test_repeated_blocks_are_taken_together() -> None:
    rows = [replace(CONV, tensor=f"t{i}", spaces=(f"b{i}",), before_ms=0.5) for i in range(20)]
    said = text(*rows, space_sizes={f"b{i}": "3072 channels" for i in range(20)})
    assert "100% of a run is spent along one or more of 20 spaces of 3072 channels: b0, b1, b2, ..." in said
    assert "to cut there helps most" not in said


def test_a_model_that_the_cut_made_slower() -> None:
    slower = replace(CONV, after_ms=16.0, after_macs=5 * 10**8)
    said = advise(facts(slower, whole_ms=17.0, whole_before_ms=10.0))
    assert said[0] == "The cut made it slower: 10 ms before, 17 ms after."
    assert "slower" not in text(slower, whole_ms=9.0, whole_before_ms=10.0)


def test_widths_off_the_step_are_told_once_for_layers_alike() -> None:
    found = [read_steps(OUTPUT, 113, {112: 0.9, 113: 1.0, 128: 1.01})]
    said = text(CONV, replace(CONV, tensor="u", node="other"), steps={"t": found, "u": found})
    assert said.count("113 output channels") == 1
    assert "113 output channels of Conv 'conv' and 1 like it cost as much as 128 (1 ms against 1.01 ms, alone)" in said
    assert "112 take 10% less" in said
    penalty = [read_steps(OUTPUT, 45, {44: 0.73, 45: 1.0, 48: 0.73})]
    assert "45 output channels of Conv 'conv' cost more than 48 (1 ms against 0.73 ms, alone)" in text(
        CONV, steps={"t": penalty}
    )
    on = [read_steps(OUTPUT, 128, {112: 0.9, 128: 1.0, 129: 1.2})]
    assert "output channels" not in text(CONV, steps={"t": on})


def test_a_cut_without_effect_is_told() -> None:
    vain = replace(CONV, after_widths=(45, 45), after_macs=5 * 10**8, after_ms=7.9)
    assert "Conv 'conv' has 50% of its multiplications left and takes 99% of its time." in text(
        vain, whole_before_ms=12.0
    )
    assert "left and takes" not in text(replace(vain, after_ms=5.0), whole_before_ms=12.0)


def test_layouts_count_where_they_cost_and_where_the_cut_brought_them() -> None:
    added = Row("t", "r", "ReorderOutput", "ReorderOutput", (), True, before_ms=None, after_ms=1.0)
    conv = replace(CONV, after_ms=7.0, after_macs=9 * 10**8)
    said = text(conv, added, whole_before_ms=12.0)
    assert "What the runtime added to change layouts costs 12% of a run; first of all ReorderOutput of t." in said
    assert "The cut brought changes of layout with it: 0 ms before, 1 ms after." in said
    assert "layouts" not in text(conv, replace(added, after_ms=0.1), whole_before_ms=12.0)


def test_layers_that_wait_for_memory() -> None:
    slow = replace(CONV, tensor="s", node="depthwise", before_ms=4.0, before_macs=10**7)
    assert "33% of a run goes to layers that multiply less than 20% as fast as the best one (125 GMAC/s)" in text(
        CONV, slow
    )
    assert "depthwise" not in text(CONV, replace(slow, before_ms=0.1))


def test_ops_that_no_cut_makes_faster_and_the_fixed_part() -> None:
    stuck = replace(POOL, before_ms=2.0, spaces=())
    said = text(CONV, stuck)
    assert "20% of a run moves data without multiplying (MaxPool)" in said
    assert "20% of a run is in ops that no cut of channels makes faster: MaxPool 'pool'." in said
    assert "is what the runtime takes for any model" not in said
    assert "5% of a run (500 us) is what the runtime takes for any model" in text(CONV, idle_ms=0.5)
    assert "makes a run 50% longer here" in text(CONV, kernels_ms=15.0)
