"""Fixtures of the tests of pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from compressor.gate.policy import policy_model
from compressor.recipe.schema import recipe_model
from compressor.registry import Registry
from tests.api_reference import entries
from tests.compressor.cli_models import Cli


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """The command line in this process."""
    return Cli(capsys)


@pytest.fixture
def own_registries() -> Iterator[None]:
    """What a page registers is gone after its test."""
    registries: list[Registry[Any]] = [thing for _, _, thing in entries() if isinstance(thing, Registry)]
    before = [(one, dict(one.items())) for one in registries]
    _forget()
    yield
    for one, entered in before:
        one._entries.clear()
        one._entries.update(entered)
    _forget()


def _forget() -> None:
    """The forms of recipes and policies, which are made of what is registered."""
    recipe_model.cache_clear()
    policy_model.cache_clear()
