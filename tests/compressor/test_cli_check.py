"""``compressor check``: sound files, files that are none, sizes, and what is left whole."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import external_data_helper, helper, numpy_helper

from compressor import model_io
from compressor.cli_check import bytes_of
from compressor.errors import UsageError
from compressor.file_check import check_file
from compressor.normalize import normalize
from tests.compressor.cli_models import EXTERNAL, ODD_NAME, Cli, external, mlp, saved
from tests.malformed.cases import MODELS, SEEDS
from tests.malformed.mutations import BYTES
from tests.malformed.onnx_mutations import onnx_file


def test_a_sound_file(cli: Cli, tmp_path: Path) -> None:
    path = saved(tmp_path / "a.onnx")
    assert cli.ok("check", path) == (
        f"{path}: sound; opset 17, 3 nodes, 1600 parameters, {path.stat().st_size / 1000:.3g} kB\n"
    )
    found = cli.json("check", path)
    assert (found["kind"], found["version"]) == ("check", 1)
    assert found["files"] == [
        {
            "path": str(path), "sound": True, "problem": None, "size_bytes": path.stat().st_size, "params": 1600,
            "opset": 17, "ops": {"Gemm": 1, "MatMul": 1, "Relu": 1}, "whole": [],
        }
    ]  # fmt: skip


def test_weights_beside_it_count(cli: Cli, tmp_path: Path) -> None:
    path = external(tmp_path)
    (found,) = cli.json("check", path)["files"]
    assert found["size_bytes"] == path.stat().st_size + (tmp_path / EXTERNAL).stat().st_size


def outside(folder: Path) -> Path:
    path = external(folder)
    proto = onnx.load(path, load_external_data=False)
    (folder.parent / "secret.bin").write_bytes((folder / EXTERNAL).read_bytes())
    for tensor in proto.graph.initializer:
        for entry in tensor.external_data:
            entry.value = "../secret.bin" if entry.key == "location" else entry.value
    path.write_bytes(proto.SerializeToString())
    return path


def cut_short(folder: Path) -> Path:
    path = external(folder)
    data = folder / EXTERNAL
    data.write_bytes(data.read_bytes()[:-4])
    return path


def function_model(folder: Path, location: str | None = None, entries: int = 4, *, body: bool = False) -> Path:
    """A model whose function adds a constant of 4 numbers; in a file beside it, or in the body of an If as well."""
    constant = numpy_helper.from_array(np.arange(4, dtype=np.float32), "w")
    constant.raw_data = constant.raw_data[: 4 * entries]
    if location is not None:
        (folder / "w.data").write_bytes(constant.raw_data)
        external_data_helper.set_external_data(constant, location, length=16)
        constant.ClearField("raw_data")
    result = "inner" if body else "b"
    nodes = [helper.make_node("Constant", [], ["c"], value=constant), helper.make_node("Add", ["a", "c"], [result])]
    if body:
        made = helper.make_tensor_value_info(result, onnx.TensorProto.FLOAT, None)
        branch = helper.make_graph(nodes, "branch", [], [made])
        choice = numpy_helper.from_array(np.array(True), "choice")
        nodes = [
            helper.make_node("Constant", [], ["t"], value=choice),
            helper.make_node("If", ["t"], ["b"], then_branch=branch, else_branch=branch),
        ]
    opsets = [helper.make_opsetid("", 17)]
    function = helper.make_function("local", "Shift", ["a"], ["b"], nodes, opsets)
    value = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [4]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Shift", ["x"], ["y"], domain="local")], "g", value[:1], value[1:])
    proto = helper.make_model(
        graph, opset_imports=[*opsets, helper.make_opsetid("local", 1)], functions=[function], ir_version=8
    )
    (folder / "m.onnx").write_bytes(proto.SerializeToString())
    return folder / "m.onnx"


def no_such_op(folder: Path) -> Path:
    proto = mlp()
    proto.graph.node[1].op_type = "Rleu"
    return saved(folder / "m.onnx", proto)


def truncated(folder: Path) -> Path:
    path = saved(folder / "m.onnx")
    path.write_bytes(path.read_bytes()[:-100])
    return path


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (outside, "is not inside the model's folder"),
        (cut_short, "The data file is cut short"),
        (no_such_op, "not a valid ONNX model: No Op registered for Rleu"),
        (truncated, "not an ONNX file"),
        (lambda folder: function_model(folder, "none.data"), "which does not exist"),
        (lambda folder: function_model(folder, "../secret.bin"), "is not inside the model's folder"),
        (lambda folder: function_model(folder, "../secret.bin", body=True), "is not inside the model's folder"),
        (lambda folder: function_model(folder, "w.data", entries=3), "The data file is cut short"),
        (lambda folder: folder / "none.onnx", "no such file"),
        (lambda folder: folder, "is a folder"),
    ],
)
def test_bad_files_are_2_and_the_others_are_still_checked(make: object, says: str, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    bad, good = make(tmp_path / "folder"), saved(tmp_path / "good.onnx")  # type: ignore[operator]
    code, out, err = cli("check", bad, good)
    assert (code, err) == (2, "")
    first, second = out.splitlines()
    assert first.startswith(f"{bad}: ")
    assert says in first
    assert second.startswith(f"{good}: sound; ")
    code, out, _ = cli("check", bad, "--json")
    assert code == 2
    assert '"sound": false' in out
    assert says in out


def test_weights_of_functions_beside_the_file_count_and_come_along(cli: Cli, tmp_path: Path) -> None:
    path = function_model(tmp_path, "w.data")
    (found,) = cli.json("check", path)["files"]
    assert (found["sound"], found["size_bytes"]) == (True, path.stat().st_size + 16)
    assert model_io.digest(model_io.read(path)) == model_io.digest(model_io.read(function_model(tmp_path)))
    (tmp_path / "elsewhere").mkdir()
    function_model(tmp_path, "w.data")
    model_io.write(model_io.read(path), tmp_path / "elsewhere" / "copy.onnx")
    copy = onnx.load(tmp_path / "elsewhere" / "copy.onnx")
    np.testing.assert_array_equal(numpy_helper.to_array(copy.functions[0].node[0].attribute[0].t), np.arange(4))
    assert not model_io.to_proto(normalize(model_io.read(path))).functions


def test_a_file_of_weights_counts_once_however_it_is_spelt(tmp_path: Path) -> None:
    path = external(tmp_path)
    proto = onnx.load(path, load_external_data=False)
    (location,) = (entry for entry in proto.graph.initializer[0].external_data if entry.key == "location")
    location.value = f"./{location.value}"
    path.write_bytes(proto.SerializeToString())
    assert len(proto.graph.initializer) > 1
    assert check_file(path).size_bytes == path.stat().st_size + (tmp_path / EXTERNAL).stat().st_size


def test_malformed_files_are_one_line_each(tmp_path: Path) -> None:
    path, codes = tmp_path / "m.onnx", set()
    for number in range(200):
        rng = random.Random(number)
        mutate = onnx_file if number % 2 else rng.choice(BYTES)
        path.write_bytes(mutate((SEEDS / rng.choice(MODELS)).read_bytes(), rng))
        found = check_file(path)
        codes.add(found.exit_code)
        assert (found.problem is None) == (found.exit_code == 0)
        assert found.problem is None or len(found.problem.splitlines()) == 1
    assert codes == {0, 2}


def test_too_large_is_1_but_damaged_is_worse(cli: Cli, tmp_path: Path) -> None:
    path, bad = saved(tmp_path / "a.onnx"), tmp_path / "bad.onnx"
    bad.write_text("text")
    size = path.stat().st_size
    assert cli("check", path, "--max-size", str(size))[0] == 0
    code, out, _ = cli("check", path, "--max-size", str(size - 1))
    assert (code, "is more than the" in out) == (1, True)
    assert cli("check", path, bad, "--max-size", "1")[0] == 2
    code, out, _ = cli("check", path, "--max-size", "1", "--json")
    assert (code, '"sound": true' in out, "more than the 1 B allowed" in out) == (1, True, True)


def test_what_compress_leaves_whole_is_named(cli: Cli, tmp_path: Path) -> None:
    proto = mlp()
    proto.graph.node[1].op_type, proto.graph.node[1].domain = "Mine", "my.domain"
    proto.opset_import.append(helper.make_opsetid("my.domain", 1))
    proto.graph.node.append(helper.make_node("NonZero", ["x"], ["where"]))
    path = saved(tmp_path / "a.onnx", proto)
    assert cli.ok("check", path).endswith("; left whole by compress: 1 NonZero, 1 my.domain::Mine\n")
    (found,) = cli.json("check", path)["files"]
    assert [(one["op"], one["count"]) for one in found["whole"]] == [("NonZero", 1), ("my.domain::Mine", 1)]
    assert [one["reason"] for one in found["whole"]] == ["NonZero returns positions", "it has no rule"]


def test_functions_of_the_model_are_seen_through(cli: Cli, tmp_path: Path) -> None:
    proto = mlp()
    proto.graph.node[1].op_type, proto.graph.node[1].domain = "Act", "local"
    opsets = [helper.make_opsetid("", 17)]
    body = [helper.make_node("Relu", ["a"], ["b"])]
    proto.functions.append(helper.make_function("local", "Act", ["a"], ["b"], body, opsets))
    proto.opset_import.append(helper.make_opsetid("local", 1))
    assert "left whole" not in cli.ok("check", saved(tmp_path / "a.onnx", proto))


def test_names_are_shown_as_they_are(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "[red]a\x1b[31m.onnx"
    path.write_text("text")
    code, out, _ = cli("check", path)
    assert (code, "\x1b" in out, "[red]a\\x1b[31m.onnx: not an ONNX file" in out) == (2, False, True)
    assert cli("check", saved(tmp_path / "b.onnx", mlp(second=ODD_NAME)))[0] == 0


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [("4096", 4096), ("1kB", 1000), ("1.5 MB", 1_500_000), ("2GiB", 2 << 30), ("3b", 3), ("1KiB", 1024)],
)
def test_sizes(text: str, size_bytes: int) -> None:
    assert bytes_of(text) == size_bytes


@pytest.mark.parametrize("text", ["", "MB", "-1", "1e3", "1 TB", "1,5MB", "inf", "1" * 50, "٣"])
def test_what_is_no_size(text: str, cli: Cli, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no size"):
        bytes_of(text)
    assert "is no size" in cli.error("check", saved(tmp_path / "a.onnx"), f"--max-size={text}")
