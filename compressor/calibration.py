"""Calibration data: unlabelled samples as feeds of a model, in chunks. What it takes is what ``--data`` takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_graphsurgeon as gs
from numpy.typing import NDArray

from compressor.backends.inputs import index_bounds
from compressor.errors import UsageError
from compressor.made_up_inputs import made_up_feeds
from compressor.model_io import outline
from compressor.training.data_sources import load_samples
from compressor.training.wanted import wanted_inputs
from compressor.verification import opened

Feeds = dict[str, NDArray[Any]]
MOST_IN_A_CHUNK = 64


def load_chunks(
    source: Any, graph: gs.Graph, *, samples: int, fewest_chunks: int, pixels: str = "unit", seed: int = 0
) -> list[Feeds]:
    """Samples drawn from the data, in an order of their own.

    Args:
        source: path.py:function, an .npz file with arrays named as the model's inputs, a folder of pictures, or what
            such a function would return. Labels may be there and are not looked at.
        graph: whose inputs they feed.
        samples: how many to draw at most.
        fewest_chunks: that the caller needs.
        pixels: how pictures of a folder become numbers.
        seed: of the drawing.

    Raises:
        UsageError: the data does not fit the model, or is too little.
    """
    if samples < 1:
        raise UsageError(f"{samples} calibration samples are too few", fix="Give at least 8; 1,024 are usual.")
    wanted = wanted_inputs(graph)
    data = load_samples(source, wanted, pixels=pixels)
    size = _chunk_size(graph, min(samples, len(data)), fewest_chunks)
    order = np.random.default_rng([seed, len(data)]).permutation(len(data))[:samples].astype(np.int64)
    batches = [data.batch(order[start : start + size]) for start in range(0, len(order) - size + 1, size)]
    names = [want.name for want in wanted]
    return [dict(zip(names, batch.inputs, strict=True)) for batch in batches]


def made_up_chunks(graph: gs.Graph, *, samples: int, fewest_chunks: int, seed: int = 0) -> list[Feeds]:
    """As many inputs made up; see ``made_up_inputs``."""
    size = _chunk_size(graph, samples, fewest_chunks)
    bounds = index_bounds(outline(graph))
    with opened(graph) as session:
        specs = session.inputs
    count = samples // size
    return [
        made_up_feeds(specs, samples=size, seed=seed * 1_000_003 + number, bounds=bounds) for number in range(count)
    ]


def _chunk_size(graph: gs.Graph, samples: int, fewest_chunks: int) -> int:
    """Samples of a chunk: what the file takes where it says so."""
    fixed = next((want.fixed_batch for want in wanted_inputs(graph) if want.fixed_batch), None)
    size = fixed or max(1, min(MOST_IN_A_CHUNK, samples // (2 * fewest_chunks)))
    if samples // size < fewest_chunks:
        raise UsageError(
            f"{samples} calibration samples are too few: {fewest_chunks * size} are needed to judge what comes out",
            fix=f"Give at least {fewest_chunks * size} samples; 1,024 are usual.",
        )
    return size
