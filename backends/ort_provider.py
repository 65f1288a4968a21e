"""What has to be known of an execution provider of ONNX Runtime to open a session on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

CPU_PROVIDER = "CPUExecutionProvider"


@dataclass(frozen=True)
class Request:
    """What a session was asked for.

    Attributes:
        device: number of the device, from 0.
        threads: threads per operator.
        optimize: whether the provider may trade accuracy for speed and rewrite the graph.
    """

    device: int
    threads: int
    optimize: bool


Options: TypeAlias = dict[str, str]


@dataclass(frozen=True)
class OrtProvider:
    """Facts about one execution provider.

    Attributes:
        backend: the name it is registered under.
        provider: ONNX Runtime's name for it.
        device: what it runs on, in words.
        install: shell line that brings a package with it.
        options: the provider options for a request.
        needs: what must be there besides the package, for the message when the provider does not start.
        memory: ONNX Runtime's name for the device's memory, where inputs and outputs stay while runs are timed;
            None where they are in host memory.
        system: the only ``platform.system()`` it exists on, None where there is no such limit.
        plugin: the module of a package that adds the provider to any ONNX Runtime, None where it is built in.
        plugin_kind: the kind of device, as ``onnxruntime.OrtHardwareDeviceType`` names it, that such a package runs on.
        several: whether a number may choose between several devices.
        device_files: pattern of what Linux's driver for the device puts into /dev, None where that tells nothing.
        nvidia: whether it needs an NVIDIA GPU.
        memory_pattern: whether ONNX Runtime's planning of memory may stay on.
    """

    backend: str
    provider: str
    device: str
    install: str
    options: Callable[[Request], Options] = lambda _: {}
    needs: str = ""
    memory: str | None = None
    system: str | None = None
    plugin: str | None = None
    plugin_kind: str = "NPU"
    several: bool = False
    device_files: str | None = None
    nvidia: bool = False
    memory_pattern: bool = True


CPU = OrtProvider("onnxruntime-cpu", CPU_PROVIDER, "CPU", "pip install onnxruntime")
