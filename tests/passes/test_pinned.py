"""Every op of the table of pins: whatever it reads stays, with the table's reason; its shapes need not be known."""

from __future__ import annotations

import numpy as np
import onnx_graphsurgeon as gs
import pytest

from compressor.errors import RegistryError
from compressor.passes.facts import Probe
from compressor.passes.op_rules import OP_RULES, LabelState, RuleContext
from compressor.passes.ops import pinned
from compressor.passes.ops.pinned import PINNED, why_pinned


@pytest.mark.parametrize("op", PINNED)
def test_what_it_reads_stays_with_the_reason(op: str) -> None:
    domain, _, name = op.rpartition("::")
    inputs = [gs.Variable("h", np.float32), gs.Constant("c", np.zeros((4,), np.float32))]
    node = gs.Node(name, "n", {}, inputs, [gs.Variable("o", np.float32)], domain or None)
    state, probe = LabelState(), Probe({})
    state.tensors["h"] = [state.store.fresh(3), state.store.fresh(5)]
    state.uses[0, 1] = [state.store.fresh(4)]
    OP_RULES.get(op)(RuleContext(state, 0, node, (probe, probe), 18, lambda body: None))
    for labels in (*state.tensors["h"], *state.uses[0, 1]):
        assert not state.store.resolve(labels).any()
        assert state.causes[state.store.cause(int(labels[0]))].why == why_pinned(op)


@pytest.mark.parametrize("op", PINNED)
def test_reasons_are_sentences_about_the_op(op: str) -> None:
    why = why_pinned(op)
    assert why is not None
    assert "{" not in why
    assert len(why.split()) >= 3


def test_an_op_is_ruled_or_pinned_never_both() -> None:
    assert all(OP_RULES.get(op) is pinned.pinned for op in PINNED)
    assert {op for op, rule in OP_RULES.items() if rule is pinned.pinned} == set(PINNED)
    with pytest.raises(RegistryError, match="twice"):
        OP_RULES.register("Unique")(pinned.pinned)
    assert why_pinned("Conv") is None
