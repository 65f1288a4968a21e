"""Text from files that nobody vouches for, made fit to be shown."""

from __future__ import annotations


def plain(text: str) -> str:
    """``text`` with control characters spelled out: a name must not move the cursor, break a line or end a file."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
