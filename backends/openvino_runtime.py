"""OpenVINO's own runtime on the CPU, on Intel GPUs and on Intel NPUs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Self

from compressor.backends.base import (
    BACKENDS,
    Availability,
    Backend,
    ModelSource,
    Session,
    require_usable,
    thread_count,
)
from compressor.backends.openvino_session import OpenVinoSession, error_types
from compressor.backends.protos import load_structure

if TYPE_CHECKING:
    import openvino

INSTALL = "pip install 'openvino>=2025.0'"


class OpenVino(Backend):
    """One kind of device of OpenVINO.

    Args:
        kind: OpenVINO's name of the device: "CPU", "GPU" or "NPU".
        device: number among the devices of this kind.
    """

    def __init__(self, kind: str, device: int = 0) -> None:
        self.name = f"openvino-{kind.lower()}" + (f":{device}" if device else "")
        self._kind, self._index = kind, device
        self.tells_kernels = kind == "CPU"
        self._device = f"{kind}.{device}" if device else kind

    def on_device(self, index: int) -> Self:
        """See Backend.on_device; there is only one CPU."""
        return super().on_device(index) if self._kind == "CPU" else type(self)(self._kind, index)

    def probe(self) -> Availability:
        """Usable where openvino imports and lists the device."""
        try:
            import openvino
        except ImportError as error:
            reason = f"openvino cannot be imported: {error}"
            return Availability(False, None, self._kind, reason=reason, install=INSTALL)
        version = openvino.__version__.partition("-")[0]
        try:
            core = openvino.Core()
            if not self._listed(core):
                reason = f"OpenVINO finds no {self._device}, only {', '.join(core.available_devices) or 'nothing'}"
                return Availability(False, version, self._kind, reason=reason)
            name = str(core.get_property(self._device, "FULL_DEVICE_NAME"))
        except error_types() as error:
            return Availability(False, version, self._kind, reason=f"OpenVINO does not start: {error}")
        return Availability(True, version, f"{self._kind}, {name.strip()}")

    def open(
        self,
        model: ModelSource,
        *,
        threads: int | None = None,
        extra_outputs: Sequence[str] = (),
        optimize: bool = True,
        profile: bool = False,
    ) -> Session:
        """See Backend.open. OpenVINO has no switch for its rewriting: ``optimize=False`` keeps the precision only."""
        threads = thread_count(threads)
        require_usable(self)
        return OpenVinoSession(model, load_structure(model), self._device, threads, extra_outputs, optimize, profile)

    def _listed(self, core: openvino.Core) -> bool:
        """With several GPUs OpenVINO lists GPU.0, GPU.1; with one, GPU."""
        names = set(core.available_devices)
        return self._device in names or f"{self._kind}.{self._index}" in names


for _kind in ("CPU", "GPU", "NPU"):
    BACKENDS.register(f"openvino-{_kind.lower()}")(partial(OpenVino, _kind))
