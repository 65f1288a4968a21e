"""``runtime``: the candidate opens and runs on the runtimes named, and gives finite numbers there."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from pydantic import Field

from compressor.errors import BackendError, CandidateError
from compressor.gate.check import check
from compressor.gate.finding import Finding
from compressor.gate.pair import Pair, checked_feeds, opened, run_once
from compressor.gate.settings_types import Backends, Dims, Positive, Threads
from compressor.settings import Part


class RuntimeSettings(Part):
    """Where the candidate must work.

    Attributes:
        backends: names, as ``compressor doctor`` lists them.
        threads: threads per operator.
        batch, dims: sizes of symbolic dimensions.
    """

    backends: Backends
    threads: Threads = 1
    batch: Positive = 1
    dims: Dims = Field(default={})


@check("runtime", RuntimeSettings)
def runtime(settings: RuntimeSettings, pair: Pair) -> Iterator[Finding]:
    """One run on made-up inputs on each runtime."""
    for name in settings.backends:
        try:
            feeds = checked_feeds(
                pair, name, settings.threads, batch=settings.batch, dims=settings.dims, baseline=False
            )
            with opened("candidate", pair.candidate.path, name, settings.threads) as session:
                outputs, provider = run_once("candidate", session, feeds, name), session.provider
        except CandidateError as error:
            yield Finding("runtime", name, "fail", error.what)
            continue
        except BackendError as error:  # the place's fault; the other runtimes are still tried
            yield Finding("runtime", name, "environment", error.one_line())
            continue
        wild = [
            key for key, value in outputs.items() if value.dtype.kind in "fcV" and not np.isfinite(_wide(value)).all()
        ]
        reason = f"outputs are not finite: {', '.join(wild)}" if wild else f"opens and runs ({provider})"
        yield Finding("runtime", name, "fail" if wild else "pass", reason)


def _wide(value: np.ndarray) -> np.ndarray:
    """Small floating-point types have no isfinite of their own."""
    return value if value.dtype.kind in "fc" and value.dtype.itemsize >= 2 else value.astype(np.float32)
