"""Which nodes ONNX Runtime gives to which provider: what it leaves on the CPU would be timed there unnoticed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from compressor.backends.ort_model import OrtModel
from compressor.backends.ort_provider import CPU_PROVIDER
from compressor.errors import BackendError

if TYPE_CHECKING:
    import onnx

RECORD = "session.record_ep_graph_assignment_info"
FIRST_VERSION = (1, 24)  # get_provider_graph_assignment_info
_MOST_LISTED = 20
_SHAPE_OPS = {"Shape", "Size"}


def check_assignment(session: Any, provider: str, model: OrtModel, where: str) -> None:
    """Raise BackendError with the nodes that run on the CPU though ``provider`` was asked for.

    Arithmetic on shapes may stay there: ONNX Runtime computes it on the host by design, because a kernel launch
    for a handful of integers would cost more (``GetCpuPreferredNodes``), and no tensor has to be copied for it.

    Args:
        session: an InferenceSession that was opened with ``RECORD`` set to "1".
        provider: the provider asked for.
        model: what the session was opened from.
        where: the model's name, for the message.
    """
    parts = session.get_provider_graph_assignment_info()
    elsewhere = [node for part in parts if part.ep_name != provider for node in part.get_nodes()]
    if not elsewhere:
        return
    harmless = shape_arithmetic(_structure(model))
    misplaced = [node for node in elsewhere if node.name not in harmless]
    if not misplaced:
        return
    total = sum(len(part.get_nodes()) for part in parts)
    listed = ", ".join(f"{node.op_type} {node.name!r}" for node in misplaced[:_MOST_LISTED])
    more = f" and {len(misplaced) - _MOST_LISTED} more" if len(misplaced) > _MOST_LISTED else ""
    raise BackendError(
        f"asked for {provider}, but {len(misplaced)} of {total} nodes would run on {CPU_PROVIDER}: {listed}{more}",
        where=where, fix="Replace these ops, or use another backend; `compressor doctor` lists them.",
    )  # fmt: skip


def shape_arithmetic(graph: onnx.GraphProto) -> set[str]:
    """Names of the nodes whose outputs follow from shapes and constants alone; nodes must be in order."""
    known = {tensor.name for tensor in graph.initializer} | {""}
    found: set[str] = set()
    for node in graph.node:
        body = any(attribute.HasField("g") for attribute in node.attribute)
        from_known = bool(node.input) and not body and all(name in known for name in node.input)
        if node.op_type in _SHAPE_OPS or node.op_type == "Constant" or from_known:
            known.update(node.output)
            if node.name:
                found.add(node.name)
    return found


def _structure(model: OrtModel) -> onnx.GraphProto:
    import onnx

    if isinstance(model.source, bytes):
        return onnx.load_from_string(model.source).graph
    return onnx.load(model.source, load_external_data=False).graph
