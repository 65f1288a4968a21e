"""Carries out a page: its Python in one namespace, its commands in this process, its files in the current folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from compressor.gate.policy import parse_policy
from compressor.recipe.schema import parse_recipe
from compressor.settings import validated
from compressor.study.recipe import Recipe as Study
from tests.compressor.cli_models import Cli
from tests.docs.command_lines import Line, command_lines, understood
from tests.docs.markdown import SHELL, Block
from tests.docs.outputs import shows

SAMPLE, OUTPUT, FILE, STEPS = "sample output", "output", "file: ", "steps"


class UnmarkedBlockError(AssertionError):
    """A block that is neither run nor marked: tests/docs/markdown.py lists the marks."""


class Page:
    """What the blocks of a page have done so far, in the current folder."""

    def __init__(self, name: str, cli: Cli) -> None:
        self.name = name
        self._cli = cli
        self._names: dict[str, Any] = {"__name__": "__main__"}
        self._printed = ""

    def carry_out(self, block: Block) -> None:
        """Run, write or check a block.

        Raises:
            UnmarkedBlockError: nothing says what is to become of it.
        """
        if block.mark == SAMPLE:
            return
        if block.mark == OUTPUT:
            assert shows(block.text, self._printed), (
                f"{self.name}:{block.line} shows what is not printed:\n{self._printed}"
            )
        elif block.mark.startswith(FILE):
            Path(block.mark.removeprefix(FILE)).write_text(block.text, encoding="utf-8")
        elif block.language == "yaml":
            self._check_yaml(block)
        elif block.language in (SHELL, "bash", "console"):
            self._commands(block)
        elif block.language == "python":
            self._python(block)
        else:
            raise UnmarkedBlockError(f"{self.name}:{block.line} ({block.language or 'no language'})")

    def _python(self, block: Block) -> None:
        code = compile("\n" * (block.line - 1) + block.text, self.name, "exec")
        if not block.not_run:
            self._printed = self._cli.said(lambda: exec(code, self._names))

    def _commands(self, block: Block) -> None:
        printed = ""
        for line in command_lines(block.text):
            ours = line.words[0] == "compressor"
            if ours:
                understood(line.words)
            if not block.not_run:
                if not ours:
                    raise UnmarkedBlockError(f"{self.name}:{block.line}: {' '.join(line.words)}")
                printed += self._command(block, line)
        self._printed = printed

    def _command(self, block: Block, line: Line) -> str:
        code, out, err = self._cli(*line.words[1:])
        assert code == line.exit_code, f"{self.name}:{block.line}: {' '.join(line.words)}\nends in {code}: {err}{out}"
        if line.into:
            Path(line.into).write_text(out, encoding="utf-8")
            return ""
        return out + err if code else out

    def _check_yaml(self, block: Block) -> None:
        found = yaml.safe_load(block.text)
        if block.mark == "policy":
            parse_policy(found)
        elif block.mark == "recipe":
            parse_recipe(found, Path())
        elif block.mark == "study":
            validated(Study, found, self.name)
        elif block.mark == STEPS:
            for step in found:
                for line in command_lines(step.get("run", "")):
                    if line.words[0] == "compressor":
                        understood(line.words)
        else:
            raise UnmarkedBlockError(f"{self.name}:{block.line} (yaml)")
