"""External data of a model file: where the bytes of each tensor lie, checked before anything is mapped.

A model file is not trusted: a location may not lead out of the model's folder, not even through a link
(https://onnx.ai/onnx/repo-docs/ExternalData.html, CVE-2022-25882, CVE-2024-27318).
"""

from __future__ import annotations

import stat
from pathlib import Path, PurePosixPath, PureWindowsPath

import onnx

from compressor.errors import ModelFileError
from compressor.tensor_values import FileValues, MappedFile, check_type_and_shape, damaged, stored_bytes

_INTEGERS_UP_TO = 2**63


class ExternalData:
    """Opens the external files of one model, each once.

    Args:
        folder: the folder that locations are relative to; None if the model came from memory.
        model_path: the model's file, whose own folder also counts when `model_path` is a link
            (download caches link a readable name to files that lie side by side under another name).
        where: how messages call the model.
        written: locations that this process has just written under a temporary path.
    """

    def __init__(
        self,
        folder: Path | None,
        where: str,
        model_path: Path | None = None,
        written: dict[str, Path] | None = None,
    ) -> None:
        self._folder = folder
        self._written = written or {}
        self._where = where
        self._files: dict[Path, MappedFile] = {}
        self._located: dict[str, MappedFile] = {}
        self._model_path = model_path

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files opened so far."""
        return tuple(file.path for file in self._files.values())

    def values(self, tensor: onnx.TensorProto) -> FileValues:
        """Lazy values of an external tensor.

        Raises:
            ModelFileError: the location is unsafe or missing, or the range is not inside the file.
        """
        check_type_and_shape(tensor, self._where)
        entries = {entry.key: entry.value for entry in tensor.external_data}
        file = self._open(tensor.name, entries.get("location", ""))
        offset = self._integer(tensor.name, entries, "offset", 0)
        need = stored_bytes(tensor.data_type, tuple(tensor.dims))
        length = self._integer(tensor.name, entries, "length", need)
        if tensor.data_type == onnx.TensorProto.STRING:
            raise damaged(tensor.name, self._where, "keeps strings in external data, which ONNX does not allow")
        if length != need:
            shape = list(tensor.dims)
            raise damaged(tensor.name, self._where, f"has {length} bytes of data, its shape {shape} needs {need}")
        if offset + length > file.size_bytes:
            raise ModelFileError(
                f"tensor {tensor.name!r} ends at byte {offset + length} of {file.path}, which has {file.size_bytes}",
                where=self._where,
                fix="The data file is cut short or belongs to another model; copy it again beside the model.",
            )
        return FileValues(tensor.data_type, tuple(tensor.dims), file, offset)

    def _integer(self, tensor_name: str, entries: dict[str, str], key: str, default: int) -> int:
        text = entries.get(key, "")
        if not text:
            return default
        if not (text.isascii() and text.isdigit() and len(text) < 20) or int(text) >= _INTEGERS_UP_TO:
            raise damaged(tensor_name, self._where, f"has {key} {text!r} in its external data")
        return int(text)

    def _open(self, tensor_name: str, location: str) -> MappedFile:
        if location not in self._located:
            path = self._checked_path(tensor_name, location)
            if path not in self._files:  # one file may be spelt "w.data" and "./w.data"
                self._files[path] = self._map(tensor_name, path)
            self._located[location] = self._files[path]
        return self._located[location]

    def _map(self, tensor_name: str, path: Path) -> MappedFile:
        try:
            if not stat.S_ISREG(path.stat().st_mode):
                raise self._refusal(tensor_name, f"{path}, which is not a file")
            return MappedFile(path)
        except FileNotFoundError:
            raise self._refusal(tensor_name, f"{path}, which does not exist") from None
        except OSError as error:
            raise self._refusal(tensor_name, f"{path}, which cannot be read ({error.strerror})") from error

    def _refusal(self, tensor_name: str, what: str) -> ModelFileError:
        fix = "Put the data file, readable, in the model's folder."
        return ModelFileError(f"tensor {tensor_name!r} keeps its data in {what}", where=self._where, fix=fix)

    def _checked_path(self, tensor_name: str, location: str) -> Path:
        if self._folder is None:
            raise ModelFileError(
                f"tensor {tensor_name!r} keeps its data in {location!r}, but the model was given without a folder",
                where=self._where,
                fix="Read the model by its path, or pass the folder as base_dir.",
            )
        posix, windows = PurePosixPath(location), PureWindowsPath(location)
        absolute = posix.is_absolute() or bool(windows.drive or windows.root)
        if not location or "\0" in location or absolute or ".." in posix.parts or ".." in windows.parts:
            raise self._unsafe(tensor_name, location)
        if location in self._written:
            return self._written[location]
        try:
            resolved = (self._folder / location).resolve()
            roots = [self._folder.resolve()]
            if self._model_path is not None:
                roots.append(self._model_path.resolve().parent)
        except (OSError, RuntimeError):  # a loop of links
            raise self._unsafe(tensor_name, location) from None
        if not any(resolved.is_relative_to(root) for root in roots):
            raise self._unsafe(tensor_name, location)
        return resolved

    def _unsafe(self, tensor_name: str, location: str) -> ModelFileError:
        return ModelFileError(
            f"tensor {tensor_name!r} keeps its data in {location!r}, which is not inside the model's folder",
            where=self._where,
            fix="Move the data file into the model's folder and correct the location, "
            "or export the model again; do not open it if you do not trust its source.",
        )
