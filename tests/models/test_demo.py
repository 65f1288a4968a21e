"""The embedded demo: its data, its model, and that the card tells the truth about both."""

from __future__ import annotations

import sys

import numpy as np
import onnx
import pytest

from compressor.models.demo import Split, demo_card, demo_folder, demo_model_path, load_digits, load_digits_test
from tests.models.onnx_runs import run

SPLITS: tuple[Split, ...] = ("train", "validation", "test")


@pytest.mark.parametrize("split", SPLITS)
def test_pictures_and_labels_are_what_the_docstring_says(split: Split) -> None:
    images, labels = load_digits(split)
    assert images.dtype == np.float32
    assert images.shape == (len(labels), 1, 8, 8)
    assert (images.min(), images.max()) == (0.0, 1.0)
    assert labels.dtype == np.int64
    assert set(labels) == set(range(10))
    assert demo_card()["pictures"][split] == len(labels)


def test_the_splits_are_all_the_pictures_and_do_not_overlap() -> None:
    pictures = [image.tobytes() for split in SPLITS for image in load_digits(split)[0]]
    assert len(pictures) == 1797
    assert len(set(pictures)) == 1797


def test_the_splits_are_scikit_learns_pictures() -> None:
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn has the original")
    pixels, targets = datasets.load_digits(return_X_y=True)
    wanted = {row.astype(np.float32).tobytes(): int(label) for row, label in zip(pixels / 16, targets, strict=True)}
    for split in SPLITS:
        assert all(wanted[image.tobytes()] == label for image, label in zip(*load_digits(split), strict=True))


@pytest.mark.parametrize("batchnorm", [False, True])
def test_the_model_reaches_the_cards_accuracy_in_onnx_runtime(batchnorm: bool) -> None:
    images, labels = load_digits_test()
    (logits,) = run(str(demo_model_path(batchnorm=batchnorm)), images)
    accuracy = float((logits.argmax(1) == labels).mean())
    assert accuracy >= 0.97
    # One picture may tip over between two builds of a runtime.
    assert accuracy == pytest.approx(demo_card()["accuracy"]["test"], abs=1.1 / len(labels))


def test_both_forms_are_the_same_network() -> None:
    images, _ = load_digits("validation")
    (deploy,), (norms,) = (run(str(demo_model_path(batchnorm=flag)), images) for flag in (False, True))
    np.testing.assert_allclose(deploy, norms, atol=1e-4)


def test_the_files_hold_what_they_are_named_for() -> None:
    deploy, norms = (onnx.load(demo_model_path(batchnorm=flag)) for flag in (False, True))
    for model in (deploy, norms):
        onnx.checker.check_model(model, full_check=True)
        assert [entry.name for entry in model.graph.input] == ["image"]
        assert [entry.name for entry in model.graph.output] == ["logits"]
        assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    counts = [sum(node.op_type == "BatchNormalization" for node in model.graph.node) for model in (deploy, norms)]
    convolutions = sum(node.op_type == "Conv" for node in norms.graph.node)
    assert counts == [0, convolutions]
    assert 50_000 <= demo_card()["parameters"] <= 150_000


def test_the_package_data_is_small() -> None:
    size_bytes = {path.name: path.stat().st_size for path in demo_folder().iterdir()}
    assert set(size_bytes) == {"digits.npz", "digits_cnn.onnx", "digits_cnn_bn.onnx", "digits_cnn.json"}
    assert size_bytes["digits.npz"] < 200_000
    assert sum(size_bytes.values()) < 1_000_000


def test_the_demo_needs_no_torch() -> None:
    """Run in a fresh interpreter: other tests of this process have imported torch."""
    import subprocess

    code = (
        "import sys; from compressor.models.demo import *; load_digits_test(); demo_model_path(); demo_card();"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=demo_folder().parent.parent)
