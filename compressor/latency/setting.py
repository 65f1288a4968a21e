"""Where and how latency counts: the runtime, its threads, and the sizes of the inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import onnx

from compressor.backends.base import Array, Backend, Session, available_cpus, get_backend, require_usable
from compressor.backends.fingerprint import fingerprint
from compressor.backends.inputs import index_bounds, random_feeds


@dataclass(frozen=True)
class Setting:
    """What a latency is measured on.

    Attributes:
        backend: a registered backend.
        threads: threads per operator; None takes every CPU this process may use.
        batch: size of a leading symbolic dimension.
        dims: sizes of symbolic dimensions, by symbol or as "input:axis".
        seed: of the inputs' values.
    """

    backend: str = "onnxruntime-cpu"
    threads: int | None = 1
    batch: int = 1
    dims: Mapping[str, int] = field(default_factory=dict)
    seed: int = 0

    def opened(self) -> Backend:
        """The backend, usable.

        Raises:
            BackendError: it is not, and why.
        """
        backend = get_backend(self.backend)
        require_usable(backend)
        return backend

    def feeds(self, model: onnx.ModelProto, session: Session) -> dict[str, Array]:
        """Inputs of these sizes."""
        return random_feeds(
            session.inputs, seed=self.seed, batch=self.batch, dims=dict(self.dims), bounds=index_bounds(model)
        )

    def facts(self) -> dict[str, Any]:
        """Which hardware and libraries, and how they are used; equal facts may share measurements."""
        found = require_usable(get_backend(self.backend))
        runtime = {"backend": self.backend, "version": str(found.version), "device": found.device}
        machine = fingerprint(runtime=runtime).to_json()
        libraries = {name: version for name, version in machine["libraries"].items() if name in _DECIDING}
        return {
            **{key: machine[key] for key in ("cpu_model", "cpus", "affinity", "cgroup_cpus", "os", "runtime")},
            "libraries": libraries, "threads": self.threads or available_cpus(), "batch": self.batch,
            "dims": dict(sorted(self.dims.items())),
        }  # fmt: skip


# Of all the fingerprint's libraries, those that a runtime's kernels come from.
_DECIDING = {
    "onnxruntime", "onnxruntime-directml", "onnxruntime-gpu", "onnxruntime-openvino", "onnxruntime-qnn", "openvino",
    "tensorrt", "torch", "triton",
}  # fmt: skip
