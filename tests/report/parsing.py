"""A page as the standard library's parser sees it."""

from __future__ import annotations

import html.parser


class Parsed(html.parser.HTMLParser):
    """Tags with their attributes, all text that is no style, and that of code apart."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.code: list[str] = []
        self._inside = ""
        self.feed(text)
        self.close()

    @property
    def names(self) -> list[str]:
        """Of all tags but lines of code, in order."""
        return [tag for tag, _ in self.tags if tag != "code"]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "code":
            self.code.append(data)
        elif self._inside != "style":
            self.text.append(data)
