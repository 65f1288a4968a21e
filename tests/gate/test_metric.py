"""The user's own figure: by sample with an interval, alone as it is, and what is no figure."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from compressor.errors import UsageError
from compressor.gate.metric_values import Values, difference_of, from_kept
from tests.gate.small import METRIC, add_op, edited, gated, saved_chain


@pytest.fixture
def models(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "metric.py").write_text(METRIC)
    a = saved_chain(tmp_path / "a.onnx")
    return a, edited(tmp_path / "b.onnx", a, add_op("Sin"))


def values(*numbers: float) -> Values:
    return Values(np.asarray(numbers, dtype=np.float64), by_sample=True)


def test_a_number_is_compared_as_it_is(models: tuple[Path, Path]) -> None:
    a, b = models  # 8 nodes and 9
    settings = {"function": "metric.py:nodes", "higher_is_better": False}
    report = gated(a, b, a.parent, metric={**settings, "max_loss": 1, "min_value": 8.5})
    by_rule = {finding.rule: finding for finding in report.findings}
    assert by_rule["max_loss"].status == "pass"
    assert (by_rule["max_loss"].baseline, by_rule["max_loss"].candidate, by_rule["max_loss"].value) == (8, 9, 1)
    assert by_rule["min_value"].status == "fail"
    assert gated(a, b, a.parent, metric={**settings, "max_loss": 0.5}).status == "fail"
    assert gated(a, b, a.parent, metric={"function": "metric.py:nodes", "max_loss": 0}).status == "pass"


def test_a_loss_of_just_what_is_allowed_passes(models: tuple[Path, Path]) -> None:
    a, b = models  # 0.92 and 0.91: in binary their difference is a little more than 0.01
    for function, higher in (("share", True), ("minus_share", False)):
        metric = {"function": f"metric.py:{function}", "higher_is_better": higher}
        assert gated(a, b, a.parent, metric={**metric, "max_loss": 0.01}).status == "pass"
        assert gated(a, b, a.parent, metric={**metric, "max_loss": 0.00999}).status == "fail"


def test_samples_are_paired(models: tuple[Path, Path]) -> None:
    """Both have the same hard samples: the loss of 0.01 each is certain, though the figure spreads by 0.3."""
    a, b = models
    settings = {"function": "metric.py:worse_by_nodes"}
    report = gated(a, b, a.parent, metric={**settings, "max_loss": 0.009})
    assert report.status == "fail"
    assert report.findings[0].low == pytest.approx(0.01)
    assert report.findings[0].high == pytest.approx(0.01)
    assert gated(a, b, a.parent, metric={**settings, "max_loss": 0.011}).status == "pass"


def test_what_samples_cannot_tell_is_inconclusive(models: tuple[Path, Path]) -> None:
    a, _ = models
    by_sample = {"function": "metric.py:by_sample"}  # 15 of 100 are right: 0.08 to 0.22
    for least, status in ((0.05, "pass"), (0.15, "inconclusive"), (0.4, "fail")):
        assert gated(a, a, a.parent, metric={**by_sample, "min_value": least}).status == status


@pytest.mark.parametrize(
    ("function", "settings", "status"),
    [
        ("all_right", {"min_value": 0.99}, "inconclusive"),  # a model right in 0.9 of all gives this one time in eight
        ("all_right", {"min_value": 0.8}, "pass"),
        ("all_right", {"min_value": 1.0}, "inconclusive"),
        ("all_right", {"max_loss": 0.005}, "inconclusive"),
        ("all_right", {"max_loss": 0.2}, "pass"),
        ("few", {"min_value": 0.0}, "inconclusive"),
        ("few", {"min_value": 5.0}, "inconclusive"),
        ("few", {"max_loss": 0.0}, "inconclusive"),
    ],
)
def test_a_handful_of_samples_that_agree_is_not_certain(
    function: str, settings: dict[str, float], status: str, models: tuple[Path, Path]
) -> None:
    a, _ = models
    report = gated(a, a, a.parent, metric={"function": f"metric.py:{function}", **settings})
    assert report.status == status
    (finding,) = report.findings
    assert (finding.low is None) == (function == "few")
    assert ("fewer than 20 samples" in finding.reason) == (function == "few")
    json.dumps(report.to_json(), allow_nan=False)


def test_the_interval_of_a_paired_difference_holds_the_truth() -> None:
    rng, held = np.random.default_rng(0), 0
    for seed in range(200):
        hard = rng.random(300)
        before, after = (hard + shift + rng.normal(0, 0.1, 300) for shift in (0.0, 0.02))
        found = difference_of(values(*before), values(*after), seed)
        assert found is not None
        held += found[1] <= 0.02 <= found[2]
    assert held >= 184  # 95 % of 200, less three standard deviations


@pytest.mark.parametrize(
    ("function", "says"),
    [
        ("text", "returned str"),
        ("table", "shape (2, 2)"),
        ("nothing", "shape (0,)"),
        ("raises", "RuntimeError: no data"),
        ("varying", "8 values and 9 values"),
        ("absent", "has no function 'absent'"),
    ],
)
def test_what_is_no_figure_is_wrong_use(function: str, says: str, models: tuple[Path, Path]) -> None:
    a, b = models
    with pytest.raises(UsageError) as caught:
        gated(a, b, a.parent, metric={"function": f"metric.py:{function}", "max_loss": 0})
    assert says.replace("8 values and 9", "9 values and 8") in caught.value.one_line()


def test_nan_fails(models: tuple[Path, Path]) -> None:
    a, b = models
    report = gated(a, b, a.parent, metric={"function": "metric.py:nan", "max_loss": 1e9, "min_value": -1e9})
    assert [finding.status for finding in report.findings] == ["fail", "fail"]


def test_a_number_and_samples_do_not_compare() -> None:
    with pytest.raises(UsageError, match="one number"):
        difference_of(values(1, 2), Values(np.ones(1), by_sample=False), 0)


def test_kept_values_come_back() -> None:
    found = values(1.0, float("nan"), 3.0)
    again = from_kept(found.to_json())
    np.testing.assert_array_equal(again.values, found.values)
    damaged: list[dict[str, object]] = [{}, {"values": []}, {"values": ["a"], "by_sample": True}]
    for broken in (*damaged, {"values": [1, 2], "by_sample": False}):
        with pytest.raises(UsageError):
            from_kept(broken)
