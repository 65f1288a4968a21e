"""Losses against PyTorch's own and against the definitions."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from compressor.bridge.label_loss import are_probabilities, label_loss, right_answers, settled_axis
from compressor.errors import UsageError
from compressor.training.losses import distillation_loss, feature_loss

torch.manual_seed(0)
LOGITS, LABELS = torch.randn(5, 4), torch.tensor([0, 3, 1, 2, 2])
TOKENS, TOKEN_LABELS = torch.randn(2, 7, 4), torch.randint(0, 4, (2, 7))
PIXELS, PIXEL_LABELS = torch.randn(2, 4, 3, 5), torch.randint(0, 4, (2, 3, 5))


def test_cross_entropy_of_classes_tokens_and_pixels() -> None:
    assert label_loss(LOGITS, LABELS) == pytest.approx(float(F.cross_entropy(LOGITS, LABELS)))
    wanted = F.cross_entropy(TOKENS.reshape(14, 4), TOKEN_LABELS.reshape(14))
    assert label_loss(TOKENS, TOKEN_LABELS) == pytest.approx(float(wanted))
    assert label_loss(PIXELS, PIXEL_LABELS) == pytest.approx(float(F.cross_entropy(PIXELS, PIXEL_LABELS)))


def test_models_that_end_in_a_softmax() -> None:
    probabilities = LOGITS.softmax(1)
    assert are_probabilities(probabilities, 1)
    assert not are_probabilities(LOGITS, 1)
    assert not are_probabilities(torch.ones(3, 1), 1)  # one number a sample, no distribution
    assert label_loss(probabilities, LABELS, probabilities=True) == pytest.approx(float(label_loss(LOGITS, LABELS)))


def test_ignored_labels_do_not_count() -> None:
    labels = TOKEN_LABELS.clone()
    labels[0] = -100
    assert label_loss(TOKENS, labels) == pytest.approx(float(label_loss(TOKENS[1:], TOKEN_LABELS[1:])))
    right, of = right_answers(TOKENS, labels)
    assert (right, of) == (int((TOKENS[1].argmax(-1) == TOKEN_LABELS[1]).sum()), 7)


def test_where_no_label_counts_there_is_nothing_to_learn() -> None:
    output = torch.randn(4, 3, requires_grad=True)
    loss = label_loss(output, torch.full((4,), -100))
    loss.backward()
    assert loss.item() == 0
    assert output.grad is not None
    assert not output.grad.any()


def test_squared_error_of_values() -> None:
    values = torch.randn(5, 1)
    assert label_loss(values, torch.zeros(5)) == pytest.approx(float(values.square().mean()))


def test_labels_that_do_not_fit() -> None:
    with pytest.raises(UsageError, match=r"labels \[3\] do not fit an output \[5, 4\]"):
        label_loss(LOGITS, LABELS[:3])
    with pytest.raises(UsageError, match=r"labels \[2\] do not fit"):
        label_loss(LOGITS, torch.zeros(2))


@pytest.mark.parametrize("label", [4, -1])
def test_labels_beyond_the_classes_are_told(label: int) -> None:
    with pytest.raises(UsageError, match=r"is none of the model's 4 classes\. Give labels from 0 to 3, or -100"):
        label_loss(LOGITS, torch.tensor([0, 1, 2, 3, label]))


def test_distillation_is_the_divergence_at_a_temperature() -> None:
    teacher, temperature = torch.randn(5, 4), 3.0
    p, q = (teacher / temperature).softmax(1), (LOGITS / temperature).softmax(1)
    wanted = (p * (p.log() - q.log())).sum(1).mean() * temperature**2
    assert distillation_loss(LOGITS, teacher, 1, temperature=temperature) == pytest.approx(float(wanted), rel=1e-5)
    assert distillation_loss(teacher, teacher, 1) == pytest.approx(0, abs=1e-6)
    from_probabilities = distillation_loss(
        LOGITS.softmax(1), teacher.softmax(1), 1, temperature=temperature, probabilities=True
    )
    assert from_probabilities == pytest.approx(float(wanted), rel=1e-4)


def test_distance_of_features_has_no_unit() -> None:
    feature, target = torch.randn(2, 3), torch.randn(2, 3)
    distance = feature_loss([feature], [target])
    assert distance == pytest.approx(float((feature - target).square().mean() / target.square().mean()))
    assert feature_loss([10 * feature], [10 * target]) == pytest.approx(float(distance), rel=1e-5)


@pytest.mark.parametrize(("shape", "axis"), [((2, 4), 1), ((2, 7, 4), 2), ((2, 4, 3, 5), 1), ((2, 4, 3, 5, 6), 1)])
def test_where_classes_are_without_labels(shape: tuple[int, ...], axis: int) -> None:
    assert settled_axis(torch.zeros(shape), None) == axis


def test_labels_say_where_classes_are() -> None:
    assert settled_axis(PIXELS, torch.zeros(2, 4, 3, dtype=torch.long)) == 3
