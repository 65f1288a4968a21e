"""Text that neither Markdown nor the HTML inside it takes for markup."""

from __future__ import annotations

import html
import re

from compressor.plain_text import plain

_MARKUP = "\\`*_{}[]!|~:@$^"


def literal(text: str) -> str:
    """``text`` as it is, on one line, with control characters spelled out."""
    shown = html.escape("".join(f"\\{c}" if c in _MARKUP else c for c in plain(text)), quote=False)
    return re.sub(r"^(\s*)([-+=#]|\d+(?=[.)](?:\s|$)))", _no_block, shown)


def _no_block(start: re.Match[str]) -> str:
    """The first characters of a text that would begin a list or a heading."""
    mark = start[2]
    return f"{start[1]}{mark}\\" if mark.isdigit() else f"{start[1]}\\{mark}"
