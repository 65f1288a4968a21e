"""Malformed inputs: which seed, mutated how, given to which command. All a function of the case's number."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.malformed.mutations import BYTES, Bytes, json_file, yaml_file
from tests.malformed.onnx_mutations import onnx_file

SEEDS = Path(__file__).parent / "seeds"
OUT = "out"
"""The folder that a case may write into."""


@dataclass(frozen=True)
class Kind:
    """One kind of input.

    Attributes:
        seeds: committed files, one of which is mutated; the first is also what others find under its name.
        placed: the name that the mutated file has in the case's folder.
        form: mutations that keep the file's form.
        commands: arguments of the program, of which one is taken.
    """

    seeds: tuple[str, ...]
    placed: str
    form: Bytes
    commands: tuple[str, ...]


MODELS = ("model.onnx", "norm.onnx", "gru.onnx")
_RUN = "run recipe.yaml --out out"
_GATE = "gate --baseline model.onnx --candidate small.onnx --policy policy.yaml -o out/gate.json --junit out/gate.xml"
KINDS: dict[str, Kind] = {
    "model": Kind(MODELS, "model.onnx", onnx_file, (
        "inspect model.onnx --html out/page.html", "compress model.onnx -o out/small.onnx --macs 0.5",
        "compress model.onnx -o out/small.onnx --channels 0.5 --recover --samples 64",
        "init model.onnx -o out/recipe.yaml",
        "verify model.onnx model.onnx --plan plan.json", "sparsify model.onnx -o out/sparse.onnx --sparsity 0.5", _RUN,
        "finetune model.onnx -o out/tuned.onnx --data data.npz --epochs 1", _GATE,
        _GATE.replace("model.onnx", "small.onnx").replace("candidate small.onnx", "candidate model.onnx"),
        "check model.onnx",
    )),
    "recipe": Kind(("recipe.yaml", "norm.yaml"), "recipe.yaml", yaml_file, (
        f"{_RUN} --dry-run", f"{_RUN} --stop-after verify", _RUN,
    )),
    "plan": Kind(("plan.json", "steps.json"), "plan.json", json_file, (
        "compress model.onnx -o out/small.onnx --replay plan.json", "verify model.onnx small.onnx --plan plan.json",
        "verify model.onnx small.onnx --plan plan.json --trained",
    )),
    "study": Kind(("study.yaml",), "study.yaml", yaml_file, ("study table study.yaml --out out --no-plots",)),
    "lock": Kind(("recipe.lock",), "recipe.lock", json_file, (f"{_RUN} --locked", f"{_RUN} --locked --dry-run")),
    "data": Kind(("data.npz",), "data.npz", lambda data, rng: rng.choice(BYTES)(data, rng), (
        "compress model.onnx -o out/small.onnx --macs 0.5 --data data.npz --samples 64",
        "compress model.onnx -o out/small.onnx --macs 0.5 --criterion activation --data data.npz --samples 64",
    )),
    "policy": Kind(("policy.yaml",), "policy.yaml", yaml_file, (_GATE,)),
    "stored": Kind(("gate.json",), "gate.json", json_file, (_GATE.replace("model.onnx", "gate.json"),)),
    "table": Kind(("table.json",), "table.json", json_file, (
        "compress model.onnx -o out/small.onnx --latency 0.96 --table table.json --table-minutes 0.02",
    )),
}  # fmt: skip
_WEIGHTS = {"model": 6, "recipe": 6, "plan": 4, "policy": 4, "study": 3, "lock": 2, "data": 2, "stored": 2, "table": 3}


@dataclass(frozen=True)
class Case:
    """One input.

    Attributes:
        number: of the case.
        kind: what was mutated.
        content: the mutated file.
        arguments: of the program.
    """

    number: int
    kind: str
    content: bytes
    arguments: tuple[str, ...]

    def place(self, folder: Path) -> None:
        """Write every seed, and the mutated file in place of its own."""
        for path in sorted(SEEDS.iterdir()):
            (folder / path.name).write_bytes(path.read_bytes())
        (folder / KINDS[self.kind].placed).write_bytes(self.content)
        (folder / OUT).mkdir()


def case(number: int) -> Case:
    """The case of a number."""
    rng = random.Random(f"malformed {number}")
    names = list(KINDS)
    kind_name = rng.choices(names, [_WEIGHTS.get(name, 1) for name in names])[0]
    kind = KINDS[kind_name]
    data = (SEEDS / rng.choice(kind.seeds)).read_bytes()
    mutate: Callable[[bytes, random.Random], bytes] = kind.form if rng.randrange(3) else rng.choice(BYTES)
    return Case(number, kind_name, mutate(data, rng), tuple(rng.choice(kind.commands).split()))
