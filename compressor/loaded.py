"""A model file as every command starts from it: read, normalised, analysed, counted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import onnx_graphsurgeon as gs

from compressor.model_io import data_files, digest, read
from compressor.normalize import normalize
from compressor.passes.analysis import Analysis, analyse
from compressor.passes.cost import CostModel
from compressor.passes.fold_shuffles import fold_shuffles
from compressor.targets import PathLike


@dataclass(frozen=True)
class Loaded:
    """A model file, read, normalised and analysed.

    Attributes:
        files: the model's file, and those its weights are in.
    """

    path: Path
    files: tuple[Path, ...]
    digest: str
    original: gs.Graph
    analysis: Analysis
    cost: CostModel


def load_model(path: PathLike, *, keep_dropout: bool = False) -> Loaded:
    """Read a model file and analyse it.

    Args:
        path: the file.
        keep_dropout: leave Dropout nodes that are idle at inference, for training.

    Raises:
        ModelFileError: the file cannot be read safely.
        GraphError: its shapes cannot be inferred.
    """
    graph = read(path)
    original = normalize(graph, keep_dropout=keep_dropout)
    analysis = analyse(fold_shuffles(original))
    files = (Path(path), *data_files(graph))
    return Loaded(Path(path), files, digest(graph), original, analysis, CostModel(analysis))


def total_bytes(files: Iterable[Path]) -> int:
    """Size of a model's files in bytes."""
    return sum(path.stat().st_size for path in files)
