"""Trains the embedded demo's network and writes everything in ``digits/``.

Run as ``python -m compressor.models.train_digits``: about a minute on two cores. Needs PyTorch,
onnxscript and scikit-learn. The epoch with the lowest validation loss is kept; the test split is used
once, at the end. Results repeat bit for bit only with the same versions, processor and thread count.
"""

from __future__ import annotations

import copy
import json
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pad

from compressor.errors import EnvironmentProblem
from compressor.models.demo import Split, demo_folder, load_digits
from compressor.models.digits_cnn import digits_cnn
from compressor.models.export import Form, export

FORMS: dict[str, Form] = {"digits_cnn.onnx": "deploy", "digits_cnn_bn.onnx": "training"}


@dataclass(frozen=True)
class Settings:
    """What the result depends on, besides versions and machine."""

    seed: int = 0
    validation_fraction: float = 0.15
    test_fraction: float = 0.25
    epochs: int = 60
    batch: int = 64
    peak_learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    label_smoothing: float = 0.1
    threads: int = 2


def main() -> None:
    """Write the data, train, export both forms, measure, write the card."""
    settings = Settings()
    torch.manual_seed(settings.seed)
    torch.set_num_threads(settings.threads)
    torch.use_deterministic_algorithms(True)
    console = Console()
    folder = demo_folder()
    folder.mkdir(exist_ok=True)
    write_data(folder / "digits.npz", settings)
    module = train(digits_cnn.factory(), settings, console)
    example = (torch.zeros(2, 1, 8, 8),)
    for name, form in FORMS.items():
        model = export(module, example, dynamic="batch", form=form, output_names=["logits"])
        drop_metadata(model)
        (folder / name).write_bytes(model.SerializeToString())
    card = describe(module, settings)
    (folder / "digits_cnn.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    console.print_json(data=card)


def drop_metadata(model: onnx.ModelProto) -> None:
    """Removes the exporter's notes, a tenth of the file; both files together stay under 1 MB."""
    graph = model.graph
    for entry in (model, graph, *graph.node, *graph.value_info, *graph.initializer, *graph.input, *graph.output):
        del entry.metadata_props[:]


def write_data(path: Path, settings: Settings) -> None:
    """The seeded split of scikit-learn's digits, each class in the same proportion, as uint8 arrays."""
    try:
        from sklearn.datasets import load_digits as load_original
    except ModuleNotFoundError as error:
        raise EnvironmentProblem(
            "the pictures come from scikit-learn", fix="Install it with `pip install scikit-learn`."
        ) from error
    original = load_original()
    pixels, labels = original.images.astype(np.uint8), original.target.astype(np.uint8)
    arrays: dict[str, NDArray[np.uint8]] = {}
    for split, indices in _stratified(labels, settings).items():
        arrays[f"{split}_pixels"], arrays[f"{split}_labels"] = pixels[indices], labels[indices]
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]  # numpy types **kwds as the flag's bool too


def _stratified(labels: NDArray[np.uint8], settings: Settings) -> dict[str, NDArray[np.int64]]:
    generator = np.random.default_rng(settings.seed)
    parts: dict[str, list[NDArray[np.int64]]] = {"test": [], "validation": [], "train": []}
    for label in np.unique(labels):
        indices = generator.permutation(np.flatnonzero(labels == label))
        cuts = np.cumsum([settings.test_fraction, settings.validation_fraction]) * len(indices)
        for part, piece in zip(parts.values(), np.split(indices, np.rint(cuts).astype(int)), strict=True):
            part.append(piece)
    return {name: generator.permutation(np.concatenate(pieces)) for name, pieces in parts.items()}


def train(module: nn.Module, settings: Settings, console: Console) -> nn.Module:
    """SGD with a one-cycle learning rate; returns the module in the state of its best validation epoch."""
    images, labels = tensors("train")
    optimizer = torch.optim.SGD(
        module.parameters(),
        lr=settings.peak_learning_rate,
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
        nesterov=True,
    )
    steps = settings.epochs * -(-len(images) // settings.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.peak_learning_rate, total_steps=steps)
    best_loss, best_state = float("inf"), copy.deepcopy(module.state_dict())
    for epoch in range(settings.epochs):
        module.train()
        for chosen in torch.randperm(len(images)).split(settings.batch):
            logits = module(shift(images[chosen]))
            loss = cross_entropy(logits, labels[chosen], label_smoothing=settings.label_smoothing)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        validation_loss, accuracy = evaluate(module, *tensors("validation"))
        if validation_loss < best_loss:
            best_loss, best_state = validation_loss, copy.deepcopy(module.state_dict())
        if epoch % 10 == 9:
            console.print(f"epoch {epoch + 1}: validation loss {validation_loss:.4f}, accuracy {accuracy:.4f}")
    module.load_state_dict(best_state)
    return module.eval()


def shift(images: Tensor) -> Tensor:
    """Each picture of [N, 1, 8, 8] moved by -1, 0 or 1 pixels both ways, zeros moving in."""
    padded = pad(images, (1, 1, 1, 1))
    size = images.shape[-1]
    offsets = torch.randint(0, 3, (len(images), 2))
    rows = offsets[:, :1] + torch.arange(size)
    columns = offsets[:, 1:] + torch.arange(size)
    samples = torch.arange(len(images))[:, None, None]
    return padded[:, 0][samples, rows[:, :, None], columns[:, None, :]][:, None]


@torch.no_grad()
def evaluate(module: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float]:
    """Mean cross-entropy and the fraction of [N] labels found, in evaluation mode."""
    logits = module.eval()(images)
    return float(cross_entropy(logits, labels)), float((logits.argmax(1) == labels).double().mean())


def tensors(split: Split) -> tuple[Tensor, Tensor]:
    """Pictures and labels of a split, as ``load_digits`` describes them."""
    images, labels = load_digits(split)
    return torch.from_numpy(images), torch.from_numpy(labels)


def describe(module: nn.Module, settings: Settings) -> dict[str, Any]:
    """The card: where the data is from, how it was trained, what it reaches, with which versions."""
    splits = {split: tensors(split) for split in get_args(Split)}
    return {
        "data": "Optical Recognition of Handwritten Digits, Alpaydin & Kaynak, UCI 1998, doi:10.24432/C50P49, "
        "CC BY 4.0, as in scikit-learn; random stratified split, not by writer",
        "pictures": {split: len(labels) for split, (_, labels) in splits.items()},
        "accuracy": {split: round(evaluate(module, *arrays)[1], 4) for split, arrays in splits.items()},
        "parameters": sum(parameter.numel() for parameter in module.parameters()),
        "settings": asdict(settings),
        "versions": {"python": platform.python_version()}
        | {package: version(package) for package in ("torch", "onnx", "onnxscript", "numpy", "scikit-learn")},
    }


if __name__ == "__main__":
    main()
