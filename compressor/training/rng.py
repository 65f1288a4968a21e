"""Random numbers of a run: seeded by what they are for, left outside as they were."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


def seed_all(*parts: int) -> None:
    """Seed Python's, NumPy's and PyTorch's global generators from a few numbers."""
    python, legacy, framework = np.random.SeedSequence(parts).generate_state(3)
    random.seed(int(python))
    np.random.seed(int(legacy))
    torch.manual_seed(int(framework))


def random_state() -> dict[str, Any]:
    """The state of all global generators, in tensors and plain types."""
    name, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)
    version, words, normal = random.getstate()
    return {
        "python": [version, list(words), normal],
        "numpy": [name, torch.from_numpy(np.asarray(keys).astype(np.int64)), position, has_gauss, gauss],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def restore(state: dict[str, Any]) -> None:
    """Put the generators back into a state that ``random_state`` gave."""
    version, words, normal = state["python"]
    random.setstate((version, tuple(words), normal))
    name, keys, position, has_gauss, gauss = state["numpy"]
    np.random.set_state((name, keys.cpu().numpy().astype(np.uint32), position, has_gauss, gauss))
    torch.set_rng_state(state["torch"].cpu())
    devices = torch.cuda.device_count() if state["cuda"] else 0  # a run may go on where there are fewer
    for device, part in enumerate(state["cuda"][:devices]):
        torch.cuda.set_rng_state(part.cpu(), device)


@contextmanager
def own_randomness() -> Iterator[None]:
    """Whatever is seeded and drawn inside, the generators are afterwards as they were before."""
    before = random_state()
    try:
        yield
    finally:
        restore(before)
