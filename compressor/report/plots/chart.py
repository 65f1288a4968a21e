"""A chart as lines, dots and words in user units of an SVG picture; colours are the page's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Anchor: TypeAlias = Literal["start", "middle", "end"]


@dataclass(frozen=True)
class Line:
    """A straight line of a kind: "grid", "axis", "bar" or "link"."""

    x1: float
    y1: float
    x2: float
    y2: float
    kind: str


@dataclass(frozen=True)
class Dot:
    """A point with its explanation."""

    x: float
    y: float
    kind: str
    title: str


@dataclass(frozen=True)
class Area:
    """A filled outline through points, closed at the end."""

    points: str
    kind: str
    title: str


@dataclass(frozen=True)
class Word:
    """A text that begins, ends or has its middle at a point."""

    x: float
    y: float
    text: str
    anchor: Anchor = "middle"
    kind: str = "tick"


@dataclass
class Chart:
    """A picture.

    Attributes:
        width, height: of the picture; it is scaled to the page.
        title: what it shows, for those who cannot see it too.
        caption: how to read it.
    """

    width: float
    height: float
    title: str
    caption: str
    lines: list[Line] = field(default_factory=list)
    areas: list[Area] = field(default_factory=list)
    dots: list[Dot] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)
