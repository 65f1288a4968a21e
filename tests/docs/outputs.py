"""Whether what a page shows as output is what was printed."""

from __future__ import annotations

import re


def shows(shown: str, printed: str) -> bool:
    """``shown`` is all of ``printed``, but for "...", which stands for anything, and for spaces at ends of lines."""
    parts = [re.escape(part) for part in _tidy(shown).split("...")]
    return re.fullmatch(".*?".join(parts), _tidy(printed), re.DOTALL) is not None


def _tidy(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().split("\n"))
