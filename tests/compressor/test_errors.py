"""Every deliberate error says what, where and what to do, on one line, with its own exit code."""

from __future__ import annotations

import copy

import pytest

from compressor import errors
from compressor.errors import CompressorError, ModelFileError

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, CompressorError)]


def test_one_line_joins_where_what_and_fix() -> None:
    error = ModelFileError("the file is truncated.", where="net.onnx", fix="Export it again.")
    assert str(error) == error.one_line() == "net.onnx: the file is truncated. Export it again."


@pytest.mark.parametrize(
    ("where", "fix", "line"),
    [
        (None, None, "it broke"),
        ("here", None, "here: it broke"),
        (None, "Mend it.", "it broke. Mend it."),
    ],
)
def test_parts_left_out_leave_no_trace(where: str | None, fix: str | None, line: str) -> None:
    assert CompressorError("it broke", where=where, fix=fix).one_line() == line


def test_line_breaks_of_a_wrapped_message_are_folded() -> None:
    assert "\n" not in CompressorError("protobuf says:\n  bad tag\n", fix="Look\nat it.").one_line()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_ends_the_program_with_a_failure(kind: type[CompressorError]) -> None:
    assert kind.exit_code in {errors.EXIT_FAILED, errors.EXIT_USAGE, errors.EXIT_ENVIRONMENT}
    assert kind.exit_code != 0
    assert kind.__doc__


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_error_survives_the_trip_between_processes(kind: type[CompressorError]) -> None:
    # copy uses the same protocol as a process pool does.
    twin = copy.copy(kind("it broke", where="here", fix="Mend it."))
    assert type(twin) is kind
    assert (twin.what, twin.where, twin.fix, str(twin)) == ("it broke", "here", "Mend it.", "here: it broke. Mend it.")


def test_a_bad_file_is_a_usage_error_of_the_command_line() -> None:
    assert ModelFileError.exit_code == errors.EXIT_USAGE == 2
