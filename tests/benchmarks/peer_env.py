"""Environments of peers' own, under build/: nothing of a peer is a dependency of ours.

Made on the first use; they see what is installed here (torch, onnx, numpy) after their own packages.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_TIMEOUT_S = 120


def interpreter(folder: Path, requirements: Sequence[str]) -> tuple[Path | None, str]:
    """The interpreter of the environment in ``folder`` (made if need be), or None and the reason.

    Requirements are installed without their dependencies, which would fetch what is here already.
    """
    python, stamp = folder / "bin" / "python", folder / "requirements.txt"
    wanted = "\n".join([*requirements, sysconfig.get_path("purelib")])
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return python, ""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        _call(sys.executable, "-m", "venv", str(folder))
        _call(str(python), "-m", "pip", "install", "--quiet", "--no-deps", *requirements)
    except (OSError, subprocess.SubprocessError) as error:
        output = getattr(error, "stderr", None) or str(error)
        return None, f"its environment cannot be made: {output.strip().splitlines()[-1]}"
    ours = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)})) / "zz_ours.pth"
    ours.write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")  # after its own: numpy, torch and so on
    stamp.write_text(wanted, encoding="utf-8")  # last, so that half an environment is made anew
    return python, ""


def _call(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=_TIMEOUT_S)
