"""Checks of the gate: one decorator in one new file of ``compressor/gate/checks`` adds one, policy and schema included.

class ColourSettings(Part):
    allowed: list[str]

@check("colour", ColourSettings)
def colour(settings: ColourSettings, pair: Pair) -> Iterator[Finding]:
    ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from compressor.gate.finding import Finding
from compressor.gate.pair import Pair
from compressor.registry import Registry
from compressor.settings import Part

_Settings = TypeVar("_Settings", bound=Part)
Function: TypeAlias = Callable[[_Settings, Pair], Iterator[Finding]]


@dataclass(frozen=True)
class Check:
    """A check.

    Attributes:
        name: its key in the policy.
        settings: what the policy may say about it.
        function: carries it out. A CompressorError with exit code 1 counts as a failure, one with 3 as a
            problem of the environment; others end the gate.
    """

    name: str
    settings: type[Part]
    function: Callable[[Any, Pair], Iterator[Finding]]


CHECKS: Registry[Check] = Registry("check", "compressor.gate.checks")


def check(name: str, settings: type[_Settings]) -> Callable[[Function[_Settings]], Function[_Settings]]:
    """Decorator that registers a function as the check called ``name``."""

    def add(function: Function[_Settings]) -> Function[_Settings]:
        CHECKS.register(name)(Check(name, settings, function))
        return function

    return add
