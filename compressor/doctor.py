"""``doctor``: what is installed, which runtimes work, and what about this machine spoils measurements."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from dataclasses import asdict, dataclass
from typing import Any

import compressor
from compressor.backends.base import BACKENDS, Availability, get_backend
from compressor.backends.energy import meters
from compressor.backends.fingerprint import configuration_warnings, fingerprint, load_warnings

DEFAULT_BACKEND = "onnxruntime-cpu"
LIBRARIES = (
    "jinja2", "ml-dtypes", "numpy", "onnx", "onnx-graphsurgeon", "onnxruntime", "platformdirs", "protobuf", "pydantic",
    "pyyaml", "rich", "scipy", "typer",
)  # fmt: skip
# Packages that bring the module onnxruntime with other providers, in place of the package of that name.
ONNX_RUNTIMES = ("onnxruntime", "onnxruntime-directml", "onnxruntime-gpu", "onnxruntime-openvino")
TORCH_EXTRA = ("torch>=2.10", "onnx-ir>=0.2", "onnxscript>=0.7")


@dataclass(frozen=True)
class Checkup:
    """What ``doctor`` found.

    Attributes:
        libraries: version of each library needed, None where it is missing.
        torch_extra: the same for what training and exporting from PyTorch need.
        backends: by name.
        hardware: the fingerprint that measurements are filed under.
        meters: of energy: name, what each covers, and why it cannot be read, if so.
        warnings: what would spoil a measurement now, in plain words.
    """

    compressor: str
    python: str
    executable: str
    libraries: dict[str, str | None]
    torch_extra: dict[str, str | None]
    backends: dict[str, Availability]
    hardware: dict[str, Any]
    meters: list[dict[str, Any]]
    warnings: list[str]

    @property
    def healthy(self) -> bool:
        """Whether everything that the commands need works."""
        return None not in self.libraries.values() and self.backends[DEFAULT_BACKEND].usable

    @property
    def torch_install(self) -> str | None:
        """The shell line that adds the torch extra; None where it is there."""
        if None not in self.torch_extra.values():
            return None
        return "pip install " + " ".join(f"'{requirement}'" for requirement in TORCH_EXTRA)

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON-ready values."""
        return {
            "kind": "doctor", "version": 1, **asdict(self), "healthy": self.healthy,
            "torch_install": self.torch_install,
        }  # fmt: skip


def examine() -> Checkup:
    """Look at this environment and machine; changes nothing and never raises for what is missing."""
    runtimes = {name: version for name in ONNX_RUNTIMES if (version := _version(name)) is not None}
    return Checkup(
        compressor=compressor.__version__,
        python=platform.python_version(),
        executable=sys.executable,
        libraries={name: _version(name) for name in LIBRARIES} | {"onnxruntime": next(iter(runtimes.values()), None)},
        torch_extra={name: _version(name) for name in (line.partition(">")[0] for line in TORCH_EXTRA)},
        backends={name: get_backend(name).probe() for name in BACKENDS.names()},
        hardware=fingerprint().to_json(),
        meters=[meter.to_json() for meter in meters()],
        warnings=[*configuration_warnings(threads=1), *load_warnings(), *_overwritten(runtimes)],
    )


def _overwritten(runtimes: dict[str, str]) -> list[str]:
    """Packages that bring the same module overwrite each other's files: only one of them really is there."""
    if len(runtimes) < 2:
        return []
    return [f"{' and '.join(runtimes)} bring the same module: uninstall all of them and install the one that you need."]


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
