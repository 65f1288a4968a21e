"""A graph through PyTorch: convert, let a function train it, write the values back, check that both agree."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx_graphsurgeon as gs

from compressor.backends.fingerprint import fingerprint
from compressor.backends.inputs import index_bounds, random_feeds
from compressor.errors import UsageError, VerificationError
from compressor.extras import require_torch
from compressor.model_io import data_files, outline, read, write
from compressor.proof import Progress
from compressor.results import Tuning
from compressor.targets import PathLike, check_paths, spare
from compressor.training.torchrun import leads
from compressor.user_evaluation import Evaluate, figures
from compressor.verification import difference, opened

if TYPE_CHECKING:
    from compressor.bridge import OnnxModule
    from compressor.training.context import Finetune, FinetuneContext, KeptMasks
    from compressor.training.workers import Workers

AGREEMENT = 1e-3
"""Largest difference between PyTorch and ONNX Runtime, relative to the largest output."""


@dataclass(frozen=True)
class Finetuning:
    """How to train after pruning.

    Attributes:
        function: ``function(module, context)``; a ``Trainer`` is one.
        data: path.py:function, an .npz file, a folder of pictures, or what such a function would return; None where
            the function brings its own.
        validation: share of the data to set aside for validation.
        pixels: how the pictures of a folder become numbers: unit, symmetric, imagenet or bytes.
        device: as PyTorch names it; None takes CUDA where there is one.
        checkpoints: folder for them; a run that was cut short goes on from there. None for none.
        keep_zeros: weights of two axes or more that are exactly zero stay so.
    """

    function: Finetune
    data: Any = None
    validation: float = 0.1
    pixels: str = "unit"
    device: str | None = None
    checkpoints: PathLike | None = None
    keep_zeros: bool = False


@dataclass(frozen=True)
class Tuned:
    """What came of it.

    Attributes:
        graph: the graph with its new values.
        record: what was done, JSON-ready: function, settings, data, history, how far PyTorch and the runtime agree.
    """

    graph: gs.Graph
    record: dict[str, Any]


def tune(
    graph: gs.Graph, original: gs.Graph | None, wish: Finetuning, *, step: int = 1,
    schedule: tuple[float, ...] = (0.0,), metric: str = "", kept: KeptMasks | None = None, seed: int = 0,
    progress: Progress | None = None,
) -> Tuned:  # fmt: skip
    """Train the values of a graph. Under torchrun all processes train together and end with the same values.

    Args:
        graph: what is trained; not changed.
        original: the teacher's graph, or None.
        wish: the function and its data.
        step, schedule, metric, kept: where in a pruning schedule this is; see FinetuneContext.
        seed: of everything drawn at random.
        progress: called with (stage, done, total).

    Raises:
        LoweringError: an op cannot be trained through.
        UsageError: the data does not fit, the function raised, or it left weights that are no numbers.
        VerificationError: PyTorch and ONNX Runtime disagree about the result.
    """
    require_torch("fine-tuning")
    from compressor.bridge import from_onnx, to_onnx
    from compressor.bridge.masks import KeptZeros
    from compressor.training.rng import own_randomness, seed_all
    from compressor.training.workers import joined_workers

    module = from_onnx(graph)
    with joined_workers(wish.device) as workers, own_randomness():
        seed_all(seed, step)
        context = _context(graph, wish, workers, seed)
        context.step, context.schedule, context.metric = step, schedule, metric
        context.original, context.kept = original, kept
        if progress is not None and workers.leads:
            context.progress = progress
        with KeptZeros(module) if wish.keep_zeros else nullcontext():
            wish.function(module, context)
    module = module.eval().cpu()
    _check_finite(module)
    tuned = to_onnx(module, graph)
    error = _disagreement(module, tuned, seed)
    return Tuned(tuned, _record(module, context, wish, error))


def finetune_file(
    model: PathLike, output: PathLike, wish: Finetuning, *, teacher: PathLike | None = None,
    evaluate: Evaluate | None = None, seed: int = 0, progress: Progress | None = None,
) -> Tuning:  # fmt: skip
    """Train a model file's values and write the result; the model itself is never changed.

    Args:
        model: path of an ONNX file.
        output: path of the result, written whole or not at all.
        wish: the function and its data.
        teacher: path of the model to learn from; None takes the model itself, as it is before.
        evaluate: ``function(path)`` -> number or dict of numbers, asked about the model and the result.
        seed, progress: as for ``tune``.

    Raises:
        CompressorError: one of its subclasses, with what was wrong and what to do.
    """
    check_paths(model, output, None)
    graph = read(model)
    spare((Path(model), *data_files(graph)), output, None)
    evaluation = {"before": _asked(evaluate, model)}
    tuned = tune(graph, graph if teacher is None else read(teacher), wish, seed=seed, progress=progress)
    if leads():
        write(tuned.graph, output)
    evaluation["after"] = _asked(evaluate, output)
    return Tuning(
        model=str(model),
        output=str(output),
        training=tuned.record,
        evaluation=None if evaluate is None else evaluation,
        environment={"seed": seed, **fingerprint().to_json()},
    )


def _asked(evaluate: Evaluate | None, path: PathLike) -> dict[str, float | None] | None:
    return figures(evaluate, Path(path)) if evaluate is not None and leads() else None


def _context(graph: gs.Graph, wish: Finetuning, workers: Workers, seed: int) -> FinetuneContext:
    """Device, processes and data."""
    from compressor.training.context import FinetuneContext
    from compressor.training.data_sources import load_splits
    from compressor.training.wanted import wanted_inputs
    from compressor.training.workers import choose_device

    context = FinetuneContext(
        seed=seed, workers=workers, device=choose_device(wish.device, workers.local_rank),
        folder=None if wish.checkpoints is None else Path(wish.checkpoints),
    )  # fmt: skip
    if wish.data is not None:
        splits = load_splits(wish.data, wanted_inputs(graph), validation=wish.validation, seed=seed, pixels=wish.pixels)
        context.train, context.validation = splits.train, splits.validation
    return context


def _check_finite(module: OnnxModule) -> None:
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point() and name in module.report.initializers and not tensor.isfinite().all():
            raise UsageError(
                f"fine-tuning left values in {name!r} that are no numbers",
                fix="Nothing was written. Lower the learning rate, or clip gradients.",
            )


def _disagreement(module: OnnxModule, graph: gs.Graph, seed: int) -> float:
    """Largest difference between the module and the graph in ONNX Runtime, on a random input."""
    import torch

    from compressor.bridge.tensor_types import to_torch

    sizes = [tensor.dtype for tensor in graph.inputs]
    bounds = index_bounds(outline(graph)) if any(dtype is not None and dtype.kind in "iu" for dtype in sizes) else {}
    with opened(graph) as session:
        feeds = random_feeds(session.inputs, seed=seed, bounds=bounds)
        expected = session.run(feeds)
    with torch.no_grad():
        found = module(*(to_torch(feeds[name], name) for name in module.input_names))
    outputs = dict(zip(module.output_names, found if isinstance(found, tuple) else (found,), strict=True))
    worst = 0.0
    for name, value in expected.items():
        error, tolerance = difference(outputs[name].float().numpy().astype(value.dtype), value, name)
        if error > max(tolerance, AGREEMENT):
            raise VerificationError(
                f"the trained module and the file differ by {error:.2g} of the output",
                where=f"output {name!r}", fix="Nothing was written; please report the model.",
            )  # fmt: skip
        worst = max(worst, error)
    return worst


def _record(module: OnnxModule, context: FinetuneContext, wish: Finetuning, error: float) -> dict[str, Any]:
    function: Any = wish.function
    settings = function.to_json() if hasattr(function, "to_json") else None
    return {
        "function": getattr(function, "spec", None) or getattr(function, "__name__", type(function).__name__),
        "settings": settings,
        "data": str(wish.data) if isinstance(wish.data, str | Path) else None,
        "samples": {
            "train": None if context.train is None else len(context.train),
            "validation": None if context.validation is None else len(context.validation),
        },
        "weights": {"trainable": module.report.trainable, "total": module.report.total},
        "seed": context.seed,
        "device": str(context.device),
        "processes": context.workers.world_size,
        "step": context.step,
        "schedule": list(context.schedule),
        "history": context.history,
        "runtime_difference": error,
    }
