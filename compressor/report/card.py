"""The report as a Markdown model card: those sections that say what the model is and how sure that is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import compressor
from compressor.markdown_text import literal
from compressor.plain_text import plain
from compressor.report.blocks import Block, Code, Items, Section, Table, shown

# As model hubs read it.
_FRONT = "---\nlibrary_name: onnx\ntags:\n- onnx\n- pruned\n- compressor\n---"


def card(title: str, sections: Sequence[Section]) -> str:
    """The card; names are text, never markup."""
    parts = [_FRONT, f"# {_text(title)}"]
    for section in sections:
        if section.card:
            parts += [f"## {_text(section.title)}", *(part for block in section.blocks for part in _block(block))]
    return "\n\n".join([*parts, f"Made by compressor {compressor.__version__}."]) + "\n"


def _block(block: Block) -> Iterator[str]:
    if isinstance(block, Table):
        ruler = [":--" if index < block.left else "--:" for index in range(len(block.heads))]
        rows = [[_text(cell.text) for cell in row] for row in block.cells()]
        yield "\n".join(_row(row) for row in ([_text(head) for head in block.heads], ruler, *rows))
    elif isinstance(block, Items):
        yield "\n".join(f"- {_text(text)}" for text in block.texts)
    elif isinstance(block, Code):
        longest = max((len(run) for run in re.findall("`+", block.text)), default=0)
        fence = "`" * max(3, longest + 1)  # that nothing inside can end
        yield "\n".join([fence, *map(plain, block.text.split("\n")), fence])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _text(text: str) -> str:
    return literal(shown(text))
