"""One network of the collection as an OnnxModule: equal to ONNX Runtime, trainable, and learning."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import onnx
import torch
from torch import fx

from compressor.backends.base import open_model
from compressor.backends.inputs import index_bounds, random_feeds
from compressor.bridge import OnnxModule, from_onnx
from compressor.bridge.lowering import ONNX_NAME
from compressor.bridge.tensor_types import to_torch
from compressor.errors import CompressorError
from tests.zoo import source

MOST_ERROR = 1e-3
_RATES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-6, 1e-8, 1e-10, 1e-12)  # of the norm of all weights: the longest that works


@dataclass
class BridgeRow:
    """What became of one network; ``failure`` is empty where every promise was kept."""

    name: str
    failure: str = ""
    max_error: float | None = None
    trainable: int = 0
    total: int = 0
    fixed_matrices: list[str] = field(default_factory=list)
    runtime_spread: float | None = None  # of ONNX Runtime from itself, optimised and not: the network's own noise
    op_error: float | None = None  # largest error of a single op that reads the runtime's values
    loss_before: float | None = None
    loss_after: float | None = None
    convert_s: float | None = None

    def to_json(self) -> dict[str, Any]:
        """For the results file."""
        return asdict(self)


def check_network(name: str, seed: int = 0) -> BridgeRow:
    """Everything the sweep asks. Never raises what the network caused: the row says it."""
    row = BridgeRow(name)
    try:
        _fill(row, source.load(name, seed=seed), seed)
    except CompressorError as error:
        row.failure = f"{type(error).__name__}: {error}"
    except Exception as error:  # a sweep reports whatever breaks and goes on
        row.failure = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    return row


def _fill(row: BridgeRow, model: onnx.ModelProto, seed: int) -> None:
    start = time.perf_counter()
    module = from_onnx(model)
    row.convert_s = time.perf_counter() - start
    report = module.report
    row.trainable, row.total = report.trainable, report.total
    shapes = {tensor.name: len(tensor.dims) for tensor in model.graph.initializer}
    row.fixed_matrices = [f"{name}: {why}" for name, why in report.fixed.items() if shapes.get(name, 0) >= 2]
    row.max_error = max(_error(module, model, sizes, seed) for sizes in _sizes(model))
    if row.max_error > MOST_ERROR:
        row.runtime_spread, row.op_error = runtime_spread(model, seed), op_error(module, model, seed)
        if row.op_error > MOST_ERROR or row.runtime_spread < MOST_ERROR:
            row.failure = f"differs from ONNX Runtime by {row.max_error:.1e}, in one op by {row.op_error:.1e}"
            return
    inputs = _inputs(module, model, _sizes(model)[0], seed)
    if row.op_error is not None:  # single precision is too coarse to see a small step's effect
        module, inputs = module.double(), [x.double() if x.is_floating_point() else x for x in inputs]
    row.loss_before, row.loss_after = learn(module, inputs)
    if not row.loss_after < row.loss_before:
        row.failure = f"a step took the loss from {row.loss_before:.6g} to {row.loss_after:.6g}"


def runtime_spread(model: onnx.ModelProto, seed: int) -> float:
    """How far ONNX Runtime's results with and without its optimisations are apart."""
    feeds, expected = _feeds(model, _sizes(model)[0], seed)
    with open_model(model, optimize=False) as session:
        plain = session.run(feeds)
    return max(relative_error(plain[name], wanted) for name, wanted in expected.items())


def op_error(module: OnnxModule, model: onnx.ModelProto, seed: int) -> float:
    """Largest error of a single op: every op reads what ONNX Runtime computed before it.

    Networks with random weights can amplify the last bit of one op without bound; this does not.
    """
    names = {node.meta[ONNX_NAME] for node in module.graph.nodes if ONNX_NAME in node.meta}
    made = [name for node in model.graph.node for name in node.output if name in names]
    listed = onnx.ModelProto()
    listed.CopyFrom(model)
    have = {output.name for output in model.graph.output}
    listed.graph.output.extend(onnx.ValueInfoProto(name=name) for name in made if name not in have)
    feeds, _ = _feeds(model, _sizes(model)[0], seed)
    with open_model(listed, optimize=False) as session:
        runner = _Corrected(module, session.run(feeds))
    with torch.no_grad():
        runner.run(*(to_torch(feeds[name], name) for name in module.input_names))
    return runner.worst


