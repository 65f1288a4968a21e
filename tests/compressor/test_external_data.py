"""Weights beside the model: mapped when asked for, never from outside the folder, never beyond a file's end."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest

from compressor import model_io, model_writer
from compressor.errors import ModelFileError
from compressor.tensor_values import FileValues
from tests.compressor import small_models as small


def save(folder: Path, **entries: str | None) -> Path:
    """The small Conv model with `w` in w.bin; `entries` change (None: drop) what the model says about it."""
    proto = small.conv_model()
    weight = proto.graph.initializer[0]
    (folder / "w.bin").write_bytes(b"\0" * 16 + weight.raw_data)
    weight.ClearField("raw_data")
    weight.data_location = onnx.TensorProto.EXTERNAL
    stated: dict[str, str | None] = {"location": "w.bin", "offset": "16", "length": str(small.WEIGHT.nbytes), **entries}
    for key, text in stated.items():
        if text is not None:
            weight.external_data.add(key=key, value=text)
    (folder / "m.onnx").write_bytes(proto.SerializeToString())
    return folder / "m.onnx"


def refusal(path: Path) -> str:
    with pytest.raises(ModelFileError) as caught:
        model_io.read(path)
    assert "'w'" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.fix
    return str(caught.value)


def test_values_are_mapped(tmp_path: Path) -> None:
    graph = model_io.read(save(tmp_path))
    weight = graph.nodes[0].inputs[1]
    assert isinstance(weight._values, FileValues)
    np.testing.assert_array_equal(weight.values, small.WEIGHT)
    assert weight.values.base is not None  # a view of the mapped file


def test_length_and_offset_may_be_left_out(tmp_path: Path) -> None:
    path = save(tmp_path, offset=None, length=None)
    (tmp_path / "w.bin").write_bytes(small.WEIGHT.tobytes())
    np.testing.assert_array_equal(model_io.read(path).nodes[0].inputs[1].values, small.WEIGHT)


def test_a_subfolder_is_inside(tmp_path: Path) -> None:
    path = save(tmp_path, location="data/w.bin")
    (tmp_path / "data").mkdir()
    (tmp_path / "w.bin").rename(tmp_path / "data" / "w.bin")
    np.testing.assert_array_equal(model_io.read(path).nodes[0].inputs[1].values, small.WEIGHT)


@pytest.mark.parametrize(
    "location",
    ["", "/etc/hostname", "../w.bin", "data/../../w.bin", "..", "\\\\server\\share", "C:\\w.bin", "..\\w.bin", "a\0b"],
)
def test_locations_outside_the_folder_are_refused(location: str, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "w.bin").write_bytes(b"\0" * 5000)
    assert "not inside the model's folder" in refusal(save(tmp_path / "model", location=location))


def test_links_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    path = save(folder)
    (folder / "w.bin").rename(tmp_path / "w.bin")
    (folder / "w.bin").symlink_to(tmp_path / "w.bin")
    assert "not inside the model's folder" in refusal(path)
    (folder / "w.bin").unlink()
    (folder / "w.bin").symlink_to(folder / "w.bin")
    refusal(path)  # a link to itself
    (folder / "w.bin").unlink()
    path = save(folder, location="linked/w.bin")
    (folder / "linked").symlink_to(tmp_path)
    assert "not inside the model's folder" in refusal(path)


def test_a_cache_of_links_is_read(tmp_path: Path) -> None:
    """Download caches link readable names to files that lie together elsewhere."""
    blobs, shown = tmp_path / "blobs", tmp_path / "shown"
    blobs.mkdir()
    shown.mkdir()
    save(blobs)
    (blobs / "m.onnx").rename(blobs / "1234")
    (blobs / "w.bin").rename(blobs / "5678")
    (shown / "m.onnx").symlink_to("../blobs/1234")
    (shown / "w.bin").symlink_to("../blobs/5678")
    np.testing.assert_array_equal(model_io.read(shown / "m.onnx").nodes[0].inputs[1].values, small.WEIGHT)


def test_missing_unreadable_and_odd_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path)
    data = tmp_path / "w.bin"
    real_open = os.open

    def refuse(target: Path, *rest: int) -> int:
        if Path(target).name == "w.bin":
            raise PermissionError(13, "Permission denied")
        return real_open(target, *rest)

    with monkeypatch.context() as patched:
        patched.setattr("compressor.tensor_values.os.open", refuse)
        assert "cannot be read (Permission denied)" in refusal(path)
    data.unlink()
    assert f"{data}, which does not exist" in refusal(path)
    data.mkdir()
    assert "which is not a file" in refusal(path)
    data.rmdir()
    os.mkfifo(data)  # must not wait for a writer
    assert "which is not a file" in refusal(path)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"offset": "17"}, "ends at byte 4625"),
        ({"offset": "-1"}, "has offset '-1'"),
        ({"offset": "1e3"}, "has offset '1e3'"),
        ({"offset": "9" * 30}, "has offset"),
        ({"offset": str(2**63)}, "has offset"),
        ({"offset": str(2**62)}, "ends at byte"),
        ({"length": "12"}, r"has 12 bytes of data, its shape [16, 8, 3, 3] needs 4608"),
        ({"length": "x"}, "has length 'x'"),
    ],
)
def test_ranges_that_cannot_be_are_refused(entries: dict[str, str], message: str, tmp_path: Path) -> None:
    assert message in refusal(save(tmp_path, **entries))


def test_a_short_data_file_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path)
    os.truncate(tmp_path / "w.bin", 100)
    assert "ends at byte 4624 of" in refusal(path)
    os.truncate(tmp_path / "w.bin", 0)
    assert "which has 0" in refusal(path)


def test_a_model_from_memory_needs_a_folder(tmp_path: Path) -> None:
    proto = onnx.load(save(tmp_path), load_external_data=False)
    with pytest.raises(ModelFileError, match="pass the folder as base_dir"):
        model_io.from_proto(proto)
    np.testing.assert_array_equal(model_io.from_proto(proto, tmp_path).nodes[0].inputs[1].values, small.WEIGHT)


def test_constants_in_subgraphs_and_attributes_may_be_beside_too(tmp_path: Path) -> None:
    onnx.save(
        small.if_model(), tmp_path / "m.onnx", save_as_external_data=True, size_threshold=0, convert_attribute=True
    )
    back = model_io.to_proto(model_io.read(tmp_path / "m.onnx"))
    given = {"x": np.ones((2, 32), np.float32), "flag": np.array(False)}
    np.testing.assert_array_equal(small.run(back, given)[0], small.run(small.if_model(), given)[0])


def test_what_came_beside_is_written_beside(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    model_io.write(model_io.read(save(tmp_path)), out / "net.v2.onnx")
    assert sorted(path.name for path in out.iterdir()) == ["net.v2.onnx", "net.v2.onnx.data"]
    assert small.stripped(onnx.load(out / "net.v2.onnx")) == small.stripped(small.conv_model())
    (weight, bias) = onnx.load(out / "net.v2.onnx", load_external_data=False).graph.initializer
    assert weight.data_location == onnx.TensorProto.EXTERNAL
    assert bias.data_location == onnx.TensorProto.DEFAULT  # small ones stay


def test_a_model_and_its_data_can_be_written_over_themselves(tmp_path: Path) -> None:
    path = save(tmp_path, location="m.onnx.data")
    (tmp_path / "w.bin").rename(tmp_path / "m.onnx.data")
    graph = model_io.read(path)
    graph.nodes[0].inputs[2].values = np.ones(16, np.float32)
    model_io.write(graph, path)
    model_io.write(graph, path)
    np.testing.assert_array_equal(model_io.read(path).nodes[0].inputs[1].values, small.WEIGHT)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["m.onnx", "m.onnx.data"]


def test_large_models_are_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_writer, "LARGEST_SINGLE_FILE_BYTES", 4000)
    model_io.write(model_io.from_proto(small.conv_model()), tmp_path / "m.onnx")
    assert (tmp_path / "m.onnx.data").stat().st_size == small.WEIGHT.nbytes
    assert small.stripped(onnx.load(tmp_path / "m.onnx")) == small.stripped(small.conv_model())
