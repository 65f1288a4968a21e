"""Faults that change nothing that can be observed, and why."""

from __future__ import annotations

_TWICE = "both operands of a product are silenced in the masked original; either alone gives the same sum"
_TRACE = "only which of two equal labels is handed on, for the report of causes"
_LENGTH = "only the number of axes is read, which is the same at both probes"
_STATIC = "read only for sizes or marks that are the same at both probes"

# (function, part of the mutant's text) -> reason
EQUIVALENT: dict[tuple[str, str], str] = {
    ("matmul", "drop ctx.contract"): _TWICE,
    ("gemm", "drop ctx.contract"): _TWICE,
    ("gemm", "negate ctx.attr('trans"): _TWICE,
    ("fused_matmul", "drop ctx.contract"): _TWICE,
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
}
