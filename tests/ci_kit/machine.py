"""The machine that jobs run on: a folder, a bare environment, and a ``compressor`` that is this checkout."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.house.source_tree import ROOT

_TIMEOUT_S = 600


@dataclass(frozen=True)
class Machine:
    """Runs scripts.

    Attributes:
        workspace: where the repository lies; scripts start here.
        scratch: for everything else.
    """

    workspace: Path
    scratch: Path

    def environment(self) -> dict[str, str]:
        """What every job finds: no variable of this process but the time zone and the like."""
        home, commands = self.scratch / "home", self._commands()
        home.mkdir(exist_ok=True)
        return {"PATH": f"{commands}:{os.defpath}", "HOME": str(home), "LANG": "C.UTF-8", "CI": "true"}

    def _commands(self) -> Path:
        """What the install steps would have put there."""
        folder = self.scratch / "bin"
        folder.mkdir(parents=True, exist_ok=True)
        python = shlex.quote(sys.executable)
        path = shlex.quote(str(ROOT))
        self._script(folder / "python", f'exec {python} "$@"')
        # As the console script: the folder it is called from is not on the path of modules (-P).
        self._script(folder / "compressor", f'PYTHONPATH={path} exec {python} -P -m compressor "$@"')
        return folder

    @staticmethod
    def _script(path: Path, line: str) -> None:
        if not path.exists():  # a test may have put another one there
            path.write_text(f"#!/bin/sh\n{line}\n")
            path.chmod(0o755)

    def run(self, command: Sequence[str | Path], env: Mapping[str, str], cwd: Path | None = None) -> tuple[int, str]:
        """(exit code, both streams as they came)."""
        done = subprocess.run(
            [str(part) for part in command], cwd=cwd or self.workspace, env=dict(env), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False,
            timeout=_TIMEOUT_S,
        )  # fmt: skip
        return done.returncode, done.stdout
