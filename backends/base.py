"""What a runtime must answer: is it usable, open this model, run it, time it.

A backend is one file in this folder. Importing it must not import its runtime: that happens in
``probe`` and ``open``, so that a machine without the runtime can still list it and say what to install.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from compressor.errors import BackendError, MachineError, ModelFileError, UsageError
from compressor.registry import Registry

if TYPE_CHECKING:
    import onnx

    from compressor.backends.kernels import Kernel

Array: TypeAlias = NDArray[Any]
KERNELS_FIX = "Open the model with profile=True, on a backend that tells: onnxruntime-cpu, openvino-cpu or torch-cpu."
ModelSource: TypeAlias = "bytes | str | os.PathLike[str] | onnx.ModelProto"


@dataclass(frozen=True)
class Availability:
    """Whether a backend can be used here.

    Attributes:
        usable: True when ``open`` is expected to work.
        version: version of the runtime, None when it is not installed.
        device: what it runs on, in words ("CPU", the name of a GPU).
        reason: why it is not usable, None when it is.
        install: a shell line that would make it usable, None when installing does not help (no such device).
    """

    usable: bool
    version: str | None
    device: str
    reason: str | None = None
    install: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON-ready values."""
        return asdict(self)


@dataclass(frozen=True)
class InputSpec:
    """One graph input: int = static, str = named dynamic, None = unnamed dynamic dimension."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | str | None, ...]


class Session(ABC):
    """A model opened by a runtime. A context manager; unusable after ``close``.

    Attributes:
        inputs: the inputs that must be fed.
        output_names: graph outputs in order, then the extra outputs asked for.
        provider: the execution provider that really runs it, as the runtime names it.
        threads: threads that compute one operator (on the host, where a device computes).
        timed: what ``time_ns`` measures, in words.
        bound_timed: the same of a clock around the calls that ``bound`` gives, None where that is no different.
        tells_kernels: whether ``kernels`` answers: the runtime tells, and the session was opened with ``profile=True``.
        averages_kernels: whether only averages over runs are exact, not the times of a single one.
    """

    inputs: list[InputSpec]
    output_names: list[str]
    provider: str
    threads: int
    tells_kernels: bool = False
    averages_kernels: bool = False
    timed: str = "whole runs, inputs and outputs in host memory"
    bound_timed: str | None = None

    @abstractmethod
    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name. Raises BackendError on wrong names, dtypes or shapes."""

    @abstractmethod
    def time_ns(self, feeds: Mapping[str, Array], repeats: int) -> list[int]:
        """Nanoseconds of each of ``repeats`` consecutive runs, each finished before the next one starts.

        Feeds are bound once, outside the clock; a session with a device of its own leaves them and the outputs there.
        """

    @contextmanager
    def bound(self, feeds: Mapping[str, Array]) -> Iterator[Callable[[], object]]:
        """A context: inside it, in the thread that entered it, each call of what it gives is one finished run.

        For whoever holds the clock: what ``time_ns`` does before its first run happens once, on entering.
        """
        yield lambda: self.run(feeds)

    def kernels(self, feeds: Mapping[str, Array], repeats: int) -> list[Kernel]:
        """The time of every kernel in each of ``repeats`` runs that follow a warm-up, in the order of a run.

        A run is timed kernel by kernel here, which makes it slower than those of ``time_ns``. Every call opens the
        model anew where the runtime gives its record only once.

        Raises:
            BackendError: the runtime does not tell, the session was opened without ``profile=True``, or wrong feeds.
        """
        raise BackendError(f"{self.provider} does not tell the times of its kernels in this session", fix=KERNELS_FIX)

    @abstractmethod
    def close(self) -> None:
        """Free the runtime's resources; closing twice is harmless."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def check_feeds(self, feeds: Mapping[str, Array]) -> None:
        """Raise BackendError unless ``feeds`` has exactly the inputs, with their dtypes and shapes."""
        wanted = {spec.name: spec for spec in self.inputs}
        missing, unknown = sorted(wanted.keys() - feeds.keys()), sorted(feeds.keys() - wanted.keys())
        if missing or unknown:
            raise BackendError(
                f"the inputs fed do not match the model: missing {missing}, unknown {unknown}",
                fix=f"Feed {sorted(wanted)}.",
            )
        for name, spec in wanted.items():
            array = feeds[name]
            if array.dtype != spec.dtype:
                raise BackendError(f"input is {array.dtype}, the model takes {spec.dtype}", where=name)
            fits = len(array.shape) == len(spec.shape) and all(
                not isinstance(dim, int) or dim == size for dim, size in zip(spec.shape, array.shape, strict=True)
            )
            if not fits:
                raise BackendError(f"input has shape {array.shape}, the model takes {spec.shape}", where=name)


class Backend(ABC):
    """A runtime on one device.

    Attributes:
        name: the name it is registered under, and the number of the device where that is not the first.
        tells_kernels: whether sessions opened with ``profile=True`` tell the times of single kernels.
        replays: whether only ``Session.time_ns`` runs as the name says, by replaying what it has captured: then there
            is no other mode than "latency".
    """

    name: str
    tells_kernels: bool = False
    replays: bool = False

    def on_device(self, index: int) -> Self:
        """This runtime on the device with this number, counted from 0; UsageError where there is no choice."""
        raise UsageError(f"{self.name} has no choice of devices", fix=f"Ask for {self.name}, without :{index}.")

    @abstractmethod
    def probe(self) -> Availability:
        """Whether it is usable here: cheap, and never raises."""

    @abstractmethod
    def open(
        self,
        model: ModelSource,
        *,
        threads: int | None = None,
        extra_outputs: Sequence[str] = (),
        optimize: bool = True,
        profile: bool = False,
    ) -> Session:
        """Open a model.

        Args:
            model: a path (needed for external data), serialised bytes, or a ModelProto (not modified).
            threads: threads per operator; None takes every CPU this process may use.
            extra_outputs: names of inner tensors to return as well.
            optimize: let the runtime rewrite the graph; False keeps every node, for verification.
            profile: keep what ``Session.kernels`` needs; no effect on ``run`` and ``time_ns``.

        Raises:
            BackendError: the runtime is missing, refuses the model, or would use another provider.
            MachineError: this machine has fewer CPUs than ``threads``.
            ModelFileError: ``model`` is a path to no file.
        """


# What is registered is called without arguments: a class, or a factory.
BACKENDS: Registry[Callable[[], Backend]] = Registry("backend", "compressor.backends")


def get_backend(name: str) -> Backend:
    """A fresh instance of the backend called ``name``, which may end in the number of a device ("torch-cuda:1").

    Raises:
        RegistryError: unknown; says the known names.
        UsageError: what follows the colon is no number, or the backend has no choice of devices.
    """
    kind, colon, index = name.partition(":")
    backend = BACKENDS.get(kind)()
    if not colon:
        return backend
    if not (index.isascii() and index.isdecimal()):
        raise UsageError(f"{name!r} does not end in the number of a device", fix=f"Write for example {kind}:0.")
    return backend.on_device(int(index))


def require_usable(backend: Backend) -> Availability:
    """What ``probe`` says, or MachineError with the reason and the install line where the backend is not usable."""
    found = backend.probe()
    if not found.usable:
        fix = f"Run: {found.install}" if found.install else "`compressor doctor` lists what works here."
        raise MachineError(str(found.reason), where=backend.name, fix=fix)
    return found


def open_model(model: ModelSource, *, backend: str = "onnxruntime-cpu", **options: Any) -> Session:
    """``get_backend(backend).open(model, **options)``."""
    return get_backend(backend).open(model, **options)


def model_path(model: str | os.PathLike[str]) -> Path:
    """``model`` as a path to an existing file, else ModelFileError."""
    path = Path(model)
    if not path.is_file():
        what = "is a folder, not a model file" if path.is_dir() else "no such file"
        raise ModelFileError(what, where=str(path), fix="Give the path of an ONNX file.")
    return path


def thread_count(threads: int | None) -> int:
    """``threads`` checked, or the number of CPUs this process may use when it is None.

    Raises:
        UsageError: less than one.
        MachineError: more than this machine has CPUs; runtimes would start them all and drown it.
    """
    if threads is None:
        return available_cpus()
    if threads < 1:
        raise UsageError(f"threads must be at least 1, not {threads}")
    cpus = os.cpu_count()
    if cpus is not None and threads > cpus:
        raise MachineError(f"asked for {threads} threads, this machine has {cpus} CPUs", fix=f"Ask for at most {cpus}.")
    return threads


def available_cpus() -> int:
    """CPUs in this process's affinity mask (all of them where the system has no masks)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
