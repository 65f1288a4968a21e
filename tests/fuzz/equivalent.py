"""Faults that change nothing that can be observed, and why."""

from __future__ import annotations

# (function, part of the mutant's text) -> reason
EQUIVALENT: dict[tuple[str, str], str] = {}
