"""Fixtures of the reports' tests."""

from __future__ import annotations

import pytest

from tests.compressor.cli_models import Cli


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """The command line in this process."""
    return Cli(capsys)
