"""``compressor doctor``: is everything here, and is this machine fit for measuring?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import typer

from compressor.cli_options import JsonFlag
from compressor.cli_output import emit, emit_json
from compressor.errors import EXIT_ENVIRONMENT

if TYPE_CHECKING:
    from compressor.doctor import Checkup


def doctor(as_json: JsonFlag = False) -> None:
    """Show versions, hardware, runtimes and what would spoil a measurement (exit code 3 if something is missing)."""
    from compressor.cli_tables import line, table
    from compressor.doctor import examine

    found = examine()
    if as_json:
        emit_json(found.to_json())
    else:
        runtimes = table(("runtime", "", "runs on", "to do"), list(_runtime_rows(found)), left=4)
        warnings = [line(f"warning: {text}", "yellow") for text in found.warnings]
        emit(table(("", ""), list(_fact_rows(found)), left=2, headings=False), runtimes, *warnings)
    if not found.healthy:
        raise typer.Exit(EXIT_ENVIRONMENT)


def _fact_rows(found: Checkup) -> Iterator[tuple[str, str]]:
    hardware = found.hardware
    limit = hardware["cgroup_cpus"]
    yield "compressor", found.compressor
    yield "python", f"{found.python} ({found.executable})"
    yield "libraries", _versions(found.libraries)
    yield "torch extra", f"not complete: {found.torch_install}" if found.torch_install else _versions(found.torch_extra)
    yield "processor", str(hardware["cpu_model"])
    yield "CPUs", f"{hardware['affinity']} of {hardware['cpus']}" + (f", limited to {limit:g}" if limit else "")
    yield "memory", f"{hardware['memory_bytes'] / 2**30:.1f} GiB"
    yield "system", str(hardware["os"])
    for meter in found.meters:
        yield "energy", meter_line(meter)
    yield "fingerprint", str(hardware["digest"])[:19]


def meter_line(meter: Mapping[str, Any]) -> str:
    """What a meter covers, or why it cannot be read and what to do about it."""
    if meter["reason"] is None:
        return f"{meter['name']}: {meter['covers']}"
    return f"{meter['name']} not readable: {meter['reason']}" + (f". {meter['fix']}" if meter["fix"] else "")


def _versions(libraries: dict[str, str | None]) -> str:
    return ", ".join(f"{name} {version or 'MISSING'}" for name, version in libraries.items())


def _runtime_rows(found: Checkup) -> Iterator[tuple[str, str, str, str]]:
    for name, state in found.backends.items():
        status = f"usable, {state.version}" if state.usable else f"not usable: {state.reason}"
        yield name, status, state.device, state.install or ""
