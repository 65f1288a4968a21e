"""The embedded digits and their network, as data of a user's own."""

from __future__ import annotations

from pathlib import Path

from compressor import model_io
from compressor.models.demo import Split, demo_model_path, load_digits
from compressor.training.data import Samples
from compressor.training.data_sources import load_samples
from compressor.training.wanted import wanted_inputs

SOURCE = """
from compressor.models.demo import load_digits

def train():
    return load_digits("train")

def halve(module, context):
    module.load_state_dict({k: v / 2 if v.is_floating_point() else v for k, v in module.state_dict().items()})

def fail(module, context):
    raise ValueError("no such luck")

def ruin(module, context):
    next(module.parameters()).data.fill_(float("nan"))

def size(path):
    import os
    return os.path.getsize(path)

def words(path):
    return "good"
"""


def model() -> Path:
    """The trained network with its batch norms."""
    return demo_model_path(batchnorm=True)


def samples(split: Split) -> Samples:
    """Pictures and labels."""
    return load_samples(load_digits(split), wanted_inputs(model_io.read(model())))


def source(folder: Path) -> Path:
    """A file with functions for --data, --finetune and --eval."""
    path = folder / "own_digits.py"
    path.write_text(SOURCE, encoding="utf-8")
    return path
