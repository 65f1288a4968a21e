"""``sparsify``: single weights of a model file to zero, trained on if asked, checked, written; and what that gains."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs

from compressor.backends.fingerprint import fingerprint
from compressor.data_statistics import DataStatistics
from compressor.errors import VerificationError
from compressor.finetuning import Finetuning, tune
from compressor.loaded import load_model, total_bytes
from compressor.model_io import write
from compressor.passes.nested import all_nodes
from compressor.passes.sparsity import WEIGHT_CRITERIA, Masks, Pattern, SparsityScope, apply_masks, find_masks
from compressor.results import RESULT_VERSION
from compressor.targets import PathLike, check_paths, spare
from compressor.tensor_values import peek
from compressor.training.torchrun import leads
from compressor.user_evaluation import Evaluate, figures

_ZIP_LEVEL = 6
_READ_BYTES = 1 << 22

RUNTIMES = {
    "none": "ONNX Runtime (CPU and CUDA) computes zeros like any other number: latency stays what it was",
    "2:4": "TensorRT on NVIDIA GPUs since Ampere has kernels for 2:4 (trtexec --sparsity=enable); measure there",
    "other": "no mainstream runtime has kernels for this pattern; on NVIDIA GPUs since Ampere, 2:4 has",
}


@dataclass(frozen=True)
class Sparsification:
    """The answer of ``sparsify``.

    Attributes:
        pattern, criterion, scope: as asked for.
        weights: in the tensors that the pattern applies to; zeros: of those, after.
        whole: initializer -> why it was left as it is.
        before, after: size_bytes of the model's files, and zipped_bytes of their content deflated as in a .zip.
        training: what fine-tuning did; None without.
        evaluation: the user's own figures of the original and the final model; None without.
        advice: what the sparsity is good for, in words.
    """

    model: str
    output: str
    pattern: str
    criterion: str
    scope: str
    weights: int
    zeros: int
    whole: dict[str, str]
    before: dict[str, int]
    after: dict[str, int]
    training: dict[str, Any] | None
    evaluation: dict[str, Any] | None
    advice: list[str]
    environment: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON-ready values."""
        return {"kind": "sparsification", "version": RESULT_VERSION, **asdict(self)}


def sparsify(
    model: PathLike, output: PathLike, *, pattern: str | None = None, sparsity: float | None = None,
    criterion: str = "magnitude", scope: SparsityScope = "tensor", data: Any = None,
    finetune: Finetuning | None = None, evaluate: Evaluate | None = None, seed: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
) -> Sparsification:  # fmt: skip
    """Set the least important weights to zero; no shape changes.

    Args:
        model: path of an ONNX file; it is never changed.
        output: path of the result, written whole or not at all.
        pattern: "N:M", as "2:4": N of every M weights along the inputs stay.
        sparsity: or the share of weights that becomes zero, anywhere.
        criterion: "magnitude", or "activation", which needs ``data``.
        scope: "tensor" or "global"; see ``find_masks``.
        data: calibration samples; None takes the fine-tuning's.
        finetune: training of what is left; the zeros stay.
        evaluate: ``function(path)`` -> number or dict of numbers, asked about the original and the final file.
        seed: of the training.
        progress: called with (stage, done, total).

    Raises:
        CompressorError: one of its subclasses, with what was wrong and what to do.
    """
    wanted = Pattern.of(pattern, sparsity)
    WEIGHT_CRITERIA.get(criterion)  # an unknown name is said before any work
    check_paths(model, output, None)
    loaded = load_model(model, keep_dropout=finetune is not None)
    spare(loaded.files, output, None)
    source = data if data is not None or finetune is None else finetune.data
    statistics = None if source is None else DataStatistics(source, pixels=finetune.pixels if finetune else "unit")
    masks = find_masks(loaded.analysis, wanted, criterion, scope, statistics)
    final, training = apply_masks(loaded.original, masks), None
    if finetune is not None:
        tuned = tune(final, loaded.original, replace(finetune, keep_zeros=True), seed=seed, progress=progress)
        final, training = tuned.graph, tuned.record
    zeros = _checked(final, masks)
    evaluation = None if evaluate is None or not leads() else {"original": figures(evaluate, loaded.path)}
    written = write(final, Path(output)) if leads() else []
    if evaluate is not None and evaluation is not None:
        evaluation["final"] = figures(evaluate, Path(output))
    return Sparsification(
        model=str(model), output=str(output), pattern=str(wanted), criterion=criterion, scope=scope,
        weights=sum(kept.size for kept in masks.kept.values()), zeros=zeros, whole=dict(masks.whole),
        before=_sizes(loaded.files), after=_sizes(written), training=training, evaluation=evaluation,
        advice=_advice(wanted), environment={"seed": seed, **fingerprint().to_json()},
    )  # fmt: skip


def _checked(graph: gs.Graph, masks: Masks) -> int:
    """The number of zeros, after a look at every weight.

    Raises:
        VerificationError: one that should be zero is not.
    """
    found = {t.name: t for node in all_nodes(graph) for t in node.inputs if isinstance(t, gs.Constant)}
    zeros = 0
    for name, kept in masks.kept.items():
        values = peek(found[name])
        if np.any(values[~kept]):
            raise VerificationError("a weight that should be zero is not", where=name, fix="Please report the model.")
        zeros += int((np.asarray(values) == 0).sum())
    return zeros


def _sizes(files: Iterable[Path]) -> dict[str, int]:
    listed = list(files)
    return {"size_bytes": total_bytes(listed), "zipped_bytes": sum(map(zipped_bytes, listed))}


def zipped_bytes(path: Path) -> int:
    """Size of a file's content deflated, as a .zip would hold it."""
    packer, count = zlib.compressobj(_ZIP_LEVEL), 0
    with path.open("rb") as file:
        while part := file.read(_READ_BYTES):
            count += len(packer.compress(part))
    return count + len(packer.flush())


def _advice(pattern: Pattern) -> list[str]:
    special = "2:4" if (pattern.kept, pattern.block) == (2, 4) else "other"
    return [RUNTIMES["none"], RUNTIMES[special], "what it saves is the size of the compressed file"]
