"""The networks of models/ as training-form files, each exported once in a test run."""

from __future__ import annotations

import functools

import onnx

from compressor.models.export import Exporter, export
from compressor.models.registry import build, example_inputs


@functools.cache
def exported(name: str, exporter: Exporter = "dynamo") -> onnx.ModelProto:
    """With a dynamic batch; not to be changed."""
    return export(build(name), example_inputs(name), exporter=exporter, form="training", dynamic="batch")
