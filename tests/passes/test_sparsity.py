"""Masks of single weights: shares and patterns are exact, the least important go, everything else stays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from compressor.data_statistics import DataStatistics
from compressor.errors import GraphError, NothingToPruneError, RegistryError, UsageError
from compressor.passes.products import products_of
from compressor.passes.sparsity import WEIGHT_CRITERIA, Pattern, apply_masks, find_masks
from tests.passes.criterion_cases import STATISTICS, network
from tests.passes.graphs import analysed, f32

HALF, TWO_OF_FOUR = Pattern.of(None, 0.5), Pattern.of("2:4", None)
MLP = analysed("h = MatMul(x, w)\ni = Add(h, b)\nj = Relu(i)\ny = MatMul(j, v)", {"w": (6, 9), "b": (9,), "v": (9, 5)})
NETWORK = network()


def values_of(graph: Any, name: str) -> Any:
    return np.asarray(graph.tensors()[name].values)


@pytest.mark.parametrize("name", WEIGHT_CRITERIA.names())
@pytest.mark.parametrize("scope", ["tensor", "global"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_the_share_is_exact_and_a_smaller_one_lies_inside(name: str, scope: Any, share: float) -> None:
    masks = find_masks(NETWORK, Pattern.of(None, share), name, scope, STATISTICS)
    assert set(masks.kept) == {"w1", "w2", "w3"}  # no bias, no batch norm
    dropped = {key: int((~kept).sum()) for key, kept in masks.kept.items()}
    total = sum(kept.size for kept in masks.kept.values())
    if scope == "global":
        assert sum(dropped.values()) == round(share * total)
    else:
        assert dropped == {key: round(share * kept.size) for key, kept in masks.kept.items()}
    fewer = find_masks(NETWORK, Pattern.of(None, share / 2), name, scope, STATISTICS)
    assert all((fewer.kept[key] | ~kept).all() for key, kept in masks.kept.items())


@pytest.mark.parametrize("name", WEIGHT_CRITERIA.names())
@pytest.mark.parametrize(("pattern", "kept_of"), [("2:4", (2, 4)), ("1:2", (1, 2)), ("4:6", (4, 6))])
def test_every_block_along_the_inputs_keeps_its_largest(name: str, pattern: str, kept_of: tuple[int, int]) -> None:
    n, m = kept_of
    masks = find_masks(NETWORK, Pattern.of(pattern, None), name, "tensor", STATISTICS)
    products = products_of(NETWORK)
    second = STATISTICS.second_moments(NETWORK, products)
    moments = {product.initializer: found for product, found in zip(products, second, strict=True)}
    for product in products:
        weight = values_of(NETWORK.graph, product.initializer)
        inputs = weight.shape[product.in_axis]
        if inputs < m:
            assert f"{inputs} inputs" in masks.whole[product.initializer]
            assert product.initializer not in masks.kept
            continue
        scale = np.sqrt(moments[product.initializer]) if name == "activation" else np.ones(inputs)
        scores = np.moveaxis(np.abs(weight), product.in_axis, -1) * scale
        kept = np.moveaxis(masks.kept[product.initializer], product.in_axis, -1)
        for index in np.ndindex(scores.shape[:-1]):
            for start in range(0, inputs // m * m, m):
                block = slice(start, start + m)
                largest = set(np.argsort(scores[index][block])[-n:])
                assert set(np.flatnonzero(kept[index][block])) == largest
            assert kept[index][inputs // m * m :].all()


def test_a_global_share_takes_more_where_weights_are_peaked() -> None:
    rng = np.random.default_rng(0)
    peaked = rng.standard_normal((6, 9)).astype(np.float32) ** 5
    analysis = analysed("h = MatMul(x, w)\ny = MatMul(h, v)", {"w": peaked, "v": (9, 5)})
    masks = find_masks(analysis, HALF, scope="global")
    assert masks.kept["w"].mean() < 0.5 < masks.kept["v"].mean()
    scaled = analysed("h = MatMul(x, w)\ny = MatMul(h, v)", {"w": 100 * peaked, "v": (9, 5)})
    np.testing.assert_array_equal(find_masks(scaled, HALF, scope="global").kept["w"], masks.kept["w"])


def test_the_graph_keeps_all_but_the_masked_weights() -> None:
    masks = find_masks(MLP, TWO_OF_FOUR)
    before = {name: values_of(MLP.graph, name).copy() for name in "wbv"}
    sparse = apply_masks(MLP.graph, masks)
    for name, kept in masks.kept.items():
        np.testing.assert_array_equal(values_of(sparse, name), np.where(kept, before[name], 0))
    np.testing.assert_array_equal(values_of(sparse, "b"), before["b"])
    np.testing.assert_array_equal(values_of(MLP.graph, "w"), before["w"])
    assert [node.name for node in sparse.nodes] == [node.name for node in MLP.graph.nodes]


def test_a_weight_that_two_nodes_read_keeps_what_matters_to_either() -> None:
    analysis = analysed("a = MatMul(x, w)\nb = MatMul(z, w)\ny = Add(a, b)", {"w": np.ones((4, 2), np.float32)},
                        inputs="float[N, 4] x, float[N, 4] z")  # fmt: skip
    x, z = np.tile(f32([3, 0.1, 0.1, 1]), (5, 1)), np.tile(f32([0.1, 0.1, 2, 1]), (5, 1))
    masks = find_masks(analysis, TWO_OF_FOUR, "activation", "tensor", DataStatistics((x, z)))
    np.testing.assert_array_equal(masks.kept["w"][:, 0], [True, False, True, False])


def test_half_precision_stays_half_precision() -> None:
    weights = np.random.default_rng(0).standard_normal((6, 8)).astype(np.float16)
    analysis = analysed("y = MatMul(x, w)", {"w": weights}, inputs="float16[N, 6] x", outputs="float16 y")
    sparse = apply_masks(analysis.graph, find_masks(analysis, HALF))
    assert values_of(sparse, "w").dtype == np.float16
    assert (values_of(sparse, "w") == 0).sum() == 24


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(UsageError, match=r"activation.*needs data.*--data"):
        find_masks(MLP, HALF, "activation")
    with pytest.raises(NothingToPruneError, match="no weight"):
        find_masks(MLP, Pattern.of("2:40", None))
    with pytest.raises(RegistryError, match="magnitude"):
        find_masks(MLP, HALF, "magnitud")
    with pytest.raises(UsageError, match="tensor, global"):
        find_masks(MLP, HALF, scope="layer")  # type: ignore[arg-type]
    bad = np.full((6, 9), np.nan, np.float32)
    with pytest.raises(GraphError, match="NaN"):
        find_masks(analysed("y = MatMul(x, w)", {"w": bad}), HALF)


@pytest.mark.parametrize("text", ["2", "4:2", "2:2", "0:4", "-1:4", "a:b", "2:4:8", "²:4"])
def test_patterns_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="2:4"):
        Pattern.of(text, None)


@pytest.mark.parametrize(
    ("text", "share"), [(None, None), ("2:4", 0.5), (None, 0.0), (None, 1.0), (None, float("nan"))]
)
def test_a_pattern_or_a_share(text: str | None, share: float | None) -> None:
    with pytest.raises(UsageError):
        Pattern.of(text, share)
