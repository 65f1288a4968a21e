"""What the data given is used for: criteria, recovery, training; and what of it each looks at."""

from __future__ import annotations

from typing import Any

from compressor.data_statistics import DataStatistics
from compressor.finetuning import Finetuning
from compressor.recover import Recovering


def data_of(data: Any, samples: int, pixels: str | None, wish: Finetuning | None) -> Recovering:
    """The data that criteria and recovery look at, if any."""
    own = "unit" if wish is None else wish.pixels
    return Recovering(data if data is not None or wish is None else wish.data, samples, pixels or own)


def recovering(source: Recovering, recover: bool | None, wish: Finetuning | None) -> Recovering | None:
    """Asked for, or nothing asked and data there that nothing is trained with."""
    wanted = source.data is not None and wish is None if recover is None else recover
    return source if wanted else None


def statistics(source: Recovering, seed: int) -> DataStatistics | None:
    """What criteria may ask of the data; without any, those that need some say so."""
    return None if source.data is None else DataStatistics(source.data, source.samples, source.pixels, seed)
