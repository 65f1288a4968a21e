"""``--schedule auto``: the paper's advice, with its source, and never more than advice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from compressor.auto_schedule import advised
from compressor.model_io import from_proto
from compressor.passes.attention_ops import has_attention
from tests.compressor.cli_models import Cli, saved
from tests.passes.graphs import model


@pytest.mark.parametrize(
    ("share", "attention", "patient", "name", "said"),
    [
        (0.5, False, False, "one-shot", "below about 80% one-shot with patience is better"),
        (0.79, False, False, "one-shot", "79% of the parameters go"),
        (0.8, False, False, "geometric", "from about 80% on geometric is better"),
        (0.5, True, False, "geometric", "transformers favour iterative"),
        (None, True, False, "one-shot", "nothing is trained between steps"),
        (None, False, True, "hybrid", "hybrid in 1 + 6 steps: training has patience"),
        (None, True, True, "hybrid", "hybrid was best at nearly all ratios"),
    ],
)
def test_advice_follows_the_papers_findings(
    share: float | None, attention: bool, patient: bool, name: str, said: str
) -> None:
    decision = advised(share, attention, patient=patient, steps=7)
    assert decision.schedule.name == name
    assert dict(decision.schedule.settings) == {"geometric": {"steps": 7}, "hybrid": {"steps": 6}}.get(name, {})
    assert said in decision.notes[0]
    assert "override" in decision.notes[0]
    if share is not None or patient:
        assert all("arXiv:2508.13836" in note for note in decision.notes)
        assert any("hybrid" in note and "best at nearly all ratios" in note for note in decision.notes)


def test_the_command_line_says_what_it_takes_and_why(cli: Cli, tmp_path: Path) -> None:
    line = ("compress", saved(tmp_path / "m.onnx"), "-o", tmp_path / "o.onnx", "--macs", "0.5")
    result = cli.json(*line, "--schedule", "auto")
    assert "schedule one-shot: nothing is trained" in result["advice"][0]
    assert "takes no rate" in cli.error(*line, "--schedule", "auto", "--rate", "0.1")
    assert "trials need the ready-made trainer" in cli.error(*line, "--schedule", "auto", "--trials", "2")
    assert "trials with the schedule 'cubic'" in cli.error(*line, "--schedule", "cubic", "--trials", "2")
    assert "trials of 0 epochs" in cli.error(*line, "--schedule", "auto", "--trials", "0")


ATTENTION = "q = MatMul(x, a)\nk = Transpose<perm=[0, 2, 1]>(x)\ns = MatMul(q, k)\n"
GRAPHS: dict[str, tuple[str, bool]] = {
    "attention": (ATTENTION + "p = Softmax(s)\ny = MatMul(p, x)", True),
    "dropped out on the way": (ATTENTION + "p = Softmax(s)\nd, m = Dropout(p)\nc = Mul(d, e)\ny = MatMul(c, x)", True),
    "classifier": ("h = MatMul(x, a)\ny = Softmax(h)", False),
    "softmax before a layer": ("p = Softmax(x)\ny = MatMul(p, a)", False),
    "gate": ("p = Softmax(x)\ng = Mul(p, x)\ny = MatMul(g, a)", False),
    "products without softmax": (ATTENTION + "y = MatMul(s, x)", False),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_attention_is_a_softmax_that_weighs_activations(name: str) -> None:
    body, expected = GRAPHS[name]
    weights: dict[str, Any] = {"a": (6, 6), "e": (1,)}
    used = {key: value for key, value in weights.items() if f"{key})" in body}
    graph = from_proto(model(body, used, inputs="float[2, 4, 6] x"))
    assert has_attention(graph) is expected
