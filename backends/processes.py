"""Runs measuring processes one after the other and gives back what they measured."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import compressor
from compressor import errors
from compressor.backends.sampling import ProcessSamples
from compressor.errors import BackendError

WORKER = "compressor.backends.worker"
COLD_START = "compressor.backends.cold_start"


def run_worker(job: dict[str, Any]) -> ProcessSamples:
    """Measure ``job`` (see ``worker``) in a fresh process.

    Raises:
        CompressorError: what the worker reports, as the kind it raised there.
        BackendError: the worker dies or answers nonsense.
    """
    return ProcessSamples(**ask(WORKER, job)["samples"])


def start_cold(job: dict[str, Any]) -> ProcessSamples:
    """Start the job's model once in a fresh process (see ``cold_start``); errors as ``run_worker``."""
    return ProcessSamples(**ask(COLD_START, {**job, "started_ns": time.monotonic_ns()})["samples"])


def ask(module: str, job: dict[str, Any]) -> dict[str, Any]:
    """Run ``python -m module``, which reads the job from stdin and answers on stdout, both JSON.

    Raises:
        CompressorError: what it reports under "error", as the kind it raised there.
        BackendError: it dies or answers nonsense.
    """
    done = subprocess.run(
        [sys.executable, "-m", module],
        input=json.dumps(job),
        capture_output=True,
        text=True,
        env=_environment(),
        check=False,
    )
    if done.returncode != 0:
        raise BackendError(f"the measuring process {_death(done.returncode)}: {_last_line(done.stderr)}")
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except json.JSONDecodeError as error:
        raise BackendError(f"the measuring process answered no JSON: {_last_line(done.stderr)}") from error
    if "error" in answer:
        fields = answer["error"]
        kinds = {kind.__name__: kind for kind in vars(errors).values() if isinstance(kind, type)}
        raise kinds.get(fields["kind"], BackendError)(fields["what"], where=fields["where"], fix=fields["fix"])
    return answer


def _environment() -> dict[str, str]:
    """This environment, in which the worker finds the same ``compressor`` whatever the working directory."""
    home = str(Path(compressor.__file__).resolve().parent.parent)
    inherited = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([home, inherited] if inherited else [home])}


def _death(code: int) -> str:
    if code >= 0:
        return f"failed with exit code {code}"
    name = signal.Signals(-code).name if -code in {known.value for known in signal.Signals} else str(-code)
    return f"was killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "it said nothing"