class _Corrected(fx.Interpreter):
    """Compares every value with the runtime's, and goes on with the runtime's."""

    def __init__(self, module: OnnxModule, expected: dict[str, Any]) -> None:
        super().__init__(module)
        self.expected = expected
        self.worst = 0.0

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        wanted = self.expected.get(n.meta.get(ONNX_NAME, ""))
        if wanted is None or not isinstance(value, torch.Tensor) or not value.is_floating_point():
            return value
        self.worst = max(self.worst, relative_error(value.numpy(), wanted))
        return to_torch(wanted, n.name)


def relative_error(found: Any, wanted: Any) -> float:
    """Largest difference, as a share of the largest number wanted."""
    scale = float(np.abs(wanted).max(initial=0.0)) or 1.0
    return float(np.abs(found.astype(np.float64) - wanted).max(initial=0.0)) / scale


def _sizes(model: onnx.ModelProto) -> list[dict[str, int]]:
    """Sizes of the symbolic dimensions to try: two sets, or the file's own."""
    symbols = list(
        dict.fromkeys(dim.dim_param for v in model.graph.input for dim in v.type.tensor_type.shape.dim if dim.dim_param)
    )
    is_picture = any(len(v.type.tensor_type.shape.dim) == 4 for v in model.graph.input)
    first, second = (224, 192) if is_picture else (16, 11)
    if not symbols:
        return [{}]
    return [
        {symbol: (batch if i == 0 else size) for i, symbol in enumerate(symbols)}
        for batch, size in ((2, first), (3, second))
    ]


def _feeds(model: onnx.ModelProto, sizes: dict[str, int], seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    bounds = index_bounds(model)
    with open_model(model) as session:
        feeds = random_feeds(session.inputs, seed=seed, dims=sizes, bounds=bounds)
        return feeds, session.run(feeds)


def _inputs(module: OnnxModule, model: onnx.ModelProto, sizes: dict[str, int], seed: int) -> list[torch.Tensor]:
    feeds, _ = _feeds(model, sizes, seed)
    return [to_torch(feeds[name], name) for name in module.input_names]


def _error(module: OnnxModule, model: onnx.ModelProto, sizes: dict[str, int], seed: int) -> float:
    """Largest difference from ONNX Runtime, as a share of each output's largest number."""
    feeds, expected = _feeds(model, sizes, seed)
    with torch.no_grad():
        results = module(*(to_torch(feeds[name], name) for name in module.input_names))
    worst = 0.0
    for name, value in zip(module.output_names, results if isinstance(results, tuple) else (results,), strict=True):
        wanted = expected[name]
        if tuple(value.shape) != wanted.shape:
            raise ValueError(f"output {name!r} has shape {tuple(value.shape)} instead of {wanted.shape}")
        worst = max(worst, relative_error(value.numpy(), wanted))
    return worst


def learn(module: OnnxModule, inputs: list[torch.Tensor]) -> tuple[float, float]:
    """Loss before and after one step along the gradient, toward random targets.

    Raises:
        ValueError: a parameter gets no gradient although it is used, or no finite one.
    """
    with torch.no_grad():
        outputs = module(*inputs)
    outputs = [v for v in (outputs if isinstance(outputs, tuple) else (outputs,)) if v.is_floating_point()]
    generator = torch.Generator().manual_seed(0)
    targets = [v + v.std() * torch.randn(v.shape, generator=generator) for v in outputs]

    def loss() -> torch.Tensor:
        found = module(*inputs)
        floats = [v for v in (found if isinstance(found, tuple) else (found,)) if v.is_floating_point()]
        both = zip(floats, targets, strict=True)
        return torch.stack([torch.nn.functional.mse_loss(v, t) / t.square().mean() for v, t in both]).sum()

    before = loss()
    before.backward()
    _check_gradients(module)
    pairs = [(p, p.grad) for p in module.parameters() if p.grad is not None]
    slope = torch.stack([gradient.square().sum() for _, gradient in pairs]).sum()
    size = torch.stack([p.detach().square().sum() for p, _ in pairs]).sum()
    after = float("inf")
    for rate in _RATES:
        step = rate * float((size / slope).sqrt())
        with torch.no_grad():
            for p, gradient in pairs:
                p.sub_(step * gradient)
            after = float(loss())
            if after < float(before.detach()):
                break
            for p, gradient in pairs:
                p.add_(step * gradient)
    return float(before.detach()), after


def _check_gradients(module: OnnxModule) -> None:
    without = [name for name, p in module.named_parameters() if p.grad is None]
    if without:
        raise ValueError(f"no gradient reaches {', '.join(without[:5])}")
    broken = [name for name, p in module.named_parameters() if p.grad is not None and not p.grad.isfinite().all()]
    if broken:
        raise ValueError(f"the gradient is not finite at {', '.join(broken[:5])}")
