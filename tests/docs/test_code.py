"""All code in README.md and docs/ runs, or says in the source of its page why it does not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from compressor import benchmark
from compressor.backends.comparison import Comparison
from compressor.backends.timing import compare
from compressor.errors import UsageError
from tests.compressor.cli_models import Cli
from tests.docs.carrying_out import Page, UnmarkedBlockError
from tests.docs.command_lines import unknown_options
from tests.docs.markdown import Block, blocks, spans
from tests.docs.outputs import shows
from tests.docs.world import furnish
from tests.house.source_tree import ROOT

GENERATED = {"docs/ops.md", "docs/reference.md"}  # test_op_table.py and test_reference.py hold them to the code
PAGES = sorted({"README.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))} - GENERATED)
FURNISHED = {"README.md", "docs/ci.md", "docs/gate.md", "docs/recipe.md", "docs/study.md"}
"""Pages about files of the reader's; the others begin with nothing."""


def source(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def hasty(*args: Any, **settings: Any) -> Comparison:
    """What is measured matters nowhere on these pages, only that it is measured."""
    return compare(*args, **{**settings, "processes": 1, "min_time_s": 0.02, "max_time_s": 1.0})


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.usefixtures("own_registries")
def test_code_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(benchmark, "compare", hasty)
    folder = tmp_path / "page"
    folder.mkdir()
    monkeypatch.chdir(folder)
    if page in FURNISHED:
        furnish(folder)
    run = Page(page, cli)
    for block in blocks(source(page)):
        run.carry_out(block)


@pytest.mark.parametrize("page", PAGES)
def test_options_named_in_the_text_exist(page: str) -> None:
    wrong = {span: unknown_options(span) for span in spans(source(page)) if span.startswith("compressor ")}
    assert {span: names for span, names in wrong.items() if names} == {}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", source(page))
    assert [link for link in links if not (ROOT / page).parent.joinpath(link).exists()] == []


def test_every_page_is_in_the_index() -> None:
    index = source("docs/index.md")
    files = {path.name for path in (ROOT / "docs").iterdir() if path.is_file()} - {"index.md"}
    assert {name for name in files if f"]({name})" not in index} == set()


def test_what_is_not_run_is_known() -> None:
    """The list, so that it does not grow unnoticed."""
    found = [f"{page}: {block.not_run}" for page in PAGES for block in blocks(source(page)) if block.not_run]
    assert found == NOT_RUN


NOT_RUN = [
    "README.md: sets up an environment",
    "README.md: measures for minutes",
    "README.md: trains for minutes",
    "README.md: needs a network",
    "docs/budgets.md: measures for minutes",
    "docs/budgets.md: measures for minutes",
    "docs/budgets.md: measures for minutes",
    "docs/budgets.md: measures for minutes",
    "docs/budgets.md: its table would have to be measured for longer",
    "docs/study.md: needs a network, and minutes",
    "docs/study.md: needs a PostgreSQL server",
]


def made(text: str) -> list[Block]:
    return list(blocks(text))


def test_blocks_are_found() -> None:
    page = """# T

text

    compressor one  # a

    two

- item

    of the item

<!-- not run: slow -->

```python
x = 1
```

<!-- file: a.yaml -->
```yaml
size: 1
```
"""
    indented, python, file = made(page)
    assert (indented.language, indented.text, indented.line, indented.mark) == (
        "sh",
        "compressor one  # a\n\ntwo\n",
        5,
        "",
    )
    assert (python.language, python.text, python.not_run, python.line) == ("python", "x = 1\n", "slow", 16)
    assert (file.language, file.mark) == ("yaml", "file: a.yaml")


@pytest.mark.parametrize(
    "text",
    [
        "```\nanything\n```\n",
        "```json\n{}\n```\n",
        "```yaml\nsize: 1\n```\n",
        "    make demo\n",
        "    pip install compressor\n",
        "```sh\nls\n```\n",
    ],
)
def test_a_block_that_is_neither_run_nor_marked_fails(text: str, cli: Cli) -> None:
    with pytest.raises(UnmarkedBlockError):
        Page("page", cli).carry_out(made("\n" + text)[0])


@pytest.mark.parametrize(
    "text",
    [
        "    compressor compres m.onnx -o a.onnx\n",
        "    compressor inspect\n",
        "<!-- not run: slow -->\n\n    compressor bench a.onnx --thread 1\n",
        "<!-- not run: slow -->\n\n    compressor study rum recipe.yaml\n",
        "<!-- steps -->\n```yaml\n- run: compressor gate --basline a.onnx\n```\n",
        "<!-- policy -->\n```yaml\nsise: {max_ratio: 1}\n```\n",
        "<!-- recipe -->\n```yaml\nmodel: demo\nprun: {macs: 0.5}\n```\n",
        "<!-- not run: slow -->\n```python\nx = = 1\n```\n",
        "```python\nassert False\n```\n",
        "    compressor inspect none.onnx\n",
        "<!-- output -->\n```\nnever said\n```\n",
    ],
)
def test_wrong_code_fails(text: str, cli: Cli) -> None:
    import typer

    with pytest.raises((typer.TyperException, UsageError, SyntaxError, AssertionError)) as caught:
        Page("page", cli).carry_out(made("\n" + text)[0])
    assert not isinstance(caught.value, UnmarkedBlockError)


def test_marks_of_exit_codes_files_and_output(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = """
    compressor inspect none.onnx  # exit code 2

```python
print("one\\ntwo")
```

<!-- output -->
```
one
t...
```

    compressor check --help > help.txt
"""
    run = Page("page", cli)
    for block in made(page):
        run.carry_out(block)
    assert "--max-size" in (tmp_path / "help.txt").read_text()
    assert shows("a ... c", "a b c")
    assert not shows("a", "a b")
    assert unknown_options("compressor bench A B --mode a|b --rate 3") == []
    assert unknown_options("compressor bench A --moode x") == ["--moode"]
    assert unknown_options("compressor benc A") == ["benc"]
