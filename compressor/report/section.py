"""Sections of a report: one function a file, in the order of their places. To add one, add a file with a decorator."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from compressor.registry import Registry
from compressor.report.blocks import Section
from compressor.report.results import Results

Build: TypeAlias = Callable[[Results], Section | None]


@dataclass(frozen=True)
class Builder:
    """Makes a section.

    Attributes:
        place: where it stands: sections come in rising order.
        build: None where there is nothing to tell.
    """

    place: int
    build: Build


SECTIONS: Registry[Builder] = Registry("report section", "compressor.report.sections")


def section(name: str, place: int) -> Callable[[Build], Build]:
    """Decorator that registers a function which makes a section."""

    def add(build: Build) -> Build:
        SECTIONS.register(name)(Builder(place, build))
        return build

    return add


def build_sections(results: Results, without: Collection[str] = ()) -> Iterator[Section]:
    """All that have something to tell, in order, less those called so."""
    for name, builder in sorted(SECTIONS.items(), key=lambda entry: entry[1].place):
        found = None if name in without else builder.build(results)
        if found is not None and found.blocks:
            yield found
