"""Fixtures of the gate's tests."""

from __future__ import annotations

import pytest

from tests.gate.small import never_starved


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> None:
    """Times of the fake runtime are what they are however busy this machine is."""
    never_starved(monkeypatch)
