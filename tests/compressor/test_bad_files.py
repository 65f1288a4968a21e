"""Whatever is handed in: a graph or a ModelFileError of one line, never another exception."""

from __future__ import annotations

import gzip
import os
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import helper

from compressor import model_io
from compressor.errors import EXIT_USAGE, ModelFileError
from tests.compressor import small_models as small
from tests.compressor.test_model_io import annotated_model


def refusal(path: Path) -> str:
    """The message `read` refuses `path` with."""
    with pytest.raises(ModelFileError) as caught:
        model_io.read(path)
    text = str(caught.value)
    assert "\n" not in text
    assert caught.value.fix
    assert caught.value.exit_code == EXIT_USAGE
    return text


def accepted(path: Path) -> bool:
    """Is `path` read, and can it be written again? Any error but a ModelFileError of one line fails the test."""
    try:
        model_io.to_proto(model_io.read(path))
    except ModelFileError as error:
        if "\n" in str(error):
            raise
        return False
    return True


CONTENTS = {
    "empty": (b"", "the file is empty"),
    "text": (b"hello, this is a text file\n" * 20, "it is a text file"),
    "unicode text": ("Grüße, keine ONNX-Datei\n".encode() * 20, "it is a text file"),
    "json": (b'{"a": [1, 2, 3]}', "it is a text file"),
    "letter": (b"a", "not an ONNX file"),
    "zero bytes": (b"\0" * 1000, "not an ONNX file"),
    "ones": (b"\xff" * 1000, "not an ONNX file"),
    "lfs pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "git lfs pull"),
    "gzip": (gzip.compress(b"x" * 99), "compressed"),
    "keras": (b"\x89HDF\r\n\x1a\n" + b"\0" * 99, "Keras"),
    "pickle": (b"\x80\x02}q\x00.", "torch.onnx.export"),
    "tflite": (b"\x1c\0\0\0TFL3" + b"\0" * 99, "tf2onnx"),
    "another protobuf": (helper.make_opsetid("com.example", 4).SerializeToString(), "not an ONNX file"),
    "no graph": (onnx.ModelProto(ir_version=8, producer_name="p").SerializeToString(), "not an ONNX file"),
    "empty graph": (onnx.ModelProto(ir_version=8, graph=onnx.GraphProto(name="g")).SerializeToString(), "no graph"),
    "no version": (onnx.ModelProto(graph=small.conv_model().graph).SerializeToString(), "not a valid ONNX model"),
    "tensor file": (small.tensor("w", small.WEIGHT).SerializeToString(), "not an ONNX file"),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_files_that_are_not_onnx(name: str, tmp_path: Path) -> None:
    content, message = CONTENTS[name]
    (tmp_path / "m.onnx").write_bytes(content)
    assert message in refusal(tmp_path / "m.onnx")


def test_a_torch_checkpoint_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "m.pt", "w") as archive:
        archive.writestr("archive/data.pkl", b"x")
    assert "torch.onnx.export" in refusal(tmp_path / "m.pt")


def test_paths_that_lead_nowhere(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "missing.onnx")
    assert "is a folder" in refusal(tmp_path)
    (tmp_path / "file").write_bytes(b"x")
    assert "cannot be read: Not a directory" in refusal(tmp_path / "file" / "m.onnx")
    assert "not a possible path" in refusal(Path("a\0b"))
    os.mkfifo(tmp_path / "pipe")  # must not wait for a writer
    assert "not a regular file" in refusal(tmp_path / "pipe")


def test_an_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    onnx.save(small.conv_model(), tmp_path / "m.onnx")

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("compressor.tensor_values.os.open", refuse)  # root may read anything
    assert "cannot be read: Permission denied. Give yourself permission" in refusal(tmp_path / "m.onnx")


@pytest.mark.parametrize(
    ("opset", "ir_version", "message"),
    [(8, 8, "opset 8 is older"), (999, 8, "opset 999 is newer"), (17, 999, "IR version 999 is newer")],
)
def test_versions_outside_the_known(opset: int, ir_version: int, message: str) -> None:
    proto = small.conv_model()
    proto.opset_import[0].version, proto.ir_version = opset, ir_version
    with pytest.raises(ModelFileError, match=message):
        model_io.from_proto(proto)


def test_graphs_that_cannot_be_run_are_refused() -> None:
    proto = small.conv_model()
    proto.graph.node[1].input[0] = "nothing_makes_this"
    with pytest.raises(ModelFileError, match="not a valid ONNX model"):
        model_io.from_proto(proto)


@pytest.mark.parametrize("make", [small.conv_model, annotated_model, small.if_model])
def test_every_truncation_is_refused(make: Callable[[], onnx.ModelProto], tmp_path: Path) -> None:
    data = make().SerializeToString()
    path = tmp_path / "m.onnx"
    for size in range(1, len(data), max(1, len(data) // 1500)):
        path.write_bytes(data[:size])
        if accepted(path):  # only what follows graph and operator sets can be missing unseen: the metadata
            assert onnx.load(path).graph == make().graph
            assert len(onnx.load(path).opset_import) == len(make().opset_import)


@pytest.mark.parametrize("make", [small.conv_model, annotated_model, small.if_model])
def test_flipped_bits_load_or_are_refused(make: Callable[[], onnx.ModelProto], tmp_path: Path) -> None:
    data = make().SerializeToString()
    generator = random.Random(0)
    path = tmp_path / "m.onnx"
    weight = data.find(small.WEIGHT.tobytes())
    places = [i for i in range(len(data)) if weight < 0 or not weight + 8 <= i < weight + small.WEIGHT.nbytes]
    refused = 0
    for _ in range(1500):
        damaged = bytearray(data)
        for place in generator.sample(places, generator.choice([1, 1, 1, 5])):
            damaged[place] ^= 1 << generator.randrange(8)
        path.write_bytes(damaged)
        refused += not accepted(path)
    assert refused > 150


def test_random_bytes_are_refused(tmp_path: Path) -> None:
    generator = random.Random(0)
    for size in range(1, 300):
        (tmp_path / "m.onnx").write_bytes(generator.randbytes(size))
        refusal(tmp_path / "m.onnx")
