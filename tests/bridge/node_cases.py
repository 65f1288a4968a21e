"""ONNX's own backend node tests against OnnxModule: ``python -m tests.bridge.node_cases [--only Op] [--verbose]``."""

from __future__ import annotations

import argparse
import functools
import sys
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import torch

from compressor.bridge import from_onnx
from compressor.bridge.lowering import LOWERINGS
from compressor.bridge.tensor_types import TORCH_TYPES, to_numpy, to_torch
from compressor.errors import CompressorError
from compressor.tensor_values import onnx_type

OLDEST_OPSET = 9
# Results drawn at random (the case's expectation is only its shape), or pictures decoded by another library.
_NOT_COMPARABLE = (
    "Bernoulli",
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
    "Multinomial",
    "ImageDecoder",
)


@dataclass
class Outcome:
    """What became of one op's cases."""

    passed: int = 0
    failed: dict[str, str] = field(default_factory=dict)  # case -> why
    unlowered: int = 0
    inapplicable: int = 0  # strings, types that PyTorch lacks, results drawn at random


@functools.cache
def cases() -> tuple[Any, ...]:
    """All node cases, as the installed onnx defines them."""
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return tuple(collect_testcases(None))


def op_of(case: Any) -> str:
    """The op that a case is about."""
    nodes = case.model.graph.node
    return str(nodes[0].op_type) if len(nodes) == 1 else "(several)"


def is_applicable(case: Any) -> bool:
    """Does it compute on plain tensors of numbers that PyTorch has, with a result that is determined?"""
    graph = case.model.graph
    values = [*graph.input, *graph.output]
    plain = all(_element_type(value.type) in TORCH_TYPES for value in values)
    ops = {node.op_type for node in _nodes(graph)}
    if any(entry.domain == "" and entry.version < OLDEST_OPSET for entry in case.model.opset_import):
        return False  # refused when read
    if any(node.op_type == "Dropout" and "training" in case.name for node in graph.node):
        return False  # drawn at random
    return plain and not ops & set(_NOT_COMPARABLE)


def _element_type(kind: onnx.TypeProto) -> int:
    """Of the tensors in a value, which may be a sequence or optional."""
    if kind.HasField("sequence_type"):
        return _element_type(kind.sequence_type.elem_type)
    if kind.HasField("optional_type"):
        return _element_type(kind.optional_type.elem_type)
    return int(kind.tensor_type.elem_type)


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _nodes(attribute.g)


def is_lowered(case: Any) -> bool:
    """Whether every op in it has a lowering."""
    functions = {function.name for function in case.model.functions}
    names = {n.op_type if n.domain in ("", "ai.onnx") else f"{n.domain}::{n.op_type}" for n in _nodes(case.model.graph)}
    return all(name in functions or LOWERINGS.find(name) is not None for name in names - {"Constant"})


def check(case: Any) -> str | None:
    """Why the module's results are not the expected ones, or None."""
    try:
        module = from_onnx(case.model)
        for inputs, expected in case.data_sets:
            with torch.no_grad():
                found = module(*(_given(value) for value in inputs))
            found = found if isinstance(found, tuple) else (found,)
            for value, wanted in zip(found, expected, strict=True):
                _compare(value, wanted, case.rtol, case.atol)
    except (CompressorError, RuntimeError, TypeError, ValueError, IndexError, AssertionError, AttributeError) as error:
        return f"{type(error).__name__}: {next(iter(str(error).strip().splitlines()), '')[:200]}"
    return None


def _given(value: Any) -> Any:
    """A case's input for the module: a tensor, a list of them, or nothing."""
    if value is None or isinstance(value, list):
        return value and [_given(item) for item in value]
    return to_torch(_array(value), "input")


def _array(value: Any) -> Any:
    """A case's data, which is a message where NumPy lacks the type."""
    return onnx.numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else np.asarray(value)


def _compare(value: Any, wanted: Any, rtol: float, atol: float) -> None:
    if isinstance(wanted, list):
        for item, expected in zip(value, wanted, strict=True):
            _compare(item, expected, rtol, atol)
        return
    wanted = _array(wanted)
    kind = TORCH_TYPES[onnx_type(wanted.dtype)]
    if value.dtype != kind:
        raise AssertionError(f"type {value.dtype} instead of {kind}")
    found = to_numpy(value, wanted.dtype)
    if found.shape != wanted.shape:
        raise AssertionError(f"shape {found.shape} instead of {wanted.shape}")
    precise = wanted.dtype in (np.float32, np.float64, np.complex64, np.complex128)
    if precise or wanted.dtype.kind in "iub":
        np.testing.assert_allclose(found, wanted, rtol=rtol, atol=max(atol, 1e-6))
    else:  # half precision and below: one unit in the last place may differ
        np.testing.assert_allclose(found.astype(np.float32), wanted.astype(np.float32), rtol=1e-2, atol=1e-2)


def sweep(selected: Sequence[Any]) -> dict[str, Outcome]:
    """Outcomes by op."""
    outcomes: dict[str, Outcome] = defaultdict(Outcome)
    for case in selected:
        outcome = outcomes[op_of(case)]
        if not is_applicable(case):
            outcome.inapplicable += 1
        elif not is_lowered(case):
            outcome.unlowered += 1
        else:
            why = check(case)
            if why is None:
                outcome.passed += 1
            else:
                outcome.failed[case.name] = why
    return dict(sorted(outcomes.items()))


def main(arguments: list[str] | None = None) -> int:
    """Print the table; 1 when under 95 % of the cases of lowered ops pass."""
    parser = argparse.ArgumentParser(prog="python -m tests.bridge.node_cases", description=__doc__)
    parser.add_argument("--only", default="", help="one op, or part of a case's name")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    outcomes = sweep([c for c in cases() if given.only in ("", op_of(c)) or given.only in c.name])
    total: Counter[str] = Counter()
    print(f"{'op':32} passed failed  no lowering  not applicable")
    for op, o in outcomes.items():
        total.update(passed=o.passed, failed=len(o.failed), unlowered=o.unlowered, inapplicable=o.inapplicable)
        print(f"{op:32} {o.passed:6} {len(o.failed):6} {o.unlowered:12} {o.inapplicable:15}")
        for name, why in o.failed.items():
            print(f"    {name}: {why}")
    print(f"{'all':32} {total['passed']:6} {total['failed']:6} {total['unlowered']:12} {total['inapplicable']:15}")
    return int(total["passed"] < 0.95 * (total["passed"] + total["failed"]))


if __name__ == "__main__":
    sys.exit(main())
