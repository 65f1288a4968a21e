"""One row for each op as the runtime fused it, matched before and after by the tensors that the kernels compute."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from compressor.backends.kernels import Kernel
from compressor.why.network import HEAVY, Network, Widths
from compressor.why.timing import NS_PER_MS, Times

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Row:
    """A fused op, or what the runtime added.

    Attributes:
        tensor: of the file, that it computes at its end (or carries, where ``added``).
        node: name of its main node in the file.
        op: the main node's op; the runtime's name for what it added.
        kernel: the runtime's name for the type of its slowest kernel.
        fused: the other ops of the file that it computes too, in order.
        added: whether the runtime added it.
        layer: output tensor of its main node where that is a layer with weights or a product, else None.
        before_widths, after_widths: (input, output) channels of the main node.
        before_ms, after_ms: medians; None where the model has no such op.
        before_macs, after_macs: multiply-accumulates of the main node in a run.
        spaces: the channel spaces that its work runs along.
        predicted_ms: what a latency table says of the model that counts, None where nothing does.
    """

    tensor: str
    node: str
    op: str
    kernel: str
    fused: tuple[str, ...]
    added: bool
    layer: str | None = None
    before_widths: Widths | None = None
    after_widths: Widths | None = None
    before_ms: float | None = None
    after_ms: float | None = None
    before_macs: int = 0
    after_macs: int = 0
    spaces: tuple[str, ...] = ()
    predicted_ms: float | None = None

    @property
    def ms(self) -> float:
        """In the model that counts: after, where there is one."""
        return self.after_ms if self.after_ms is not None else self.before_ms or 0.0

    @property
    def speedup(self) -> float | None:
        """Time before over time after."""
        return self.before_ms / self.after_ms if self.before_ms and self.after_ms else None

    def to_json(self) -> dict[str, Any]:
        """The fields and what follows from them, as JSON-ready values."""
        return {**asdict(self), "ms": self.ms, "speedup": self.speedup}


@dataclass(frozen=True)
class Measured:
    """A network with its times and the shapes of its tensors."""

    network: Network
    times: Times
    shapes: Shapes


def build_rows(before: Measured, after: Measured | None, predicted: Mapping[str, float] | None = None) -> list[Row]:
    """All rows, those that take longest in the model that counts first.

    Runtimes may fuse the two differently; then those tensors bound an op that a kernel ends with in both.

    Args:
        predicted: milliseconds by tensor of the file, of the model that counts.
    """
    sides = [before] if after is None else [before, after]
    ends = set.intersection(*(_ends(side) for side in sides)) | set(before.network.file.outputs)
    found = [_by_end(side, ends) for side in sides]
    keys = list(dict.fromkeys(key for side in reversed(found) for key in side))
    rows = []
    for key in keys:
        row = _row(key, [side.get(key, []) for side in found], sides, ends)
        rows.append(replace(row, predicted_ms=_predicted(sides[-1].network, key[0], ends, predicted or {})))
    return sorted(rows, key=lambda row: -row.ms)


def _ends(side: Measured) -> set[str]:
    return {tensor for kernel in side.times.kernels if not kernel.added for tensor in kernel.tensors}


Key = tuple[str, str]  # tensor, and what the runtime calls the kernel where it added it, else ""


def _by_end(side: Measured, ends: set[str]) -> dict[Key, list[Kernel]]:
    """The kernels of every row, by the first tensor at or behind their own end that bounds a row."""
    found: dict[Key, list[Kernel]] = {}
    for kernel in side.times.kernels:
        tensor = _nearest(side.network, kernel.tensors, ends)
        found.setdefault((tensor, kernel.op if kernel.added else ""), []).append(kernel)
    return found


def _nearest(network: Network, tensors: Iterable[str], ends: set[str]) -> str:
    waiting = list(tensors)
    first, seen = waiting[0], set(waiting)
    for tensor in waiting:
        if tensor in ends:
            return tensor
        for reader in network.file.readers.get(tensor, []):
            fresh = [name for name in network.file.nodes[reader].output if name not in seen]
            seen.update(fresh)
            waiting += fresh
    return first


def _row(key: Key, kernels: list[list[Kernel]], sides: list[Measured], ends: set[str]) -> Row:
    tensor, added_as = key
    slowest = max((k for side in kernels for k in side), key=lambda kernel: kernel.median_ns)
    times = [sum(k.median_ns for k in side) / NS_PER_MS if side else None for side in kernels]
    before_ms, after_ms = times[0], times[1] if len(times) > 1 else None
    if added_as:
        return Row(tensor, slowest.name, added_as, slowest.op, (), True, before_ms=before_ms, after_ms=after_ms)
    network = sides[0].network if tensor in sides[0].network.nodes else sides[-1].network
    nodes = [network.file.nodes[index] for index in network.file.covered([tensor], ends)]
    if not nodes:
        return Row(tensor, slowest.name, slowest.op, slowest.op, (), False, before_ms=before_ms, after_ms=after_ms)
    layers = [node for node in nodes if node.op_type in HEAVY and node.output[0] in network.file]
    shapes = sides[0].shapes if network is sides[0].network else sides[-1].shapes
    main = max(layers, key=lambda node: network.macs(node.output[0], shapes)) if layers else nodes[-1]
    layer = str(main.output[0]) if layers else None
    row = Row(
        tensor, main.name or str(main.output[0]), main.op_type, slowest.op,
        tuple(node.op_type for node in nodes if node is not main), False, layer, before_ms=before_ms, after_ms=after_ms,
    )  # fmt: skip
    if layer is None:
        return row
    row = replace(row, before_widths=sides[0].network.widths(layer, sides[0].shapes),
                  before_macs=sides[0].network.macs(layer, sides[0].shapes))  # fmt: skip
    if len(sides) > 1:
        row = replace(row, after_widths=sides[1].network.widths(layer, sides[1].shapes),
                      after_macs=sides[1].network.macs(layer, sides[1].shapes))  # fmt: skip
    return row


def _predicted(network: Network, tensor: str, ends: set[str], predicted: Mapping[str, float]) -> float | None:
    if not predicted:
        return None
    made = [name for i in network.file.covered([tensor], ends) for name in network.file.nodes[i].output]
    known = [predicted[name] for name in made if name in predicted]
    return sum(known) if known else None
