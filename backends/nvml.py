"""NVML: what NVIDIA's GPUs take, each with its memory, through nvidia-ml-py where that is installed.

Source: nvmlDeviceGetTotalEnergyConsumption of NVIDIA's NVML API reference: millijoules since the driver was loaded,
from Volta on.
"""

from __future__ import annotations

import importlib
from functools import partial
from typing import Any

from compressor.backends.energy import Meter
from compressor.backends.nvidia import MISSING, gpus
from compressor.errors import BackendError

_INTERVAL_S = 0.05  # of the order at which the boards' own meters are read
_UJ = 1000  # microjoules in a millijoule
_COVERS = "a GPU with its memory"
_INSTALL = "Run: pip install nvidia-ml-py"


def nvml_meters() -> list[Meter]:
    """One for each GPU; where there is none, one that says why, with the index -1 for all of them."""
    if not gpus():
        return [_none(MISSING)]
    try:
        nvml = importlib.import_module("pynvml")
    except ModuleNotFoundError:
        return [_none("nvidia-ml-py is not installed", _INSTALL)]
    try:
        nvml.nvmlInit()
        return [_meter(nvml, index) for index in range(nvml.nvmlDeviceGetCount())]
    except nvml.NVMLError as error:
        return [_none(f"the driver's library refuses: {error}")]


def _none(reason: str, fix: str | None = None) -> Meter:
    return Meter("NVML", "gpu", _COVERS, index=-1, reason=reason, fix=fix)


def _meter(nvml: Any, index: int) -> Meter:
    handle, name = nvml.nvmlDeviceGetHandleByIndex(index), f"GPU {index}"
    try:
        nvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except nvml.NVMLError as error:
        return Meter(name, "gpu", _COVERS, index=index, reason=f"it does not count energy: {error}")
    return Meter(name, "gpu", _COVERS, _INTERVAL_S, partial(_microjoules, nvml, handle, name), index=index)


def _microjoules(nvml: Any, handle: Any, name: str) -> int:
    try:
        return int(nvml.nvmlDeviceGetTotalEnergyConsumption(handle)) * _UJ
    except nvml.NVMLError as error:
        raise BackendError(f"its energy cannot be read any more: {error}", where=name) from error
