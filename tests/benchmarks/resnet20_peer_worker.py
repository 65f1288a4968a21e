"""Runs inside the peer's environment: `python resnet20_peer_worker.py JOB`; the last line printed is JSON.

Torch-Pruning cuts the trained ResNet-20: group L1 importance, layer by layer or all layers ranked together, the
classifier left whole, the ratio searched for so that a share of the multiply-accumulates stays. Nothing here is ours.

Shortcuts that pad channels are more than it can follow (what it leaves of such a network does not fit together), so it
is given the same function with those shortcuts as 1x1 convolutions of zeros and ones. Their multiply-accumulates are
not counted against it.
"""

from __future__ import annotations

import contextlib
import copy
import importlib
import importlib.util
import io
import json
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

BATCH = 500  # pictures at a time for accuracy
WIDTHS = (16, 16, 32, 64)  # of the stem and the stages
SEARCH_STEPS = 12


class Block(nn.Module):
    """Two convolutions and a shortcut; where the width doubles, the shortcut's channels lie in the middle."""

    def __init__(self, width_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width_in, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut: nn.Module = nn.Identity() if stride == 1 else _padding(width_in, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """[N, width_in, H, W] -> [N, width, H / stride, W / stride]."""
        y = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        return functional.relu(y + self.shortcut(x))


def _padding(width_in: int, width: int, stride: int) -> nn.Conv2d:
    shortcut = nn.Conv2d(width_in, width, 1, stride, 0, bias=False)
    nn.init.zeros_(shortcut.weight)
    with torch.no_grad():
        channels = torch.arange(width_in)
        shortcut.weight[channels + (width - width_in) // 2, channels] = 1.0
    return shortcut


class ResNet20(nn.Module):
    """He et al., arXiv:1512.03385, section 4.2, with the names of the file's initializers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, WIDTHS[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(WIDTHS[0])
        for stage in (1, 2, 3):
            width, stride = WIDTHS[stage], 1 if stage == 1 else 2
            blocks = [Block(WIDTHS[stage - 1], width, stride), Block(width, width, 1), Block(width, width, 1)]
            self.add_module(f"layer{stage}", nn.Sequential(*blocks))
        self.linear = nn.Linear(WIDTHS[3], 10)

    def forward(self, x: Tensor) -> Tensor:
        """[N, 3, 32, 32] -> [N, 10]."""
        x = functional.relu(self.bn1(self.conv1(x)))
        for stage in (1, 2, 3):
            x = self.get_submodule(f"layer{stage}")(x)
        logits: Tensor = self.linear(functional.avg_pool2d(x, 8).flatten(1))
        return logits


def loaded(path: str) -> ResNet20:
    """The network with the file's weights."""
    onnx = importlib.import_module("onnx")
    values = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer}
    network = ResNet20()
    own = network.state_dict()
    for name in own:
        if name in values:
            own[name] = torch.from_numpy(values[name].copy())
        elif "shortcut" not in name and "num_batches" not in name:
            raise KeyError(f"the file has no {name}")
    network.load_state_dict(own)
    return network.eval()


def macs(network: nn.Module) -> tuple[int, int]:
    """Multiply-accumulates for one picture: (all but the shortcuts, the shortcuts)."""
    counts = {False: 0, True: 0}
    hooks = []
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):

            def count(layer: nn.Module, _: Any, output: Tensor, shortcut: bool = "shortcut" in name) -> None:
                weight = layer.get_parameter("weight")
                counts[shortcut] += output[0].numel() * weight[0].numel()

            hooks.append(layer.register_forward_hook(count))
    with torch.no_grad():
        network(torch.zeros(1, 3, 32, 32))
    for hook in hooks:
        hook.remove()
    return counts[False], counts[True]


class Cutter:
    """Torch-Pruning on copies of one network.

    Args:
        network: the whole one.
        ranked: "local" takes the same ratio of every layer, "global" ranks the channels of all layers together.
        layers: "all", or "middles" for the convolutions inside blocks only.
        round_to: widths are multiples of it.
    """

    def __init__(self, network: nn.Module, ranked: str, layers: str, round_to: int = 1) -> None:
        self._network, self._ranked, self._layers = network, ranked, layers
        self._round_to = None if round_to == 1 else round_to
        self._pruning = importlib.import_module("torch_pruning")
        self._whole = macs(network)[0]

    def cut(self, ratio: float, more: float = 0.0, first: int = 0) -> tuple[nn.Module, float]:
        """A copy with a ratio of its channels cut, and the share of multiply-accumulates left.

        The ``first`` of its layers lose the ratio ``more`` instead: rounding to whole channels of all layers at once
        would miss the target.
        """
        network = copy.deepcopy(self._network)
        layers = {name: layer for name, layer in network.named_modules() if isinstance(layer, nn.Conv2d)}
        ignored: list[nn.Module] = [network.get_submodule("linear")]
        if self._layers == "middles":
            ignored += [layer for name, layer in layers.items() if not name.endswith("conv1") or name == "conv1"]
        free = [layer for layer in layers.values() if layer not in ignored]
        pruner = self._pruning.pruner.MagnitudePruner(
            network, torch.zeros(1, 3, 32, 32), importance=self._pruning.importance.GroupMagnitudeImportance(p=1),
            global_pruning=self._ranked == "global", pruning_ratio=ratio, ignored_layers=ignored,
            pruning_ratio_dict=dict.fromkeys(free[:first], more), round_to=self._round_to,
        )  # fmt: skip
        pruner.step()
        return network, macs(network)[0] / self._whole

    def search(self, keep: float) -> tuple[nn.Module, float]:
        """The cut whose share is nearest to ``keep``."""
        low, high = 0.0, 0.95
        tried = []
        for _ in range(SEARCH_STEPS):
            middle = (low + high) / 2
            tried.append(self.cut(middle))
            low, high = (middle, high) if tried[-1][1] > keep else (low, middle)
        if self._ranked == "local":
            layers = sum(isinstance(layer, nn.Conv2d) for layer in self._network.modules())
            tried += [self.cut(low, high, first) for first in range(layers)]
        return min(tried, key=lambda one: abs(one[1] - keep))


def accuracy(network: nn.Module, cifar_file: str) -> float:
    """Share of the test pictures that are named rightly."""
    spec = importlib.util.spec_from_file_location("cifar10", cifar_file)
    if spec is None or spec.loader is None:
        raise ImportError(cifar_file)
    cifar = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(cifar)
    images, labels = cifar.load("test")
    right = 0
    with torch.no_grad():
        for start in range(0, len(images), BATCH):
            logits = network(torch.from_numpy(cifar.normalize(images[start : start + BATCH])))
            right += int((logits.argmax(1).numpy() == labels[start : start + BATCH]).sum())
    return right / len(labels)


def main(job: dict[str, Any]) -> dict[str, Any]:
    """One cut, written as ONNX with its batch norms."""
    torch.set_num_threads(1)
    network: nn.Module = loaded(job["model"])
    before, share = accuracy(network, job["cifar"]), 1.0
    whole = macs(network)[0]
    network, share = Cutter(network, job["ranked"], job["layers"], job["round_to"]).search(job["keep"])
    torch.onnx.export(
        network, (torch.zeros(1, 3, 32, 32),), job["output"], input_names=["image"], output_names=["logits"],
        dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}}, dynamo=False, do_constant_folding=False,
        training=torch.onnx.TrainingMode.PRESERVE,
    )  # fmt: skip
    counted, shortcuts = macs(network)
    return {
        "accuracy_before": before, "accuracy": accuracy(network, job["cifar"]), "macs_kept": share,
        "macs": counted, "macs_before": whole, "shortcut_macs": shortcuts,
        "widths": {n: c.out_channels for n, c in network.named_modules() if isinstance(c, nn.Conv2d)},
    }  # fmt: skip


if __name__ == "__main__":
    with contextlib.redirect_stdout(io.StringIO()):  # it prints, and so does the exporter
        answer = main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    print(json.dumps(answer))
