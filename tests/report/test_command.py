"""``compressor report`` on what the other commands really write, and the stage of a recipe."""

from __future__ import annotations

import json
from pathlib import Path

from tests.compressor.cli_models import Cli, saved
from tests.recipe.small import WHOLE, carried_out, document, recipe_of, visible
from tests.report.parsing import Parsed


def test_results_of_the_commands_make_a_page_and_a_card(cli: Cli, tmp_path: Path) -> None:
    model = saved(tmp_path / "a.onnx")
    wish = ("--channels", "0.5", "--plan", tmp_path / "p.json")
    found = {
        "c.json": cli.ok("compress", model, "-o", tmp_path / "b.onnx", *wish, "--json"),
        "i.json": cli.ok("inspect", model, "--json"),
    }
    for name, text in found.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    results = [tmp_path / name for name in (*found, "p.json")]
    models = ("--before", model, "--after", tmp_path / "b.onnx")
    told = cli.ok("report", *results, "-o", tmp_path / "r.html", "--card", tmp_path / "c.md", *models, "--json")
    answer = json.loads(told)
    assert answer["title"] == "a.onnx"
    assert {"Result", "Layers", "What is fixed, and why", "Environment"} <= set(answer["sections"])
    page = Parsed((tmp_path / "r.html").read_text(encoding="utf-8"))
    assert "16 → 32" in page.text  # the first layer has half of its 64 channels left
    assert any("--replay" in line for line in page.code)
    assert "| parameters |" in (tmp_path / "c.md").read_text(encoding="utf-8")
    assert "is of a kind that no report shows" in cli.error("report", saved_json(tmp_path), "-o", tmp_path / "x.html")


def saved_json(folder: Path) -> Path:
    """A result of a kind without a report."""
    path = folder / "other.json"
    path.write_text('{"kind": "tuning"}', encoding="utf-8")
    return path


def test_the_stage_shows_the_whole_run(tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, f"{WHOLE}report:\n")
    out = tmp_path / "out"
    run, published = carried_out(recipe, out)
    assert {"report.html", "card.md", "model.onnx"} <= published.files.keys()
    text = " ".join(Parsed((out / "report.html").read_text(encoding="utf-8")).text)
    for said in ("Layers", "3 → 24", "Log", "fold-batchnorm", "Recovery without training", "What is fixed, and why"):
        assert said in text, said
    assert document(out, "run.json")["stages"][-1]["stage"] == "report"
    first = visible(out)
    again, _ = carried_out(recipe, out)
    assert "report" in again.found
    assert visible(out) == first
    # Another result before it, or another time that a stage took, is another report.
    assert "prune/stage.json" in next(one for one in run.planned if one.name == "report").reads


def test_the_card_can_be_left_out(tmp_path: Path) -> None:
    _, published = carried_out(
        recipe_of(tmp_path, "fold:\nreport: {card: false, title: <b>mine</b>}\n"), tmp_path / "out"
    )
    assert "card.md" not in published.files
    assert "&lt;b&gt;mine&lt;/b&gt;" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
