"""How to do it again: commands, and the recipe."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

import yaml

from compressor.plain_text import plain
from compressor.report.blocks import Block, Code, Items, Section
from compressor.report.documents import Comparison, Compression, Free, Gate
from compressor.report.results import Results
from compressor.report.section import section

_RECIPE = (
    "Save this as recipe.yaml where its paths lead to the files, with recipe.lock beside it; --locked refuses a run"
    " that differs from the one that is told of here."
)
_TARGETS = ("params", "macs", "channels", "size", "memory", "latency", "energy")
_MODES = {"--mode": "kind", "--streams": "streams", "--rate": "rate"}


@section("reproduce", 110)
def reproduce(results: Results) -> Section | None:
    """A command for each result; for a run, the recipe."""
    commands = [command for one in results.every_compression() if one.model for command in _compress(one)]
    if not results.runs:  # a run's own times and gate belong to its recipe
        commands += [command for times in results.comparisons for command in _bench(times)]
        commands += [_gate(gate) for gate in results.gates]
    commands += [_line("why", *why.models.values(), "--backend", why.backend, "--threads", why.threads)
                 for why in results.whys]  # fmt: skip
    blocks: list[Block] = []
    for run in results.runs:
        recipe = yaml.safe_dump(run.recipe, sort_keys=False, allow_unicode=False, width=1 << 20)
        blocks += [Items([_RECIPE]), Code(recipe.rstrip())]
        commands.insert(0, "compressor run recipe.yaml --locked")
    commands = list(dict.fromkeys(commands))
    return Section("How to reproduce it", [*blocks, *([Code("\n".join(commands))] if commands else [])], card=True)


def _compress(one: Compression) -> Iterator[str]:
    seed = ["--seed", one.made_with["seed"]] if isinstance(one.made_with.get("seed"), int) else []
    if one.plan is not None:
        yield _line("compress", one.model, "-o", one.output, "--replay", one.plan, *seed)
        return
    metric, keep = one.made_with.get("metric"), one.made_with.get("keep")
    if metric in _TARGETS and isinstance(keep, float) and not one.steps:
        yield _line("compress", one.model, "-o", one.output, f"--{metric}", keep, *_options(one.made_with), *seed)
        if one.recovery is not None or one.training is not None or one.evaluation is not None:
            yield "# and --data, --recover, --finetune and --eval as they were given"


def _options(made: Free) -> Iterator[Any]:
    """How channels were ordered, as options."""
    scope = made.get("scope")
    names = ["criterion", "scope", "round_to", "combine", *(["floor"] if scope == "global-floor" else [])]
    for name in names:
        if isinstance(made.get(name), str | int | float):
            yield from ("--" + name.replace("_", "-"), made[name])
    if made.get("allow_width") is True:
        yield "--allow-width"
    excluded = made.get("exclude")
    for name in excluded if isinstance(excluded, list) else []:
        yield from ("--exclude", str(name))
    if made.get("drop_branches") is True:
        yield "--drop-branches"
    if made.get("align_groups") is False:
        yield "--no-align-groups"
    if scope != "per-space" and isinstance(made.get("normalise"), bool):
        yield "--normalise" if made["normalise"] else "--no-normalise"


def _gate(gate: Gate) -> str:
    sides = ("--baseline", gate.baseline.name, "--candidate", gate.candidate.name)
    return _line("gate", *sides, "--policy", gate.policy.name)


def _bench(times: Comparison) -> Iterator[str]:
    mode = [part for option, key in _MODES.items() if (value := times.mode.get(key)) is not None
            for part in (option, value)]  # fmt: skip
    labels = [label for label in times.timings if label != times.baseline]
    yield _line("bench", times.baseline, *labels, "--backend", times.backend, "--threads", times.threads,
                "--processes", times.processes, *mode, "--seed", times.seed)  # fmt: skip
    fed = "; ".join(f"{name} {value}" for name, value in times.inputs.items())
    yield plain(f"# fed: {fed} (sizes of symbolic dimensions: --batch, --dim)")


def _line(*words: Any) -> str:
    """A command for a shell. Names with control characters cannot be typed, and are spelled out."""
    return " ".join(["compressor", *(shlex.quote(plain(str(word))) for word in words)])
