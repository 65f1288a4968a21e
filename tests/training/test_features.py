"""Inner tensors by name: taken out without changing anything, compared where shapes agree."""

from __future__ import annotations

import pytest
import torch

import compressor
from compressor.bridge import OnnxModule, from_onnx
from compressor.errors import UsageError
from compressor.loaded import load_model
from compressor.passes.masking import mask_atoms
from compressor.passes.rewrite import removal_of, remove_atoms
from compressor.training.features import inner_shapes, matching_features, with_features
from tests.training import digits

PICTURES = (torch.rand(2, 1, 8, 8),)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[OnnxModule, OnnxModule]:
    """(pruned, original)"""
    path = tmp_path_factory.mktemp("pruned") / "o.onnx"
    compressor.compress(digits.model(), path, channels=0.9, options=compressor.Options(scope="global"))
    return from_onnx(path), from_onnx(digits.model())


def test_shapes_by_the_graphs_names(pair: tuple[OnnxModule, OnnxModule]) -> None:
    shapes = inner_shapes(pair[1], PICTURES)
    assert shapes["logits"] == (2, 10)
    assert (2, 32, 8, 8) in shapes.values()


def test_taking_tensors_out_shares_everything(pair: tuple[OnnxModule, OnnxModule]) -> None:
    original = pair[1]
    name = next(name for name, shape in inner_shapes(original, PICTURES).items() if shape == (2, 32, 8, 8))
    tapped = with_features(original, [name])
    (output,), (feature,) = tapped(*PICTURES)
    assert torch.equal(output, original(*PICTURES))
    assert feature.shape == (2, 32, 8, 8)
    assert {id(p) for p in tapped.parameters()} == {id(p) for p in original.parameters()}
    tapped.train()
    tapped(*PICTURES)  # running statistics are shared too
    mine, theirs = dict(tapped.named_buffers()), dict(original.named_buffers())
    assert all(mine[key] is theirs[key] for key in mine)
    tapped.eval()


def test_only_equal_shapes_match(pair: tuple[OnnxModule, OnnxModule]) -> None:
    pruned, original = pair
    mine, theirs = inner_shapes(pruned, PICTURES), inner_shapes(original, PICTURES)
    found = matching_features(pruned, original, PICTURES)
    assert found
    assert "logits" not in [feature.name for feature in found]
    assert all(mine[feature.name] == theirs[feature.name] for feature in found)
    other = next(name for name in mine if mine[name] != theirs.get(name))
    with pytest.raises(UsageError, match=r"here and .* in the original"):
        matching_features(pruned, original, PICTURES, [other])
    with pytest.raises(UsageError, match="'nothing' is absent here"):
        matching_features(pruned, original, PICTURES, ["nothing"])


def test_of_a_cut_tensor_the_kept_part_is_compared() -> None:
    """The masked original's kept channels are the pruned network's: their distance is rounding."""
    loaded = load_model(digits.model())
    (gone, *_) = sorted(loaded.analysis.spaces, key=lambda space: space.size)
    atoms = gone.atoms[:3]
    masked, pruned = mask_atoms(loaded.analysis, atoms), remove_atoms(loaded.analysis, atoms)
    student, teacher = from_onnx(pruned), from_onnx(masked)
    masks = removal_of(loaded.analysis, atoms).tensor_masks
    found = [feature for feature in matching_features(student, teacher, PICTURES, kept=masks) if feature.kept]
    assert found
    names = [feature.name for feature in found]
    _, mine = with_features(student, names)(*PICTURES)
    _, theirs = with_features(teacher, names)(*PICTURES)
    for feature, here, there in zip(found, mine, theirs, strict=True):
        assert here.shape != there.shape
        assert torch.allclose(here, feature.of_teacher(there), atol=1e-4)
