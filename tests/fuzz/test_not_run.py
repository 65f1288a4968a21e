"""What the runtime does not run is told apart from a broken promise and from a useless graph."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import onnx
import pytest

from compressor.backends.base import Session, open_model
from compressor.errors import CompressorError
from tests.fuzz import __main__ as long_run
from tests.fuzz import case as one_case
from tests.fuzz import promises
from tests.fuzz.draw import SeededDraw
from tests.fuzz.promises import InvalidGraphError, NotRunError, run_original
from tests.passes.graphs import f32, i64, model

GOOD = model("h = MatMul(x, w)\ny = MatMul(h, v)", {"w": (6, 8), "v": (8, 5)})
BAD_LOG = model("h = MatMul(x, w)\ny = Log(h)", {"w": (6, 8)})
MISFIT = model("h = MatMul(x, w)\ny = MatMul(h, v)", {"w": (6, 8), "v": (7, 5)})


def test_a_good_graph_runs() -> None:
    run_original(GOOD)


def test_no_finite_numbers_are_the_generators_fault() -> None:
    with pytest.raises(InvalidGraphError) as caught:
        run_original(BAD_LOG)
    assert not isinstance(caught.value, NotRunError)


def test_what_does_not_load_is_not_run() -> None:
    with pytest.raises(NotRunError, match="Incompatible dimensions"):
        run_original(MISFIT)


def test_what_only_the_optimised_original_gets_wrong_is_not_run() -> None:
    """As ONNX Runtime 1.32 did with Pad's axes between transposes; the runtime here may know better."""

    def optimised_wrong(proto: onnx.ModelProto, *, optimize: bool = True) -> Session:
        twin = onnx.ModelProto.FromString(proto.SerializeToString())
        if optimize:
            weight = twin.graph.initializer[0]
            weight.CopyFrom(onnx.numpy_helper.from_array(2 * onnx.numpy_helper.to_array(weight), weight.name))
        return open_model(twin, optimize=optimize)

    with patch.object(promises, "open_model", optimised_wrong), pytest.raises(NotRunError, match="other numbers"):
        run_original(GOOD)


def test_the_transpose_optimizers_trouble_with_axes_of_pad() -> None:
    line = "t = Transpose<perm=[0, 2, 1]>(x)\np = Pad(t, n, c, a)\ny = Transpose<perm=[0, 2, 1]>(p)"
    proto = model(line, {"n": i64([1, 2]), "c": f32(0.0), "a": i64([1])}, inputs="float[N, 3, 6] x")
    with open_model(proto, optimize=False) as session:
        assert session.run({"x": np.ones((2, 3, 6), np.float32)})["y"].shape == (2, 3, 9)
    if _optimised_runs(proto):
        pytest.skip("this version of the runtime optimises Pad with axes rightly")
    with pytest.raises(NotRunError, match="Gather"):  # the optimiser's own node: the graph has none
        run_original(proto)


def _optimised_runs(proto: onnx.ModelProto) -> bool:
    try:
        with open_model(proto) as session:
            session.run({"x": np.ones((2, 3, 6), np.float32)})
    except CompressorError:
        return False
    return True


def test_the_long_run_counts_it_apart(capsys: pytest.CaptureFixture[str]) -> None:
    with patch.object(one_case, "check", side_effect=NotRunError("cannot run the model: Gather")):
        outcome = one_case.try_case(SeededDraw(1, 0))
        assert (outcome.found, outcome.mismatch, outcome.not_run) == (None, "", "cannot run the model: Gather")
        assert long_run.main(["--graphs", "3"]) == 1  # all of them: the generator is no good
    printed = capsys.readouterr().out
    assert "0 invalid (0.0%), 3 not run by the runtime, 0 mismatches" in printed
    assert "not run by the runtime (3): cannot run the model: Gather" in printed
