"""Numbers with their units."""

from __future__ import annotations

import pytest

from compressor.units import count, percent, seconds, size


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (9999, "9999"), (10_000, "10 k"), (999_499, "999 k"), (999_500, "1 M"), (1_234_567, "1.23 M"),
     (11_679_912, "11.7 M"), (1_814_073_344, "1.81 G"), (10**15, "1 P")],
)  # fmt: skip
def test_count(number: int, text: str) -> None:
    assert count(number) == text


@pytest.mark.parametrize(("number", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (46_700_000, "46.7 MB")])
def test_size(number: int, text: str) -> None:
    assert size(number) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0 %"), (1.0, "100 %"), (0.9729, "97.3 %"), (0.99999, "99.9 %"), (0.00001, "0.1 %"), (0.5, "50 %")],
)
def test_percent(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(("spent_s", "text"), [(0.045, "45 ms"), (3.214, "3.21 s"), (72.0, "72 s")])
def test_seconds(spent_s: float, text: str) -> None:
    assert seconds(spent_s) == text
