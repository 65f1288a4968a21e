"""Inputs made up where there is no data: random as anywhere else, but pictures with the spectrum of real ones.

Natural pictures have amplitudes that fall as 1 / frequency (Field 1987; van der Schaaf and van Hateren 1996) and
channels that go together; white noise has neither, and says little about the features behind the first layers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compressor.backends.base import InputSpec
from compressor.backends.inputs import random_feeds

_SMALLEST_SIDE = 8
_SHARED = 0.8  # share of a picture's variance that its channels have in common


def made_up_feeds(
    specs: Sequence[InputSpec], *, samples: int, seed: int, bounds: Mapping[str, int] | None = None
) -> dict[str, NDArray[Any]]:
    """Inputs by name, as ``random_feeds`` gives them, but [N, C, H, W] floats as pictures; mean 0, deviation 1."""
    feeds = random_feeds(specs, seed=seed, batch=samples, bounds=bounds)
    rng = np.random.default_rng([seed, 1])
    return {
        name: _pictures(rng, value.shape).astype(value.dtype) if _is_pictures(value) else value
        for name, value in feeds.items()
    }


def _is_pictures(value: NDArray[Any]) -> bool:
    sides = value.shape[2:]
    return value.ndim == 4 and value.shape[1] <= 4 and min(sides) >= _SMALLEST_SIDE and value.dtype.kind not in "iub"


def _pictures(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
    count, channels, height, width = shape
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = min(1 / height, 1 / width)

    def noise(layers: int) -> NDArray[np.float64]:
        spectrum = np.fft.rfft2(rng.standard_normal((count, layers, height, width))) / frequency
        smooth = np.fft.irfft2(spectrum, s=(height, width))
        scaled: NDArray[np.float64] = smooth / smooth.std()
        return scaled

    pictures = np.sqrt(_SHARED) * noise(1) + np.sqrt(1 - _SHARED) * noise(channels)
    contrast = np.exp(0.5 * rng.standard_normal((count, 1, 1, 1)))
    pictures = pictures * contrast
    whole: NDArray[np.float64] = (pictures - pictures.mean()) / pictures.std()
    return whole
