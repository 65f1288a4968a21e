"""Execution providers that come as packages of their own and are added to ONNX Runtime when it runs."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

from compressor.errors import BackendError


def plugin_devices(module: str, provider: str, kind: str) -> list[Any]:
    """The devices of a kind ("NPU") that ``provider`` from the package ``module`` can run on, by ONNX Runtime's list.

    Other kinds do not count: where there is no NPU, QNN's provider offers the CPU, to compile for an NPU elsewhere.
    The package follows ONNX Runtime's packaging guide: ``get_library_path()`` gives the library.

    Raises:
        ImportError: there is no such package.
        BackendError: ONNX Runtime does not take its library.
    """
    import onnxruntime

    _register(module, provider)
    wanted = getattr(onnxruntime.OrtHardwareDeviceType, kind)
    found = onnxruntime.get_ep_devices()
    return [device for device in found if device.ep_name == provider and device.device.type == wanted]


@cache
def _register(module: str, provider: str) -> None:
    """Load the library, once in a process: a second time is an error to ONNX Runtime."""
    import onnxruntime

    from compressor.backends import ort_values

    path = importlib.import_module(module).get_library_path()
    try:
        onnxruntime.register_execution_provider_library(provider, str(path))
    except ort_values.error_types() as error:
        raise BackendError(f"ONNX Runtime cannot load {provider}: {ort_values.reason(error)}", where=module) from error
