"""Was it measured where we are? What is stored counts here only on the same machine with the same versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compressor.backends.base import get_backend, require_usable
from compressor.backends.fingerprint import fingerprint
from compressor.errors import EnvironmentProblem, UsageError


def machine_now(backend: str, provider: Any = None) -> dict[str, Any]:
    """The fingerprint of what ``backend`` measures here today, as JSON.

    Args:
        backend: its name.
        provider: of the execution provider; it is known only once a model is open, so None leaves it out.

    Raises:
        MachineError: the backend is not usable here.
    """
    found = require_usable(get_backend(backend))
    runtime = {"backend": backend, "version": str(found.version), "device": found.device}
    return fingerprint(runtime={**runtime, "provider": provider} if provider is not None else runtime).to_json()


def require_same(stored: Any, now: Mapping[str, Any], what: str, where: str) -> None:
    """Refuse what was measured elsewhere.

    Args:
        stored: the fingerprint of then, as it was read.
        now: that of today.
        what: was measured: "latency".
        where: the result's path, for messages.

    Raises:
        UsageError: ``stored`` is no fingerprint.
        EnvironmentProblem: it is that of another machine, device, driver or version.
    """
    if not isinstance(stored, Mapping) or not isinstance(stored.get("runtime"), Mapping):
        raise UsageError(f"the stored {what} does not say where it was measured", where=where)
    differ = differences(stored, now)
    if differ:
        raise EnvironmentProblem(
            f"the stored {what} comes from another machine or other versions: {', '.join(differ)}",
            where=where, fix="Give the baseline's file: both are then measured here.",
        )  # fmt: skip


def differences(stored: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Names of the facts that are not the same, parts as "runtime device". The digest follows from them."""
    found = []
    for key, value in now.items():
        other = stored.get(key)
        if key == "digest" or other == value:
            continue
        if isinstance(value, Mapping) and isinstance(other, Mapping):
            parts = sorted({*value, *other}, key=str)
            found += [f"{key} {part}" for part in parts if value.get(part) != other.get(part)]
        else:
            found.append(key)
    return found
