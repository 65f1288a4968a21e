"""Products of matrices: contracted axes are one axis, batch axes broadcast, the rest pass through."""

from __future__ import annotations

from compressor.passes.labels import Labels, fixed
from compressor.passes.op_rules import OP_RULES, RuleContext
from compressor.passes.ops.elementwise import broadcast


@OP_RULES.register("MatMul")
def matmul(ctx: RuleContext) -> None:
    """A [..., M, K] x B [..., K, N] -> [..., M, N]; a 1-D operand is a vector of K."""
    a, b = ctx.labels(0), ctx.labels(1)
    b_axis = max(len(b) - 2, 0)
    ctx.unify(a[-1], b[b_axis])
    ctx.contract(0, len(a) - 1)
    ctx.contract(1, b_axis)
    out = broadcast(ctx, [a[:-2], b[:-2]])
    result = [*out, *a[:-1][-1:], *b[b_axis + 1 :]]
    ctx.macs(1, *result, a[-1])
    ctx.output(result)


@OP_RULES.register("Gemm")
def gemm(ctx: RuleContext) -> None:
    """Y [M, N] = A B + C, either transposed; C broadcasts."""
    a, b = ctx.labels(0), ctx.labels(1)
    if ctx.attr("transA", 0):
        a.reverse()
    if ctx.attr("transB", 0):
        b.reverse()
    ctx.unify(a[1], b[0])
    ctx.contract(0, 0 if ctx.attr("transA", 0) else 1)
    ctx.contract(1, 1 if ctx.attr("transB", 0) else 0)
    result = [a[0], b[1]]
    ctx.macs(1, a[0], a[1], b[1])
    if ctx.has(2):
        result = broadcast(ctx, [result, ctx.labels(2)])
    ctx.output(result)


@OP_RULES.register("Einsum")
def einsum(ctx: RuleContext) -> None:
    """Axes of one letter are one axis; letters that the result lacks are contracted."""
    equation = ctx.attr("equation").replace(" ", "")
    terms, _, result = equation.partition("->")
    operands = terms.split(",")
    repeated = any(len(set(term)) != len(term) for term in operands)
    if "..." in equation or "->" not in equation or repeated:
        ctx.pin_all("an Einsum with an ellipsis, a diagonal or an implicit result is not analysed")
        return
    letters: dict[str, Labels] = {}
    for slot, term in enumerate(operands):
        for axis, (letter, labels) in enumerate(zip(term, ctx.labels(slot), strict=True)):
            have = letters.get(letter)
            if have is None or have.size == 1:
                letters[letter] = labels
            elif labels.size > 1:
                ctx.unify(have, labels)
            if letter not in result:
                ctx.contract(slot, axis)
    ctx.macs(1, *letters.values())
    ctx.output([letters.get(letter, fixed(1)) for letter in result])
