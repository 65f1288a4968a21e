"""What each criterion computes, against formulas written out anew."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from compressor.data_statistics import DataStatistics
from compressor.errors import GraphError
from compressor.passes.criteria import obs
from compressor.passes.labels import LabelStore, fixed
from compressor.passes.products import products_of
from compressor.passes.scores import CRITERIA, ScoreContext
from compressor.passes.sensitivity import Sensitivities
from compressor.passes.surgeon import RIDGE, Surgeon
from tests.passes.criterion_cases import IMAGES, LABELS, network, of_space, scored, values_of
from tests.passes.graphs import analysed

torch = pytest.importorskip("torch")
F = torch.nn.functional

ANALYSIS = network()
W = values_of(ANALYSIS)
SPACES = ("w1", "w2")  # each space by the weight that makes it
BODY = "h = MatMul(x, w)\ni = Add(h, b)\nj = Relu(i)\nt = MatMul(j, k)\ny = MatMul(t, v)"
MLP = analysed(BODY, {"w": (6, 8), "b": (8,), "k": (8, 7), "v": (7, 5)})


def slices(of: dict[str, Any], space: str) -> list[np.ndarray[Any, Any]]:
    """Sums over the slices of each channel: what makes it, what follows, what reads it."""
    if space == "w1":
        made, ones, read, axis = "w1", ("b1", "gamma", "beta", "mean", "var"), "w2", (0, 2, 3)
    else:
        made, ones, read, axis = "w2", ("b2",), "w3", (1,)  # type: ignore[assignment]
    found = [of[made].sum((1, 2, 3)) if made in of else None, *(of.get(name) for name in ones)]
    found.append(of[read].sum(axis) if read in of else None)
    return [part for part in found if part is not None]


def mapped(function: Any) -> dict[str, Any]:
    return {name: function(values) for name, values in W.items()}


@pytest.mark.parametrize("space", SPACES)
def test_l1_sums_what_makes_a_channel_and_what_reads_it(space: str) -> None:
    found = of_space(ANALYSIS, space, scored(ANALYSIS, "l1"))
    np.testing.assert_allclose(found, np.sum(slices(mapped(np.abs), space), axis=0), rtol=1e-6)


@pytest.mark.parametrize("space", SPACES)
def test_l2_is_the_norm_of_the_whole_group(space: str) -> None:
    parts = slices(mapped(np.square), space)
    for combine, reduce in (("sum", np.sum), ("mean", np.mean), ("max", np.max)):
        found = of_space(ANALYSIS, space, scored(ANALYSIS, "l2", combine))  # type: ignore[arg-type]
        np.testing.assert_allclose(found, np.sqrt(reduce(parts, axis=0)), rtol=1e-6)


def test_bn_scale_is_the_scale_and_leaves_other_spaces_alone() -> None:
    scores = scored(ANALYSIS, "bn-scale")
    np.testing.assert_allclose(of_space(ANALYSIS, "w1", scores), np.abs(W["gamma"]), rtol=1e-6)
    assert np.isinf(of_space(ANALYSIS, "w2", scores)).all()


def test_bn_scale_says_that_there_is_no_batch_norm() -> None:
    with pytest.raises(GraphError, match=r"bn-scale.* has none.*compressor export"):
        CRITERIA.get("bn-scale")(ScoreContext(MLP, 0))


@pytest.mark.parametrize("space", SPACES)
def test_fpgm_sums_distances_between_slices(space: str) -> None:
    made, read = (W["w1"], W["w2"].swapaxes(0, 1)) if space == "w1" else (W["w2"], W["w3"])
    expected = sum(
        np.array([sum(np.linalg.norm(a - b) for b in part) for a in part])
        for part in (made.reshape(len(made), -1), read.reshape(len(read), -1))
    )
    np.testing.assert_allclose(of_space(ANALYSIS, space, scored(ANALYSIS, "fpgm")), expected, rtol=1e-6)


@pytest.mark.parametrize("space", SPACES)
def test_lamp_divides_by_all_that_is_not_smaller(space: str) -> None:
    magnitudes = np.sum(slices(mapped(np.square), space), axis=0)
    expected = [own / magnitudes[magnitudes >= own].sum() for own in magnitudes]
    found = of_space(ANALYSIS, space, scored(ANALYSIS, "lamp"))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert found.max() == 1


def forward(weights: dict[str, Any], images: Any) -> tuple[Any, Any, Any]:
    """(what the second convolution reads, what the matrix reads, logits), in PyTorch."""
    made = F.conv2d(images, weights["w1"], weights["b1"], padding=1)
    names = ("mean", "var", "gamma", "beta")
    first = F.relu(F.batch_norm(made, *(weights[name] for name in names), training=False, eps=1e-5))
    pooled = F.relu(F.conv2d(first, weights["w2"], weights["b2"], stride=2)).mean((2, 3))
    return first, pooled, pooled @ weights["w3"] + weights["b3"]


@pytest.mark.parametrize("space", SPACES)
def test_activation_weights_by_the_root_mean_square_of_inputs(space: str) -> None:
    images = torch.tensor(IMAGES, dtype=torch.float64)
    first, pooled, _ = forward({name: torch.tensor(values) for name, values in W.items()}, images)
    rms = [x.pow(2).mean((0, *range(2, x.ndim))).sqrt().numpy() for x in (images, first, pooled)]
    weighted = {
        "w1": np.abs(W["w1"]) * rms[0][None, :, None, None],
        "w2": np.abs(W["w2"]) * rms[1][None, :, None, None],
        "w3": np.abs(W["w3"]) * rms[2][:, None],
    }
    found = of_space(ANALYSIS, space, scored(ANALYSIS, "activation"))
    np.testing.assert_allclose(found, np.sum(slices(weighted, space), axis=0), rtol=1e-5)


def sample_gradients(labels: Any) -> list[dict[str, Any]]:
    """Gradients of the cross-entropy of each picture."""
    found = []
    for image, label in zip(IMAGES, labels, strict=True):
        leaves = {name: torch.tensor(values, requires_grad=name not in ("mean", "var")) for name, values in W.items()}
        logits = forward(leaves, torch.tensor(image[None], dtype=torch.float64))[2]
        F.cross_entropy(logits, torch.tensor([int(label)])).backward()
        found.append({name: leaf.grad.numpy() for name, leaf in leaves.items() if leaf.grad is not None})
    return found


@pytest.mark.parametrize("space", SPACES)
def test_taylor_and_fisher_against_autograd(space: str) -> None:
    each = sample_gradients(LABELS)
    mean = {name: np.mean([g[name] for g in each], axis=0) for name in each[0]}
    square = {name: np.mean([g[name] ** 2 for g in each], axis=0) for name in each[0]}
    expected = {
        "taylor": np.sum(slices({name: np.abs(W[name] * g) for name, g in mean.items()}, space), axis=0),
        "taylor-group": sum(part**2 for part in slices({name: W[name] * g for name, g in mean.items()}, space)),
        "fisher": np.sum(slices({name: W[name] ** 2 * s / 2 for name, s in square.items()}, space), axis=0),
    }
    for name, numbers in expected.items():
        found = of_space(ANALYSIS, space, scored(ANALYSIS, name))
        np.testing.assert_allclose(found, numbers, rtol=1e-3, err_msg=name)


def test_fisher_with_sampled_labels_needs_no_labels_and_is_near_the_expectation() -> None:
    """Averaged over every label by its probability: what many draws come to."""
    logits = forward({name: torch.tensor(values) for name, values in W.items()}, torch.tensor(IMAGES).double())[2]
    chances = logits.softmax(1).numpy()
    by_label = [sample_gradients(np.full(len(IMAGES), label)) for label in range(5)]
    square = {
        name: np.mean([sum(chances[i, k] * by_label[k][i][name] ** 2 for k in range(5)) for i in range(len(IMAGES))], 0)
        for name in by_label[0][0]
    }
    expected = np.sum(slices({name: W[name] ** 2 * s / 2 for name, s in square.items()}, "w2"), axis=0)
    sampled = CRITERIA.get("fisher-sampled")
    contexts = [ScoreContext(ANALYSIS, 0, DataStatistics(IMAGES, seed=seed)) for seed in range(60)]
    draws = [of_space(ANALYSIS, "w2", sampled(context)) for context in contexts]
    np.testing.assert_allclose(np.mean(draws, axis=0), expected, rtol=0.3)
    assert (draws[0] != draws[1]).any()


def left_over(root: Any, matrix: Any, out: Any) -> float:
    """Brute force: what the best refit of all other columns leaves of the output; |root v|^2 is the error of v."""
    wanted = root @ matrix.T
    if out.all():
        return float(np.sum(wanted**2))
    refit = np.linalg.lstsq(root[:, ~out], wanted, rcond=None)[0]
    return float(np.sum((wanted - root[:, ~out] @ refit) ** 2))


def penalised_root(covariance: Any) -> Any:
    size = len(covariance)
    return np.linalg.cholesky(covariance + RIDGE * np.trace(covariance) / size * np.eye(size)).T


def test_a_surgeon_finds_the_error_that_least_squares_leaves() -> None:
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((400, 12)) @ rng.standard_normal((12, 12))  # correlated
    matrix = rng.standard_normal((5, 12))
    store = LabelStore()
    atoms = store.fresh(4)
    labels = np.repeat(atoms, 3)
    covariance = np.cov(rows.T, bias=True)
    root = penalised_root(covariance)
    surgeon = Surgeon.on(store, labels, fixed(5), matrix, covariance)
    for atom, error in zip(*surgeon.errors(atoms), strict=True):
        np.testing.assert_allclose(error, left_over(root, matrix, labels == atom), rtol=1e-8)
    lost = 0.0
    for together in (atoms[2:3], atoms[:2], atoms[3:]):  # errors of one removal after another add up to the joint one
        lost += surgeon.remove(together) or 0.0
        gone = ~np.isin(labels, surgeon.labels)
        np.testing.assert_allclose(lost, left_over(root, matrix, gone), rtol=1e-8)
    assert surgeon.remove(atoms) is None
    assert surgeon.labels.size == 0


def test_columns_of_two_atoms_go_with_either() -> None:
    rng = np.random.default_rng(4)
    store = LabelStore()
    heads, widths = store.fresh(2), store.fresh(3)
    labels = store.pair(heads[:, None], widths[None, :]).reshape(-1)
    surgeon = Surgeon.on(store, labels, fixed(5), rng.standard_normal((5, 6)), np.eye(6))
    surgeon.remove(heads[:1])
    assert surgeon.labels.size == 3
    assert sorted(surgeon.errors(widths)[0]) == sorted(widths)
    assert surgeon.errors(heads[:1])[0].size == 0
    surgeon.remove(widths[1:])
    assert surgeon.labels.size == 1


def test_outputs_that_go_along_are_no_loss() -> None:
    """A group of a convolution: its first two outputs are there only while its input is."""
    rng = np.random.default_rng(5)
    store = LabelStore()
    one, two = store.fresh(2)
    matrix, labels = rng.standard_normal((3, 4)), np.array([one, one, two, two])
    surgeon = Surgeon.on(store, labels, np.array([one, one, 0]), matrix, np.eye(4))
    whole = Surgeon.on(store, labels, fixed(1), matrix[2:], np.eye(4))
    for atom in (one, two):
        alone = (surgeon if atom == two else whole).errors(np.array([atom]))[1][0]
        rows = matrix if atom == two else matrix[2:]
        np.testing.assert_allclose(alone, (rows[:, labels == atom] ** 2).sum() * (1 + RIDGE))
    np.testing.assert_allclose(surgeon.errors(np.array([one]))[1], whole.errors(np.array([one]))[1])
    depthwise = Surgeon.on(store, labels[:2], np.array([one]), matrix[:1, :2], np.eye(2))
    assert depthwise.errors(np.array([one]))[0].size == 0
    assert depthwise.remove(np.array([one])) is None


def test_obs_scores_are_the_error_of_all_that_rank_below() -> None:
    weights = {name: torch.tensor(values) for name, values in W.items()}
    pooled = forward(weights, torch.tensor(IMAGES).double())[1].numpy()
    covariance = np.cov(pooled.T, bias=True)
    root, matrix = penalised_root(covariance), W["w3"].T
    scores = of_space(ANALYSIS, "w2", scored(ANALYSIS, "obs"))
    whole = np.ones(8, np.bool_)
    unit = left_over(root, matrix, whole) / scores.max()  # of the layer, and how much of it arrives at the outputs
    for score in scores:
        np.testing.assert_allclose(score, left_over(root, matrix, scores <= score) / unit, rtol=1e-3)
    for kept in range(1, 8):  # the cheapest that is left goes next
        gone = np.isin(np.arange(8), np.argsort(scores)[:kept])
        others = [left_over(root, matrix, gone | (np.arange(8) == i)) for i in np.flatnonzero(~gone)]
        np.testing.assert_allclose(np.sort(scores)[kept], min(others) / unit, rtol=1e-3)


def test_obs_takes_several_at_once_where_there_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    one_by_one = of_space(ANALYSIS, "w2", scored(ANALYSIS, "obs"))
    monkeypatch.setattr(obs, "STEPS", 3)
    found = of_space(ANALYSIS, "w2", scored(ANALYSIS, "obs"))
    np.testing.assert_allclose(found.max(), one_by_one.max(), rtol=1e-6)  # all of them: the same whatever the order
    assert found.argmin() == one_by_one.argmin()
    assert (np.sort(found)[2] >= np.sort(one_by_one)[2] * (1 - 1e-9)).all()


def test_obs_takes_another_walk_where_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = scored(ANALYSIS, "obs")
    monkeypatch.setattr(obs, "_BYTES", 1)
    np.testing.assert_array_equal(scored(ANALYSIS, "obs"), expected)


def test_obs_of_queries_and_keys_is_their_own_share_of_the_variance() -> None:
    """No weight reads them: they meet each other."""
    body = "q = MatMul(x, a)\nk = MatMul(x, b)\nt = Transpose<perm = [1, 0]>(k)\ny = MatMul(q, t)"
    analysis = analysed(body, {"a": (6, 4), "b": (6, 4)})
    rows = np.random.default_rng(0).standard_normal((64, 6)).astype(np.float32)
    scores = CRITERIA.get("obs")(ScoreContext(analysis, 0, DataStatistics(rows)))
    covariance = np.cov(rows.T.astype(np.float64), bias=True)
    tensors = analysis.graph.tensors()
    expected = np.zeros(4)
    context = ScoreContext(analysis, 0, DataStatistics(rows))
    products = products_of(analysis)
    sensitivities = Sensitivities(context, products)
    for product, moments in context.statistics.moments(analysis, products):
        values = tensors[product.initializer].values
        energy = np.diag(values.T @ covariance @ values)
        expected = expected + sensitivities.of(product, moments, energy.sum()) * energy / energy.sum()
    ordered = np.cumsum(np.sort(expected))
    np.testing.assert_allclose(np.sort(scores[analysis.spaces[0].atoms]), ordered, rtol=1e-5)
    assert (np.argsort(scores[analysis.spaces[0].atoms]) == np.argsort(expected)).all()
