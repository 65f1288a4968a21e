"""Numbers with their units, short enough for a table."""

from __future__ import annotations


def count(number: int) -> str:
    """A count with a decimal prefix: 1234567 is "1.23 M"; below 10,000 it is exact."""
    if abs(number) < 10_000:
        return str(number)
    return _scaled(number, ("k", "M", "G", "T", "P"))


def size(size_bytes: int) -> str:
    """A size with a decimal prefix: 1234567 is "1.23 MB"."""
    return f"{size_bytes} B" if size_bytes < 1000 else _scaled(size_bytes, ("kB", "MB", "GB", "TB", "PB"))


def _scaled(number: float, units: tuple[str, ...]) -> str:
    value = number / 1000
    for unit in units[:-1]:
        if abs(value) < 999.5:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} {units[-1]}"


def percent(share: float) -> str:
    """A share: 0.9729 is "97.3 %"; only a whole is 100 %, only none is 0 %."""
    shown = round(100 * share, 1)
    if 0 < share < 1:
        shown = min(max(shown, 0.1), 99.9)
    return f"{shown:g} %"


def seconds(spent_s: float) -> str:
    """A duration: "45 ms", "3.21 s", "12.3 s"."""
    return f"{spent_s * 1000:.0f} ms" if spent_s < 1 else f"{spent_s:.3g} s"
