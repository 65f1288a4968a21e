"""Faults that change nothing that can be observed, and why."""

from __future__ import annotations

_TWICE = "both operands of a product are silenced in the masked original; either alone gives the same sum"
_TRACE = "only which of two equal labels is handed on, for the report of causes"
_LENGTH = "only the number of axes is read, which is the same at both probes"
_STATIC = "read only for sizes or marks that are the same at both probes"
_PINNED = "the axis it would be tied to is pinned, and what no activation carries is never cut"
_INSIDE = "no activation carries the widths inside the fused op, so no space holds them"

# (function, part of the mutant's text) -> reason
EQUIVALENT: dict[tuple[str, str], str] = {
    ("matmul", "drop ctx.contract"): _TWICE,
    ("gemm", "drop ctx.contract"): _TWICE,
    ("gemm", "negate ctx.attr('trans"): _TWICE,
    ("fused_matmul", "drop ctx.contract"): _TWICE,
    ("packed_attention", "drop ctx.contract(1, 1)"): _INSIDE,
    ("packed_attention", "drop ctx.contract(2, 0)"): _INSIDE,
    ("broadcast", "negate is_fixed(have)"): _TRACE,
    ("join", "negate is_fixed(out[i])"): _TRACE,
    ("join", "shift slots[0] by +1"): "all inputs have as many axes",
    ("join", "shift operands[1:] by -1"): "the first operand is tied to itself",
    ("target_entries", "shift old[0] by +1"): _LENGTH,
    ("target_entries", "shift marks[0] by +1"): _STATIC,
    ("target_entries", "shift new[0] by +1"): _STATIC,
    ("_asked_copy", "shift new[0] by +1"): _LENGTH,
    ("_asked_copy", "shift source[0] by +1"): _LENGTH,
    ("_asked_copy", "shift marks[0] by +1"): _STATIC,
    ("RewriteContext.old_shape", "shift self.removal.probes[0] by +1"): _STATIC,
    ("RewriteContext.new_shape", "[0] by +1"): _STATIC,
    ("RewriteContext.new_out_shape", "[0] by +1"): _STATIC,
    ("RewriteContext.freeze_output_value", "shift old[0] by +1"): _STATIC,
    ("RewriteContext.set_target_shape", "shift probes["): _STATIC,
    ("skip_norm", "drop ctx.unify(ctx.labels(slot)[0], total[-1])"): _PINNED,
    ("skip_norm", "negate ctx.has(slot)"): _PINNED,
}
