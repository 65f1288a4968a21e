"""A small language model over characters, trained on the text of Python's own reference; data of ``study_gpt.yaml``.

    python -m tests.benchmarks.study_text           # writes the model; two minutes on a busy core
    python -m compressor study run tests/benchmarks/study_gpt.yaml

The text is ``pydoc_data.topics``, which every Python brings along (Python Software Foundation License); nothing of
it is copied here. It differs a little from release to release, so the card beside the model names release and digest.
"""

from __future__ import annotations

import hashlib
import json
import platform
import random
import sys
import time
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy

from compressor.model_io import read
from compressor.models.export import export
from compressor.models.gpt import Gpt
from compressor.training.data_sources import load_samples
from compressor.training.evaluate import evaluate_file, evaluate_module
from compressor.training.wanted import WantedInput, wanted_inputs
from tests.benchmarks.report import FOLDER

PATH = FOLDER / "study" / "char_gpt.onnx"
LENGTH = 64  # characters that the model sees
CHARACTERS = "\n" + "".join(map(chr, range(32, 127)))  # anything else counts as a question mark
WIDTH, HEADS, KV_HEADS, DEPTH = 64, 4, 2, 2
EPOCHS, BATCH, PEAK = 10, 32, 5e-3
ENDS = {"train": 0.8, "validation": 0.9, "test": 1.0}

Windows = tuple[NDArray[np.int64], NDArray[np.int64]]


def texts() -> dict[str, str]:
    """Whole topics in an order drawn once and for all; 80, 10 and 10 % of the characters, as far as topics allow."""
    names = sorted(topics)
    random.Random(0).shuffle(names)
    whole = sum(len(topics[name]) for name in names)
    found, before = dict.fromkeys(ENDS, ""), 0
    for name in names:
        middle = (before + len(topics[name]) / 2) / whole
        found[next(part for part, end in ENDS.items() if middle < end)] += topics[name]
        before += len(topics[name])
    return found


def windows(text: str) -> Windows:
    """(characters, the ones that follow), each [N, 64], without overlap."""
    number = {character: index for index, character in enumerate(CHARACTERS)}
    coded = np.array([number.get(character, number["?"]) for character in text], dtype=np.int64)
    count = (len(coded) - 1) // LENGTH
    return coded[: count * LENGTH].reshape(count, LENGTH), coded[1 : count * LENGTH + 1].reshape(count, LENGTH)


def train() -> dict[str, Windows]:
    """For the recipe."""
    found = texts()
    return {part: windows(found[part]) for part in ("train", "validation")}


def held_out() -> Windows:
    """For the recipe."""
    return windows(texts()["test"])


def trained() -> Gpt:
    """The starting model: AdamW, one cycle, the epoch that is best on the validation text."""
    torch.manual_seed(0)
    module = Gpt(WIDTH, HEADS, KV_HEADS, DEPTH, vocabulary=len(CHARACTERS), tokens=LENGTH)
    inputs, labels = map(torch.from_numpy, train()["train"])
    wanted = [WantedInput("tokens", np.dtype(np.int64), ("N", LENGTH))]
    validation = load_samples(train()["validation"], wanted)
    steps = EPOCHS * -(-len(inputs) // BATCH)
    optimizer = torch.optim.AdamW(module.parameters(), lr=PEAK, weight_decay=0.01)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK, total_steps=steps)
    best, state = float("inf"), module.state_dict()
    for epoch in range(EPOCHS):
        module.train()
        for chosen in torch.randperm(len(inputs)).split(BATCH):
            loss = cross_entropy(module(inputs[chosen]).flatten(0, 1), labels[chosen].flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            rates.step()
        found = evaluate_module(module, validation).loss
        sys.stderr.write(f"epoch {epoch + 1}: validation loss {found:.4f}\n")
        if found < best:
            best, state = found, {name: tensor.clone() for name, tensor in module.state_dict().items()}
    module.load_state_dict(state)
    return module.eval()


def write_model(path: Path = PATH) -> dict[str, Any]:
    """Train, export in the form for training, measure; what the card says."""
    start = time.perf_counter()
    module = trained()
    path.parent.mkdir(parents=True, exist_ok=True)
    example = torch.zeros(2, LENGTH, dtype=torch.int64)
    export(module, (example,), path, form="training", dynamic="batch", output_names=["logits"])
    tested = evaluate_file(path, load_samples(held_out(), wanted_inputs(read(path))))
    card = {
        "text": "pydoc_data.topics", "python": platform.python_version(),
        "sha256": hashlib.sha256("".join(texts().values()).encode()).hexdigest(),
        "characters": {part: len(text) for part, text in texts().items()},
        "parameters": sum(parameter.numel() for parameter in module.parameters()), "size_bytes": path.stat().st_size,
        "epochs": EPOCHS, "test loss": tested.loss, "test perplexity": float(np.exp(tested.loss)),
        "test accuracy": tested.accuracy, "seconds": round(time.perf_counter() - start, 1),
        "torch": torch.__version__, "threads": torch.get_num_threads(),
    }  # fmt: skip
    path.with_suffix(".json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    return card


if __name__ == "__main__":
    print(json.dumps(write_model(), indent=1))
