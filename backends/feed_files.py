"""Inputs on disk for the measuring processes: one raw .npy a tensor, no pickle, bfloat16 and float8 included."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import ml_dtypes  # noqa: F401 - makes np.dtype("bfloat16") known
import numpy as np

from compressor.backends.base import Array

_INDEX = "feeds.json"


def save(feeds: Mapping[str, Array], folder: Path) -> None:
    """Write ``feeds`` into ``folder``, which must exist."""
    index = []
    for number, (name, array) in enumerate(feeds.items()):
        index.append({"name": name, "dtype": array.dtype.name, "shape": list(array.shape)})
        raw = np.frombuffer(np.ascontiguousarray(array).tobytes(), dtype=np.uint8)  # .npy does not know bfloat16
        np.save(folder / f"{number}.npy", raw, allow_pickle=False)
    (folder / _INDEX).write_text(json.dumps(index), encoding="utf-8")


def load(folder: Path) -> dict[str, Array]:
    """What ``save`` wrote."""
    index = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
    return {
        entry["name"]: np.load(folder / f"{number}.npy", allow_pickle=False)
        .view(np.dtype(entry["dtype"]))
        .reshape(entry["shape"])
        for number, entry in enumerate(index)
    }
