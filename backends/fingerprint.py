"""Which machine and which libraries a measurement belongs to, and what about them spoils measurements."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import compressor
from compressor.backends.base import available_cpus
from compressor.backends.cgroup import cgroup_cpus, read_kernel_file

LIBRARIES = (
    "numpy", "onnx", "onnxruntime", "onnxruntime-directml", "onnxruntime-gpu", "onnxruntime-openvino",
    "onnxruntime-qnn", "openvino", "tensorrt", "torch", "triton", "scipy",
)  # fmt: skip


@dataclass(frozen=True)
class Fingerprint:
    """Facts that decide latencies.

    Attributes:
        cpu_model: as the kernel names it.
        cpus: logical CPUs of the machine.
        affinity: logical CPUs this process may use.
        cgroup_cpus: CPU limit of the container, None without one.
        memory_bytes: of the machine.
        os: system, release and machine type.
        python: version of the interpreter.
        libraries: versions of those installed.
        runtime: what ran the models: "backend", "provider", "version", "device"; empty where nothing was run.
    """

    cpu_model: str
    cpus: int
    affinity: int
    cgroup_cpus: float | None
    memory_bytes: int
    os: str
    python: str
    libraries: dict[str, str]
    runtime: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON-ready values, and their digest."""
        return {**asdict(self), "digest": self.digest()}

    def digest(self) -> str:
        """ "sha256:..." over all fields: equal digests may share measurements."""
        text = json.dumps(asdict(self), sort_keys=True)
        return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def fingerprint(
    root: Path = Path("/"), libraries: Iterable[str] = LIBRARIES, runtime: Mapping[str, str] | None = None
) -> Fingerprint:
    """Read it off this machine; ``root`` is where proc and sys are looked for, ``runtime`` what ran the models."""
    return Fingerprint(
        cpu_model=cpu_model(root),
        cpus=os.cpu_count() or 1,
        affinity=available_cpus(),
        cgroup_cpus=cgroup_cpus(root),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        os=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        libraries={
            "compressor": compressor.__version__,
            **{name: version for name in libraries if (version := _version(name)) is not None},
        },
        runtime=dict(runtime or {}),
    )


def cpu_model(root: Path = Path("/")) -> str:
    """The processor's name and, on x86, family, model and stepping, for clouds that hide the name."""
    fields: dict[str, str] = {}
    for line in (read_kernel_file(root / "proc/cpuinfo") or "").splitlines():
        key, colon, value = line.partition(":")
        if colon:
            fields.setdefault(key.strip(), value.strip())
    name = fields.get("model name") or platform.processor() or platform.machine()
    codes = [f"{key} {fields[key]}" for key in ("cpu family", "model", "stepping") if key in fields]
    return f"{name} ({', '.join(codes)})" if codes else name


def configuration_warnings(threads: int, root: Path = Path("/")) -> list[str]:
    """What in the machine's set-up spoils a measurement with ``threads`` threads, in plain words."""
    found = []
    cpus, limit = available_cpus(), cgroup_cpus(root)
    if threads > cpus:
        found.append(f"{threads} threads share {cpus} CPUs: times will be long and erratic. Ask for at most {cpus}.")
    if limit is not None and limit < threads:
        found.append(f"The container may use {limit:g} CPUs, less than the {threads} threads: it will be throttled.")
    governors = {
        read_kernel_file(path) for path in root.glob("sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor")
    }
    slow = sorted(governor for governor in governors if governor not in (None, "performance"))
    if slow:
        found.append(f"The CPU frequency governor is {', '.join(slow)}: the clock rate will vary. Set performance.")
    return found


def load_warnings(root: Path = Path("/")) -> list[str]:
    """Whether the machine was busy over the last minute, this program's own work included."""
    text = read_kernel_file(root / "proc/loadavg")
    load = float(text.split()[0]) if text else 0.0
    if load <= 0.5:
        return []
    return [f"The load average over the last minute is {load:g}: wait for other work to end before measuring."]


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
