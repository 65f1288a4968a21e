"""Networks as exporters write them: a few in every run, all of them with `-m zoo`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx_graphsurgeon as gs
import pytest

from compressor.errors import VerificationError
from compressor.normalize import normalize
from compressor.passes.rewrite import remove_atoms
from tests import zoo_sweep
from tests.zoo import checks, source
from tests.zoo.row import Row
from tests.zoo.table import summary

HAVE_ZOO = pytest.mark.skipif(not source.is_present(), reason=source.ABSENT)
# Fast ones; between them both exporters, dynamic axes, groups, shuffles, squeeze-excite, attention and rotation.
FEW = (
    "hf_bert-dynaxes.dyn",
    "hf_gpt2-dynaxes.leg",
    "hf_llama-dynaxes.dyn",
    "timm_seresnet18.leg",
    "tv_mobilenet_v2-dynaxes.leg",
    "tv_resnet18-dynaxes.dyn",
    "tv_shufflenet_v2_x0_5.leg",
    "tv_squeezenet1_1.dyn",
)
WIDTH_TOO = ("hf_gpt2-dynaxes.leg", "hf_vit-dynaxes.dyn")


@HAVE_ZOO
@pytest.mark.parametrize("name", FEW)
def test_half_of_every_hard_space_goes(name: str) -> None:
    row = checks.check_network(name, repeats=1)
    assert row.failure is None
    assert row.reached is not None
    assert row.reached >= 0.95
    assert ("-dynaxes" in name) == (len(row.sizes) == 3)


@HAVE_ZOO
@pytest.mark.parametrize("name", WIDTH_TOO)
def test_half_of_every_space_goes(name: str) -> None:
    hard, both = (checks.check_network(name, width=width, repeats=1) for width in (False, True))
    assert (hard.failure, both.failure) == (None, None)
    assert both.soft_spaces
    assert (both.cut or 0) > (hard.cut or 0)


@pytest.mark.zoo
@HAVE_ZOO
@pytest.mark.parametrize("width", [False, True], ids=["hard", "width"])
@pytest.mark.parametrize("name", source.names())
def test_every_network(name: str, width: bool) -> None:
    assert checks.check_network(name, width=width, repeats=1).failure is None


# -- the sweep itself: it must see what is wrong ------------------------------------------------------------------


def small_graph(batch: int | str = "batch") -> gs.Graph:
    """Two matrix products with eight channels between them."""
    rng = np.random.default_rng(0)
    x = gs.Variable("x", np.float32, [batch, 4])
    hidden = gs.Variable("hidden", np.float32, [batch, 8])
    y = gs.Variable("y", np.float32, [batch, 3])
    weights = [
        gs.Constant(f"w{i}", rng.standard_normal(shape).astype(np.float32)) for i, shape in enumerate([(4, 8), (8, 3)])
    ]
    nodes = [
        gs.Node("MatMul", "first", inputs=[x, weights[0]], outputs=[hidden]),
        gs.Node("MatMul", "second", inputs=[hidden, weights[1]], outputs=[y]),
    ]
    return normalize(gs.Graph(nodes=nodes, inputs=[x], outputs=[y], opset=17))


def test_a_right_result_passes() -> None:
    row = Row("small.dyn")
    checks.fill_row(row, small_graph(), share=0.5, width=False, seed=0)
    assert (row.atoms, row.cut, row.params_kept, len(row.sizes)) == (8, 4, 0.5, 3)


def test_wrong_weights_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def scaled(*arguments: object) -> gs.Graph:
        graph = remove_atoms(*arguments)  # type: ignore[arg-type]
        constant = next(t for node in graph.nodes for t in node.inputs if isinstance(t, gs.Constant))
        constant.values = constant.values * np.float32(1.01)
        return graph

    monkeypatch.setattr(checks, "remove_atoms", scaled)
    with pytest.raises(VerificationError, match="differs"):
        checks.fill_row(Row("small.dyn"), small_graph(), share=0.5, width=False, seed=0)


def test_parameters_left_behind_are_seen() -> None:
    graph = small_graph()
    with pytest.raises(checks.BrokenPromiseError, match=r"'w1': \(24, 12\)"):
        checks.check_counts(graph, graph, {"w0": 32, "w1": 12})


def test_more_copies_than_promised_are_seen() -> None:
    before, after = small_graph(), small_graph()
    copy = gs.Constant("w0_pruned", np.ones((4, 8), np.float32))
    after.nodes.append(gs.Node("MatMul", inputs=[after.inputs[0], copy], outputs=[gs.Variable("more")]))
    with pytest.raises(checks.BrokenPromiseError, match="88 parameters are left, 56 were promised"):
        checks.check_counts(before, after, {"w0": 32, "w1": 24})


def test_a_symbol_that_became_a_number_is_seen() -> None:
    with pytest.raises(checks.BrokenPromiseError, match=r"'batch', 4.* and are .*2, 4"):
        checks.check_symbols(small_graph(), small_graph(batch=2))


def test_nothing_to_remove_is_a_failure() -> None:
    with pytest.raises(checks.BrokenPromiseError, match="no channel"):
        checks.fill_row(Row("small.dyn"), small_graph(), share=0.1, width=False, seed=0)


def test_any_error_becomes_the_cause_of_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str, seed: int = 0) -> None:
        raise IndexError("out of range")

    monkeypatch.setattr(source, "load", broken)
    row = checks.check_network("tv_any.leg")
    assert row.failure == "check_network raised IndexError: out of range"
    assert row.exporter == "torchscript"


def test_the_summary_counts_and_names() -> None:
    rows = [
        Row("a.dyn", reached=1.0, analyse_s=0.1, rewrite_s=0.1, max_error=1e-6),
        Row("b.leg", reached=0.5, analyse_s=0.5, rewrite_s=0.5, failure="because"),
    ]
    assert summary(rows, 3) == [
        "1 of 3 ok (1 not tried)",
        "analysis + rewrite: median 0.600 s, worst 1.000 s (b.leg)",
        "weights reached at least 0.95: 1 of 2",
        "below it: b.leg 0.500",
        "largest error: 1.0e-06 (a.dyn)",
        "FAIL b.leg: because",
    ]


# -- the command --------------------------------------------------------------------------------------------------


@pytest.fixture
def fake_zoo(monkeypatch: pytest.MonkeyPatch) -> dict[str, Row | BaseException]:
    """A collection of names with the rows that checking them gives; an exception is raised instead."""
    rows: dict[str, Row | BaseException] = {"tv_a.dyn": Row("tv_a.dyn"), "tv_b.leg": Row("tv_b.leg")}

    def check(name: str, **_: object) -> Row:
        row = rows[name]
        if isinstance(row, BaseException):
            raise row
        return row

    monkeypatch.setattr(source, "is_present", lambda: True)
    monkeypatch.setattr(source, "names", lambda prefix="": [name for name in rows if name.startswith(prefix)])
    monkeypatch.setattr(zoo_sweep, "check_network", check)
    return rows


def test_all_right_is_zero(fake_zoo: dict[str, Row | BaseException], tmp_path: Path) -> None:
    assert zoo_sweep.main(["--json", str(tmp_path / "new" / "zoo.json")]) == 0
    saved = json.loads((tmp_path / "new" / "zoo.json").read_text())
    assert [row["name"] for row in saved["rows"]] == list(fake_zoo)
    assert saved["settings"]["share"] == 0.5


def test_a_failure_is_one_and_named(
    fake_zoo: dict[str, Row | BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    fake_zoo["tv_b.leg"] = Row("tv_b.leg", failure="because [of] this")
    assert zoo_sweep.main([]) == 1
    assert "FAIL tv_b.leg: because [of] this" in capsys.readouterr().out
    assert zoo_sweep.main(["--only", "tv_a"]) == 0


def test_ctrl_c_prints_what_there_is(
    fake_zoo: dict[str, Row | BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    fake_zoo["tv_b.leg"] = KeyboardInterrupt()
    assert zoo_sweep.main([]) == 130
    printed = capsys.readouterr().out
    assert "tv_a.dyn" in printed
    assert "1 of 2 ok (1 not tried)" in printed


def test_an_absent_collection_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(source, "SHARED", Path("/nonexistent"))
    assert zoo_sweep.main([]) == 3
    assert "absent" in capsys.readouterr().out


def test_an_unknown_prefix_is_refused(
    fake_zoo: dict[str, Row | BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    assert zoo_sweep.main(["--only", "zz_"]) == 2
    assert "tv_a.dyn, tv_b.leg" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--share", "0"], ["--share", "1"], ["--jobs", "0"]])
def test_wrong_arguments_are_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        zoo_sweep.main(arguments)
    assert refused.value.code == 2
