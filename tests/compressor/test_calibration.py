"""Calibration data as feeds: from an archive, a folder, a function, or made up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compressor.backends.base import InputSpec
from compressor.calibration import load_chunks, made_up_chunks
from compressor.errors import UsageError
from compressor.made_up_inputs import made_up_feeds
from compressor.model_io import from_proto
from tests.passes.graphs import model

RNG = np.random.default_rng(0)


def _graph(inputs: str = "float[N, 6] x", body: str = "y = Relu(x)") -> Any:
    return from_proto(model(body, {}, inputs=inputs))


def _archive(path: Path, count: int = 100) -> Path:
    np.savez(path, x=np.arange(count * 6, dtype=np.float64).reshape(count, 6), labels=np.zeros(count))
    return path


def test_an_archive_is_drawn_from_without_repeats(tmp_path: Path) -> None:
    source = _archive(tmp_path / "c.npz")
    chunks = load_chunks(str(source), _graph(), samples=64, fewest_chunks=8)
    rows = np.concatenate([chunk["x"] for chunk in chunks])
    assert rows.dtype == np.float32
    assert (len(chunks), rows.shape) == (16, (64, 6))
    assert len(np.unique(rows[:, 0])) == 64
    again = load_chunks(str(source), _graph(), samples=64, fewest_chunks=8)
    other = load_chunks(str(source), _graph(), samples=64, fewest_chunks=8, seed=1)
    np.testing.assert_array_equal(chunks[3]["x"], again[3]["x"])
    assert not np.array_equal(chunks[3]["x"], other[3]["x"])


def test_chunks_are_as_large_as_the_file_takes(tmp_path: Path) -> None:
    source = _archive(tmp_path / "c.npz")
    for batch in (1, 10):
        chunks = load_chunks(str(source), _graph(f"float[{batch}, 6] x"), samples=1024, fewest_chunks=8)
        assert {chunk["x"].shape for chunk in chunks} == {(batch, 6)}
        assert len(chunks) == 100 // batch
    with pytest.raises(UsageError, match="100 calibration samples are too few: 240 are needed"):
        load_chunks(str(source), _graph("float[30, 6] x"), samples=1024, fewest_chunks=8)


def test_a_function_may_give_arrays_without_labels() -> None:
    chunks = load_chunks((np.ones((20, 6), np.float32),), _graph(), samples=1024, fewest_chunks=8)
    assert sum(len(chunk["x"]) for chunk in chunks) == 20


def test_a_folder_of_pictures_needs_no_classes(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    for number in range(10):
        image.fromarray(RNG.integers(0, 256, (9, 12, 3), np.uint8)).save(tmp_path / f"{number}.png")
    graph = _graph("float[N, 3, 6, 6] x")
    chunks = load_chunks(str(tmp_path), graph, samples=1024, fewest_chunks=8, pixels="bytes")
    assert {chunk["x"].shape for chunk in chunks} == {(1, 3, 6, 6)}
    assert len(chunks) == 10
    assert max(chunk["x"].max() for chunk in chunks) > 1


def test_too_little_data_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="7 calibration samples are too few: 8 are needed"):
        load_chunks(str(_archive(tmp_path / "c.npz", 7)), _graph(), samples=1024, fewest_chunks=8)
    with pytest.raises(UsageError, match="0 calibration samples"):
        load_chunks(str(_archive(tmp_path / "c.npz")), _graph(), samples=0, fewest_chunks=8)


def test_made_up_pictures_are_smooth_and_scaled() -> None:
    spec = InputSpec("x", np.dtype(np.float32), ("N", 3, 32, 32))
    pictures = made_up_feeds([spec], samples=50, seed=0)["x"]
    assert pictures.dtype == np.float32
    assert abs(pictures.mean()) < 1e-5
    assert abs(pictures.std() - 1) < 1e-5
    flat = [np.corrcoef(p.reshape(-1), q.reshape(-1))[0, 1] for p, q in (
        (pictures[..., 1:], pictures[..., :-1]), (pictures[:, :1], pictures[:, 1:2]), (pictures[1:], pictures[:-1])
    )]  # fmt: skip
    assert flat[0] > 0.6  # neighbours
    assert flat[1] > 0.6  # channels
    assert abs(flat[2]) < 0.2  # pictures
    np.testing.assert_array_equal(pictures, made_up_feeds([spec], samples=50, seed=0)["x"])


def test_made_up_token_ids_stay_inside_their_table() -> None:
    graph = from_proto(model("y = Gather(w, x)", {"w": (7, 4)}, inputs="int64[N, 5] x"))
    chunks = made_up_chunks(graph, samples=64, fewest_chunks=8)
    ids = np.concatenate([chunk["x"] for chunk in chunks])
    assert (ids.shape, ids.min(), ids.max()) == ((64, 5), 0, 6)
    assert not np.array_equal(chunks[0]["x"], chunks[1]["x"])
