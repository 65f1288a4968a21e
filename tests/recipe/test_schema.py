"""The recipe's format: published as a JSON Schema, and what makes no sense is refused before any work."""

from __future__ import annotations

from pathlib import Path

import pytest

from compressor.errors import CompressorError
from compressor.recipe.schema import json_schema, read_recipe, recipe_model
from compressor.recipe.stage import STAGES
from tests.compressor.cli_models import Cli
from tests.house.source_tree import ROOT
from tests.recipe.small import placed


def test_the_published_schema_is_current(cli: Cli) -> None:
    published = (ROOT / "docs" / "recipe.schema.json").read_text(encoding="utf-8")
    assert published == json_schema(), "run: python -m compressor run --schema > docs/recipe.schema.json"
    assert cli.ok("run", "--schema") == published


def test_every_stage_is_a_block_whose_settings_are_described() -> None:
    fields = recipe_model().model_fields
    for name, kind in STAGES.items():
        assert name in fields
        said = kind.settings.__doc__ or ""
        assert all(f"{setting}:" in said or f"{setting}," in said for setting in kind.settings.model_fields), name


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prun: {macs: 0.5}", "unknown key 'prun'; did you mean 'prune'?"),
        ("prune: {mac: 0.5}", "prune: unknown key 'mac'; did you mean 'macs'?"),
        ("prune: {}", "prune: give exactly one of params, macs, channels, size, memory, latency, latency_ms, energy."),
        ("prune: {macs: 0.5, params: 0.5}", "give exactly one"),
        ("prune: {macs: 0.5, threads: 2}", "prune: threads would have no effect without a latency or energy"),
        ("prune: {memory: 0.5, batch: 2, threads: 2}", "prune: threads would have no effect"),
        ("prune: {size: 0.5, memory: 0.5}", "give exactly one of params, macs"),
        ("prune: {latency: 0.5, size: 0.5, macs: 0.5}", "prune: give exactly one of macs, latency."),
        ("prune: {energy: 0.5, latency: 0.5}", "prune: energy beside latency. Give one of latency,"),
        ("prune: {pareto: [0.8, 0.5]}", "prune: a recipe ends in one model; several latencies at once are"),
        ("prune: {latency: 0.5, backend: onnxruntime-cp}", "Did you mean 'onnxruntime-cpu'?"),
        ("prune: {latency: 0.5, latency_ms: 3}", "prune: latency_ms beside latency"),
        ("prune: {macs: 1.5}", "prune.macs: Input should be less than 1"),
        ("prune: {macs: .nan}", "prune.macs"),
        ("prune: {macs: 0.5, criterion: l11}", "prune: unknown criterion 'l11'. Did you mean 'l1'?"),
        ("prune: {macs: 0.5, schedule: geometri}", "Did you mean 'geometric'?"),
        ("prune: {macs: 0.5, schedule: geometric}", "give steps or a rate"),
        ("prune: {macs: 0.5, schedule: one-shot, steps: 3}", "has no setting 'steps'"),
        ("prune: {macs: 0.5, scope: globl}", "prune.scope: Input should be"),
        ("recover:", "recover: nothing is pruned that could be recovered from"),
        ("finetune: {epochs: 1}", "finetune: there is nothing to train with"),
        ("data: d.npz\nfinetune: {epochs: 0}", "finetune.epochs"),
        ("finetune: {finetune: own.py:f, epochs: 2}", "epochs would have no effect with finetune"),
        ("data: d.npz\nfinetune: {distill_temperature: 2}", "distill_temperature would have no effect without"),
        ("data: d.npz\nfinetune: {precision: float8}", "finetune.precision"),
        ("bench: {backend: onnxruntime-cp}", "Did you mean 'onnxruntime-cpu'?"),
        ("bench: {seconds: 0}", "bench.seconds"),
        ("export: {input: [1y2]}", "export"),
        ("seed: -1", "seed"),
        ("version: 2", "version"),
        ("fold: 3", "fold"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(CompressorError) as caught:
        read_recipe(placed(tmp_path, text))
    assert said in caught.value.one_line()
    assert caught.value.exit_code == 2


def test_a_name_alone_asks_for_the_stage_and_its_absence_does_not(tmp_path: Path) -> None:
    recipe = read_recipe(placed(tmp_path, "fold:\n"))
    assert recipe.has("fold")
    assert recipe.has("clean")
    assert not recipe.has("prune")
