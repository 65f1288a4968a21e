"""A failed write leaves what was there, and nothing else."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
import pytest

from compressor import model_io, model_writer
from compressor.errors import ModelFileError
from tests.compressor import small_models as small


@pytest.fixture(params=["one file", "two files"])
def target(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A path with an older model (and data) there, which must be as it was when the test ends."""
    if request.param == "two files":
        monkeypatch.setattr(model_writer, "LARGEST_SINGLE_FILE_BYTES", 0)
        (tmp_path / "m.onnx.data").write_bytes(b"old data")
    (tmp_path / "m.onnx").write_bytes(b"old model")
    before = contents(tmp_path)
    yield tmp_path / "m.onnx"
    monkeypatch.undo()
    assert contents(tmp_path) == before


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def graph() -> Any:
    return model_io.from_proto(small.conv_model())


class FailingFile:
    """A binary file whose `fail_at`-th write fails, having written half."""

    def __init__(self, file: Any, error: BaseException, fail_at: int) -> None:
        self._file, self._error, self._left = file, error, fail_at

    def write(self, data: bytes) -> int:
        self._left -= 1
        if self._left == 0:
            self._file.write(data[: len(data) // 2])
            raise self._error
        return int(self._file.write(data))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> FailingFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def fail_writes(monkeypatch: pytest.MonkeyPatch, error: BaseException, fail_at: int) -> None:
    real = os.fdopen
    monkeypatch.setattr(os, "fdopen", lambda *args: FailingFile(real(*args), error, fail_at))


def disk_full() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("fail_at", [1, 2, 3])
def test_disk_full_while_writing(target: Path, fail_at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_writes(monkeypatch, disk_full(), fail_at if target.with_name("m.onnx.data").exists() is False else 1)
    with pytest.raises(ModelFileError, match=r"m\.onnx: cannot be written: No space left on device\. Free some space"):
        model_io.write(graph(), target)


@pytest.mark.parametrize(
    ("name", "error", "fix"),
    [
        ("fsync", disk_full(), "Free some space"),
        ("fsync", OSError(errno.EIO, "Input/output error"), "Check the disk"),
        ("open", PermissionError(errno.EACCES, "Permission denied"), "folder you may write to"),
        ("open", OSError(errno.EROFS, "Read-only file system"), "not read-only"),
        ("open", OSError(errno.EDQUOT, "Disk quota exceeded"), "quota"),
    ],
)
def test_failing_system_calls(
    target: Path, name: str, error: OSError, fix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    prepared = graph()
    monkeypatch.setattr(os, name, fail)  # root may write anywhere, so permission is simulated
    with pytest.raises(ModelFileError, match=fix) as caught:
        model_io.write(prepared, target)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("fail_at", [1, 2])
def test_ctrl_c_while_writing(target: Path, fail_at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_writes(monkeypatch, KeyboardInterrupt(), min(fail_at, 1 if (target.parent / "m.onnx.data").exists() else 2))
    with pytest.raises(KeyboardInterrupt):
        model_io.write(graph(), target)


def test_ctrl_c_while_verifying(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(model_io, "_verify", interrupt)
    with pytest.raises(KeyboardInterrupt):
        model_io.write(graph(), target)


@pytest.mark.parametrize("call", [1, 2, 3, 4])
def test_a_failing_rename(target: Path, call: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two files take four renames (old data aside, new in, old model aside, new in); one takes one."""
    calls = 0
    real = Path.replace

    def fail(self: Path, other: Path) -> Path:
        nonlocal calls
        calls += 1
        if calls == call:
            raise KeyboardInterrupt if call % 2 else PermissionError(errno.EACCES, "Permission denied")
        return real(self, other)

    monkeypatch.setattr(Path, "replace", fail)
    if call > 1 and not target.with_name("m.onnx.data").exists():
        pytest.skip("one file takes one rename")
    with pytest.raises(KeyboardInterrupt if call % 2 else ModelFileError):
        model_io.write(graph(), target)


def test_a_graph_that_is_not_valid_is_not_written(target: Path) -> None:
    broken = graph()
    broken.nodes[1].op = "NoSuchOperator"
    with pytest.raises(ModelFileError, match="not a valid ONNX model"):
        model_io.write(broken, target)


def test_a_file_that_does_not_read_back_is_not_put_in_place(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_writer, "raw_bytes", lambda constant: b"\0" * 7)
    with pytest.raises(ModelFileError):
        model_io.write(graph(), target)


def test_paths_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"x")
    for path, message in {
        tmp_path / "missing" / "m.onnx": "Create the folder first",
        tmp_path / "folder": "Choose the name of a file",
        tmp_path / "file" / "m.onnx": "whose folders are folders",
        tmp_path / ("m" * 300 + ".onnx"): "shorter name",
    }.items():
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(ModelFileError, match=message):
            model_io.write(graph(), path)
        assert sorted(tmp_path.rglob("*")) == before


def test_permissions_and_links_of_the_target_stay(tmp_path: Path) -> None:
    (tmp_path / "real.onnx").write_bytes(b"old")
    (tmp_path / "real.onnx").chmod(0o640)
    (tmp_path / "link.onnx").symlink_to("real.onnx")
    model_io.write(graph(), tmp_path / "link.onnx")
    assert (tmp_path / "link.onnx").is_symlink()
    assert (tmp_path / "real.onnx").stat().st_mode & 0o777 == 0o640
    onnx.checker.check_model(tmp_path / "real.onnx")
    assert len(list(tmp_path.iterdir())) == 2


def test_a_new_file_has_the_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "usual").write_bytes(b"")
    model_io.write(graph(), tmp_path / "m.onnx")
    assert (tmp_path / "m.onnx").stat().st_mode == (tmp_path / "usual").stat().st_mode
