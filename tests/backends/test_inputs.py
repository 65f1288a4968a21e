"""Random inputs: sizes, bounds, types, repeatability."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from onnx import TensorProto, helper

from compressor.backends.base import InputSpec, open_model
from compressor.backends.inputs import index_bounds, random_feeds
from compressor.errors import BackendError, UsageError
from tests.backends.small_models import model, value


def spec(name: str, dtype: object, *shape: int | str | None) -> InputSpec:
    return InputSpec(name, np.dtype(dtype), shape)  # type: ignore[call-overload]


SPECS = [spec("ids", np.int64, "batch", "seq"), spec("attention_mask", np.int64, "batch", "seq")]


def test_equal_symbols_get_equal_sizes() -> None:
    feeds = random_feeds([*SPECS, spec("bias", np.float32, 1, "seq", "batch")], seed=0, batch=3, dims={"seq": 7})
    assert {name: array.shape for name, array in feeds.items()} == {
        "ids": (3, 7),
        "attention_mask": (3, 7),
        "bias": (1, 7, 3),
    }


def test_a_symbol_that_leads_one_input_is_batch_in_all_whatever_the_order() -> None:
    feeds = random_feeds([spec("m", np.float32, 2, "N"), spec("x", np.float32, "N", 4)], seed=0, batch=5)
    assert feeds["m"].shape == (2, 5)
    assert feeds["x"].shape == (5, 4)


def test_unnamed_dimensions() -> None:
    specs = [spec("x", np.float32, None, 3, None, None)]
    assert random_feeds(specs, seed=0)["x"].shape == (1, 3, 1, 1)
    assert random_feeds(specs, seed=0, batch=2, dims={"x:2": 8, "x:3": 9})["x"].shape == (2, 3, 8, 9)


def test_integers_stay_within_their_bounds_and_reach_them() -> None:
    feeds = random_feeds(SPECS, seed=0, dims={"batch": 4, "seq": 500}, bounds={"ids": 10})
    assert set(np.unique(feeds["ids"])) == set(range(10))
    assert set(np.unique(feeds["attention_mask"])) == {0, 1}


def test_values_by_type() -> None:
    kinds = [np.float32, np.float16, ml_dtypes.bfloat16, np.uint8, np.bool_, np.int32]
    feeds = random_feeds([spec(str(i), kind, 4000) for i, kind in enumerate(kinds)], seed=0)
    assert [array.dtype for array in feeds.values()] == [np.dtype(kind) for kind in kinds]
    for name in "012":
        floats = feeds[name].astype(np.float64)
        assert abs(floats.mean()) < 0.1
        assert abs(floats.std() - 1) < 0.1
    assert feeds["3"].max() == 255
    assert 0.4 < feeds["4"].mean() < 0.6
    assert set(np.unique(feeds["5"])) == {0, 1}


def test_same_seed_same_inputs() -> None:
    specs = [spec("x", np.float32, 3), spec("y", np.float32, 3)]
    one, same, other = (random_feeds(specs, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one["y"], same["y"])
    assert not np.array_equal(one["y"], other["y"])
    assert not np.array_equal(one["x"], one["y"])


def test_scalars() -> None:
    feeds = random_feeds([spec("s", np.float32), spec("i", np.int64), spec("b", np.bool_)], seed=0)
    assert {array.shape for array in feeds.values()} == {()}
    assert all(isinstance(array, np.ndarray) for array in feeds.values())


@pytest.mark.parametrize(
    "options",
    [{"dims": {"sq": 3}}, {"dims": {"seq": 0}}, {"batch": 0}, {"bounds": {"idz": 3}}, {"bounds": {"ids": 0}}],
)
def test_mistakes_are_refused(options: dict[str, dict[str, int]]) -> None:
    with pytest.raises(UsageError):
        random_feeds(SPECS, seed=0, **options)  # type: ignore[arg-type]


def test_index_bounds_are_read_off_the_embedding_tables() -> None:
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("Gather", ["words", "ids"], ["a"]),
        helper.make_node("Cast", ["kinds"], ["kinds64"], to=TensorProto.INT64),
        helper.make_node("Unsqueeze", ["kinds64", "axis"], ["kinds3"]),
        helper.make_node("Gather", ["types", "kinds3"], ["b"], axis=1),
        helper.make_node("Add", ["free", "free"], ["c"]),
    ]
    integers = [value("ids", ["N", "S"], TensorProto.INT64), value("kinds", ["N", "S"], TensorProto.INT32)]
    proto = model(
        nodes,
        [*integers, value("free", ["N"], TensorProto.INT64)],
        [value("a", ["N", "S", 4]), value("b", [4, "N", "S", 1]), value("c", ["N"], TensorProto.INT64)],
        {
            "words": rng.standard_normal((50, 4)).astype(np.float32),
            "types": rng.standard_normal((4, 3)).astype(np.float32),
            "axis": np.array([-1]),
        },
    )
    bounds = index_bounds(proto)
    assert bounds == {"ids": 50, "kinds": 3}
    with open_model(proto) as session:
        session.run(random_feeds(session.inputs, seed=0, dims={"N": 20, "S": 20}, bounds=bounds))
        with pytest.raises(BackendError, match="indices"):
            session.run(random_feeds(session.inputs, seed=0, dims={"N": 20, "S": 20}, bounds={**bounds, "ids": 500}))
