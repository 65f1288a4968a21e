"""The loop comes to what is measured, whatever the table says, and gives back the original where nothing helps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from compressor.backends.comparison import Comparison
from compressor.backends.energy_comparison import EnergyComparison
from compressor.backends.null import NullBackend
from compressor.backends.statistics import Ratio
from compressor.backends.timing import compare_here
from compressor.errors import CompressorError, NothingToPruneError, UsageError
from compressor.latency import loop as module
from compressor.latency.goal import LatencyGoal
from compressor.latency.loop import Loop
from compressor.latency.outcome import NotFasterError
from compressor.latency.setting import Setting
from compressor.latency.source import TableSource
from compressor.latency.table import LatencyTable, Sample, new_table
from compressor.loaded import Loaded, load_model
from compressor.passes.scores import CRITERIA, ScoreContext
from compressor.passes.selection import Options
from tests.compressor.cli_models import HIDDEN, saved

NULL = Setting(backend="null")


def told_ms(width: int) -> float:
    """What the table says."""
    return 0.1 + 0.01 * width


def real_ms(width: int) -> float:
    """What is measured: more constant, and steps of eight."""
    return 0.3 + 0.01 * 8 * -(-width // 8)


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    return load_model(saved(tmp_path / "m.onnx"))


def width_of(loaded: Loaded, atoms: NDArray[np.int64]) -> int:
    return HIDDEN - int(np.isin(loaded.analysis.spaces[0].atoms, atoms).sum())


@pytest.fixture
def loop(loaded: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loop:
    table: LatencyTable = new_table(loaded.analysis, NULL.facts())
    for width in (64, 8, 16, 24, 32, 40, 48, 56, 60, 12):
        table.samples.append(Sample(widths=[width], units_ms={"h": told_ms(width)}, whole_ms=told_ms(width)))

    def measured(analysis: object, units: object, atoms: NDArray[np.int64], setting: Setting) -> Sample:
        width = width_of(loaded, atoms)
        return Sample(widths=[width], units_ms={"h": told_ms(width)}, whole_ms=real_ms(width))

    def compared(self: Loop, atoms: NDArray[np.int64], *, fresh: bool) -> Comparison:
        times = {"original": real_ms(HIDDEN), "candidate": real_ms(width_of(loaded, atoms))}
        openers = {
            name: (
                lambda ms=ms: NullBackend(lambda model, call: int(ms * 1e6)).open(saved(tmp_path / "m.onnx"), threads=1)
            )
            for name, ms in times.items()
        }
        return compare_here(openers, {"x": np.zeros((1, 16), np.float32)}, min_time_s=0.01)

    monkeypatch.setattr(module, "measure", measured)
    monkeypatch.setattr(Loop, "_measure", compared)
    source = TableSource(table, tmp_path / "t.json", True, 0, 0.0)
    return Loop(loaded.analysis, loaded.cost, source, NULL, lambda *_: None)


@pytest.mark.parametrize("ratio", [0.85, 0.7, 0.5])
def test_the_measured_ratio_is_met_though_the_table_is_wrong(loop: Loop, ratio: float) -> None:
    scores = CRITERIA.get("l1")(ScoreContext(loop.analysis, 0))
    told = len(loop.source.table.samples)
    selection, outcome = loop.reach(ratio, scores, Options())
    possible = [real_ms(width) / real_ms(HIDDEN) for width in range(7, HIDDEN + 1)]
    nearest = min(abs(one / ratio - 1) for one in possible)
    assert abs(outcome.ratio / ratio - 1) <= max(0.03, nearest + 0.01)
    assert outcome.measured
    kept = HIDDEN - int(np.isin(loop.analysis.spaces[0].atoms, selection.atoms).sum())
    assert outcome.ratio == pytest.approx(real_ms(kept) / real_ms(HIDDEN), rel=1e-3)
    assert len(loop.source.table.samples) > told  # what was built is learnt from
    first = outcome.rounds[0].measured_ratio
    assert first is not None
    assert ratio != 0.7 or abs(first / ratio - 1) > 0.03  # the table alone would have missed


def test_the_channels_kept_are_the_best(loop: Loop) -> None:
    scores = CRITERIA.get("l1")(ScoreContext(loop.analysis, 0))
    selection, _ = loop.reach(0.6, scores, Options())
    gone = np.isin(loop.analysis.spaces[0].atoms, selection.atoms)
    own = scores[loop.analysis.spaces[0].atoms]
    assert own[gone].max() <= own[~gone].min()


def test_out_of_reach_is_said(loop: Loop) -> None:
    scores = CRITERIA.get("l1")(ScoreContext(loop.analysis, 0))
    with pytest.raises(NothingToPruneError, match="cannot be reached"):
        loop.reach(0.1, scores, Options())


def test_another_machines_table_only_predicts(loop: Loop) -> None:
    loop.source.here = False
    scores = CRITERIA.get("l1")(ScoreContext(loop.analysis, 0))
    _, outcome = loop.reach(0.6, scores, Options())
    assert not outcome.measured
    assert outcome.ratio == pytest.approx(0.6, rel=0.07)
    assert [turn.measured_ratio for turn in outcome.rounds] == [None]


def test_something_goes_though_the_original_was_measured_slow(loop: Loop) -> None:
    loop.source.here = False
    full = loop.source.table.samples[0]
    loop.source.table.samples[0] = full.model_copy(update={"whole_ms": full.whole_ms * 1.3})
    scores = CRITERIA.get("l1")(ScoreContext(loop.analysis, 0))
    selection, outcome = loop.reach(0.96, scores, Options())
    assert selection.atoms.size
    assert outcome.ratio < 0.96


def test_energy_is_met_as_a_latency_is(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    times = Loop._measure

    def measured(self: Loop, atoms: NDArray[np.int64], *, fresh: bool) -> Comparison:
        found = times(self, atoms, fresh=fresh)
        ratio = Ratio(*[found.ratios["candidate"].ratio ** 2] * 3)  # what is a third faster takes half as much
        joules = {"original": 4.0, "candidate": 4 * ratio.ratio}
        told = EnergyComparison(["m"], joules, {"candidate": ratio}, Ratio(1, 1, 1), {"candidate": "less"}, {})
        return replace(found, energy=told)

    monkeypatch.setattr(Loop, "_measure", measured)
    loop.of = "energy"
    _, outcome = loop.reach(0.5, CRITERIA.get("l1")(ScoreContext(loop.analysis, 0)), Options())
    assert outcome.ratio == pytest.approx(0.5, rel=0.12)  # the time comes in steps of eight channels
    assert (outcome.of, outcome.original_j) == ("energy", 4.0)
    assert outcome.candidate_j == pytest.approx(4 * outcome.ratio)
    assert outcome.candidate_ms / outcome.original_ms == pytest.approx(outcome.ratio**0.5, rel=0.02)
    loop.source.here = False
    with pytest.raises(UsageError, match="has to be measured"):
        loop.reach(0.5, CRITERIA.get("l1")(ScoreContext(loop.analysis, 0)), Options())


def test_what_is_not_faster_is_refused(loop: Loop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def alike(self: Loop, atoms: NDArray[np.int64], *, fresh: bool) -> Comparison:
        openers = {
            name: (lambda: NullBackend().open(saved(tmp_path / "m.onnx"), threads=1))
            for name in ("original", "candidate")
        }
        return compare_here(openers, {"x": np.zeros((1, 16), np.float32)}, min_time_s=0.01)

    monkeypatch.setattr(Loop, "_measure", alike)
    scores = CRITERIA.get("l1")(ScoreContext(loop.analysis, 0))
    with pytest.raises(NotFasterError, match=r"not measurably faster.* only: give it more \(--table-minutes\)"):
        loop.reach(0.6, scores, Options())
    loop.source.table.samples += loop.source.table.samples * 2
    with pytest.raises(NotFasterError, match=r"not measurably faster.*%\)\. Allow more to be cut"):
        loop.reach(0.6, scores, Options())


@pytest.mark.parametrize(
    ("ratio", "ms", "minutes"), [(None, None, 5), (0.5, 3.0, 5), (1.0, None, 5), (None, -1.0, 5), (0.5, None, -1)]
)
def test_goals_that_are_none_are_refused(ratio: float | None, ms: float | None, minutes: float) -> None:
    with pytest.raises(CompressorError):
        LatencyGoal(ratio, ms, minutes=minutes)
