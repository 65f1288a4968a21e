"""``inspect --html``: one page with the graph coloured by space. It loads nothing and runs only its own script."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from pathlib import Path
from typing import Any

import onnx_graphsurgeon as gs
from jinja2 import Environment, PackageLoader, StrictUndefined

import compressor
from compressor.passes.analysis import Analysis, is_float
from compressor.passes.describe import Description
from compressor.passes.explain import FixedAxis
from compressor.results import Inspection
from compressor.units import count, percent, seconds, size


def page(result: Inspection, analysis: Analysis, spaces: list[Description], fixed: list[FixedAxis]) -> str:
    """The HTML page.

    Names come from files that nobody vouches for: jinja2 escapes them in the markup, ``tojson`` in the data
    block, the script puts them in as text, and the page's policy lets no other script run.
    """
    environment = Environment(
        loader=PackageLoader("compressor"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    folder = resources.files("compressor") / "templates"
    script, style = ((folder / f"inspection.{kind}").read_text(encoding="utf-8") for kind in ("js", "css"))
    return environment.get_template("inspection.html").render(
        title=Path(result.model).name,
        figures=_figures(result),
        interface=[
            f"{name} {_shape(shape)}" for part in (result.inputs, result.outputs) for name, shape in part.items()
        ],
        data=_data(result, analysis, spaces, fixed),
        script=script,
        style=style,
        policy=f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; base-uri 'none'",
        version=compressor.__version__,
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _figures(result: Inspection) -> list[tuple[str, str]]:
    return [
        ("opset", str(result.opset)),
        ("nodes", str(result.nodes)),
        ("parameters", count(result.params)),
        ("MACs per sample", count(result.macs)),
        ("file", size(result.size_bytes)),
        ("weights reachable", percent(result.weights_reached)),
        ("channel spaces", str(len(result.spaces))),
        ("removable channels", count(sum(space.size for space in result.spaces))),
        ("fixed axes", str(len(result.fixed))),
        ("analysed in", seconds(result.seconds)),
    ]


def _shape(sizes: Any) -> str:
    return "[" + ", ".join("?" if size is None else str(size) for size in sizes) + "]"


def _data(result: Inspection, analysis: Analysis, spaces: list[Description], fixed: list[FixedAxis]) -> dict[str, Any]:
    rows = _Rows(analysis)
    for number, space in enumerate(spaces):  # a node has the colour of what leaves it
        for node in space.results:
            rows.row_of(node)["spaces"].append(number)
    for number, space in enumerate(spaces):
        for node in sorted(set(space.nodes) - set(space.results)):
            rows.row_of(node)["spaces"].append(number)
    return {
        "rows": rows.rows,
        "spaces": [
            {
                "name": one.name, "size": one.size, "soft": one.soft, "params": count(one.params),
                "macs": count(one.macs), "passes": one.passes,
                "nodes": [rows.first + node for node in described.nodes],
                "normalised": [rows.first + node for node in described.normalised_by],
                "parts": [
                    [part.role, part.parameter, part.axis, part.per_channel, rows.first + part.node]
                    for part in described.parts
                ],
            }
            for one, described in zip(result.spaces, spaces, strict=True)
        ],
        "fixed": [
            {
                "parameter": one.parameter, "axis": one.axis, "count": one.count, "size": one.size,
                "reason": one.reason, "group": one.group,
                "chain": [[step.text, rows.first + step.node if step.node >= 0 else -1] for step in one.chain],
            }
            for one in fixed
        ],
    }  # fmt: skip


class _Rows:
    """The page's rows: graph inputs, nodes in order, graph outputs. ``first`` is the row of node 0."""

    def __init__(self, analysis: Analysis) -> None:
        graph = analysis.graph
        self._analysis = analysis
        self._producer = {tensor.name: row for row, tensor in enumerate(graph.inputs)}
        self.first = len(graph.inputs)
        for index, node in enumerate(analysis.nodes):
            for tensor in node.outputs:
                self._producer[tensor.name] = self.first + index
        self.rows = [_row("input", tensor.name, self._shape(tensor)) for tensor in graph.inputs]
        self.rows += [self._node(index, node) for index, node in enumerate(analysis.nodes)]
        self.rows += [
            _row("output", tensor.name, self._shape(tensor), sources=self._sources([tensor]))
            for tensor in graph.outputs
        ]

    def row_of(self, node: int) -> dict[str, Any]:
        """The row of a node."""
        return self.rows[self.first + node]

    def _node(self, index: int, node: gs.Node) -> dict[str, Any]:
        probe = self._analysis.probes[0]
        outputs = [tensor for tensor in node.outputs if tensor.name]
        data = any(tensor.name not in probe.dtypes or is_float(probe, tensor.name) for tensor in outputs)
        parameters = [
            [tensor.name, [int(size) for size in tensor.shape]]
            for slot, tensor in enumerate(node.inputs)
            if (index, slot) in self._analysis.state.uses
        ]
        return _row(
            node.op, node.name or outputs[0].name, self._shape(outputs[0]) if outputs else "",
            sources=self._sources(node.inputs), parameters=parameters, data=data,
        )  # fmt: skip

    def _sources(self, tensors: list[gs.Tensor]) -> list[int]:
        return sorted({self._producer[tensor.name] for tensor in tensors if tensor.name in self._producer})

    def _shape(self, tensor: gs.Tensor) -> str:
        one, two = (probe.shapes.get(tensor.name) for probe in self._analysis.probes)
        if one is None or two is None:
            return ""
        return _shape([size if size == other else None for size, other in zip(one, two, strict=True)])


def _row(
    op: str, name: str, shape: str, *, sources: list[int] | None = None, parameters: list[Any] | None = None,
    data: bool = True,
) -> dict[str, Any]:  # fmt: skip
    return {
        "op": op, "name": name, "shape": shape, "from": sources or [], "parameters": parameters or [], "data": data,
        "spaces": [],
    }  # fmt: skip
