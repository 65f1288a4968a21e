"""Finding and running the user's functions: by file or module, errors in one line, nothing left behind."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from compressor.errors import GraphError, UsageError
from compressor.user_code import load_callable

SOURCE = """
from dataclasses import dataclass

@dataclass
class Net:
    width: int = 3

    @classmethod
    def small(cls):
        return cls(1)

LIMIT = 5

def build(width=2):
    return Net(width)

def broken():
    raise ValueError("too many heads\\nsecond line")

def lazy():
    from neighbour_of_net import answer
    return answer
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "net_for_tests.py"
    path.write_text(SOURCE)
    (tmp_path / "neighbour_of_net.py").write_text("answer = 42\n")
    return path


def failing(tmp_path: Path, source: str) -> Path:
    path = tmp_path / "failing_for_tests.py"
    path.write_text(source)
    return path


def message(spec: str) -> str:
    with pytest.raises(UsageError) as caught:
        load_callable(spec)()
    said = str(caught.value)
    assert "\n" not in said
    return said


def test_a_function_a_class_and_a_method_of_a_file(file: Path) -> None:
    assert load_callable(f"{file}:build")(7).width == 7
    assert load_callable(f"{file}:Net")(width=4).width == 4
    assert load_callable(f"{file}:Net.small")().width == 1


def test_a_file_is_imported_once(file: Path) -> None:
    first, second = load_callable(f"{file}:Net"), load_callable(f"{file.parent}/./{file.name}:Net")
    assert first.function is second.function


def test_two_files_of_one_name_are_two_modules(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "same_name_for_tests.py").write_text(f"def f(): return {number}\n")
    functions = [load_callable(f"{tmp_path}/{number}/same_name_for_tests.py:f") for number in (1, 2)]
    assert [function() for function in functions] == [1, 2]


def test_a_file_called_like_a_module_of_ours_does_not_replace_it(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("def f(): return 'mine'\n")
    json = sys.modules["json"]
    assert load_callable(f"{tmp_path}/json.py:f")() == "mine"
    assert sys.modules["json"] is json


def test_neighbours_can_be_imported_while_it_runs_and_the_path_is_as_before(file: Path) -> None:
    before = list(sys.path)
    assert load_callable(f"{file}:lazy")() == 42
    assert sys.path == before


def test_a_module_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "package_for_tests"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "inner.py").write_text("def f(): return 'here'\n")
    monkeypatch.chdir(tmp_path)
    assert load_callable("package_for_tests.inner:f")() == "here"


@pytest.mark.parametrize("spec", ["", "model.py", ":build", "model.py:", "model"])
def test_a_spec_without_a_function(spec: str) -> None:
    assert "path/to/file.py:function" in message(spec)


def test_a_missing_file_names_the_nearest(file: Path) -> None:
    assert "no such file. Did you mean 'net_for_tests.py'?" in message(f"{file.parent}/net_for_test.py:build")
    assert "no such file. Check the path." in message(f"{file.parent}/absent/net.py:build")


def test_a_missing_function_names_the_nearest_and_what_there_is(file: Path) -> None:
    assert "has no function 'biuld'. Did you mean 'build'? It has Net, broken, build, lazy." in message(f"{file}:biuld")


def test_what_is_no_function(file: Path) -> None:
    assert "'LIMIT' is a int, not a function" in message(f"{file}:LIMIT")


def test_a_missing_module_is_told_from_a_module_that_misses_one(tmp_path: Path) -> None:
    assert "no module named 'no_such_package'" in message("no_such_package.models:build")
    path = failing(tmp_path, "import no_such_dependency\n")
    said = message(f"{path}:build")
    assert "cannot be imported (failing_for_tests.py:1)" in said
    assert "No module named 'no_such_dependency'" in said


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("x = 1\nraise RuntimeError('no GPU')\n", "(failing_for_tests.py:2): RuntimeError: no GPU"),
        ("def f(:\n", "line 1: SyntaxError"),
        ("import sys\nsys.exit(3)\n", "(failing_for_tests.py:2): SystemExit: 3"),
    ],
)
def test_an_import_that_fails_is_one_line_and_can_be_tried_again(tmp_path: Path, source: str, says: str) -> None:
    path = failing(tmp_path, source)
    assert says in message(f"{path}:f")
    path.write_text("def f(): return 'repaired now'\n")
    assert load_callable(f"{path}:f")() == "repaired now"


def test_a_function_that_raises_is_one_line_with_its_place(file: Path) -> None:
    said = message(f"{file}:broken")
    assert "raised (net_for_tests.py:18): ValueError: too many heads" in said
    assert "second line" not in said


def test_our_own_errors_pass_as_they_are(tmp_path: Path) -> None:
    path = failing(tmp_path, "from compressor.errors import GraphError\ndef f(): raise GraphError('mine')\n")
    with pytest.raises(GraphError, match="mine"):
        load_callable(f"{path}:f")()


def test_an_interruption_is_not_an_error(tmp_path: Path) -> None:
    path = failing(tmp_path, "def f(): raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        load_callable(f"{path}:f")()
