"""Networks that tests of latency share."""

from __future__ import annotations

import functools

import pytest

pytest.importorskip("torch", reason="the reference networks are PyTorch modules")

from compressor.model_io import from_proto
from compressor.models.export import export
from compressor.models.registry import build, example_inputs
from compressor.normalize import normalize
from compressor.passes.analysis import Analysis, analyse
from compressor.passes.fold_shuffles import fold_shuffles


@functools.cache
def analysis_of(name: str) -> Analysis:
    """One of our test networks, exported and analysed."""
    return analyse(fold_shuffles(normalize(from_proto(export(build(name), example_inputs(name))))))
