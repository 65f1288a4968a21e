"""Ops pinned by design: nothing they read may go, for the reason given here. docs/ops.md lists them."""

from __future__ import annotations

from compressor.passes.op_rules import OP_RULES, RuleContext, rule_name

_SEQUENCE = "a sequence of tensors, whose members are told apart at run time"
_OPTIONAL = "whether there is a tensor is known at run time only"
_STRING = "it works on texts"
_LOSS = "a loss is taken over all classes"
_WINDOW = "it makes a window of positions"
_DRAWS = "random draws are counted through the whole tensor"
_POSITIONS = "{op} returns positions"
_BLOCKS = "its weights are packed in blocks that share a scale"
_FUSED = "its weights are quantised in a layout of one fused kernel"
_COMPILED = "a part of the graph that was compiled for one device"
_EXPERTS = "experts are chosen at run time, and the weights of all are one tensor"
_SEARCH = "a search around whole decoders"
_TOKENS = "it works on tokens"
_PAGES = "attention over positions that are packed or chosen at run time"

# op (outside ai.onnx "domain::op") -> why
PINNED: dict[str, str] = {
    "AffineGrid": "its operands are coordinates",
    **dict.fromkeys(("BlackmanWindow", "HammingWindow", "HannWindow", "MelWeightMatrix"), _WINDOW),
    **dict.fromkeys(("Bernoulli", "RandomNormalLike", "RandomUniformLike"), _DRAWS),
    **dict.fromkeys(("RandomNormal", "RandomUniform", "Multinomial"), _DRAWS),
    "Compress": "Compress chooses indices by a condition",
    **dict.fromkeys(("GatherElements", "ScatterElements", "Scatter"), "{op} addresses single elements"),
    **dict.fromkeys(("EyeLike", "NonMaxSuppression", "NonZero", "OneHot"), _POSITIONS),
    "Unique": "Unique compares values: how many stay is known at run time only",
    **dict.fromkeys(("NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"), _LOSS),
    **dict.fromkeys(("ConcatFromSequence", "SequenceAt", "SequenceConstruct", "SequenceEmpty"), _SEQUENCE),
    **dict.fromkeys(("SequenceErase", "SequenceInsert", "SequenceLength", "SequenceMap", "SplitToSequence"), _SEQUENCE),
    **dict.fromkeys(("Optional", "OptionalGetElement", "OptionalHasElement"), _OPTIONAL),
    **dict.fromkeys(("RegexFullMatch", "StringConcat", "StringNormalizer", "StringSplit", "TfIdfVectorizer"), _STRING),
    "ImageDecoder": "it reads the bytes of a picture",
    "STFT": "frames of a signal are transformed as a whole",
    **{f"com.microsoft::{op}": why for why, ops in {
        _BLOCKS: "MatMulNBits MatMulNBitsMlp MatMulNBitsQLoRA MatMulNBitsQkv MatMulBnb4 MatMulFpQ4 "
                 "GatherBlockQuantized MatMulBlockQuantizedFp4Weight MatMulBlockQuantizedFp8Weight GemmFloat8 "
                 "QuantizeBFP DequantizeBFP",
        _FUSED: "QAttention QEmbedLayerNormalization QOrderedAttention QOrderedGelu QOrderedLayerNormalization "
                "QOrderedLongformerAttention QOrderedMatMul QuantizeWithOrder DequantizeWithOrder DynamicQuantizeLSTM",
        _COMPILED: "EPContext Snpe",
        _EXPERTS: "MoE QMoE MoEPacked MoEGroupRouter RouterGateUpProj",
        _SEARCH: "BeamSearch GreedySearch Sampling WhisperBeamSearch",
        _TOKENS: "Tokenizer WordConvEmbedding MurmurHash3 NGramRepeatBlock NGramHashMapping VarlenNGramHashMapping",
        _PAGES: "PackedAttention PackedMultiHeadAttention PagedAttention SparseAttention SparsePagedAttention "
                "DynamicSparseAttention LongformerAttention DecoderMaskedMultiHeadAttention "
                "DecoderMaskedSelfAttention RemovePadding RestorePadding",
        "Unique compares values: how many stay is known at run time only": "Unique",
        "a fused normalisation runs over the width; rows are looked up at run time": "EmbedLayerNormalization",
        "boxes address positions at run time": "CropAndResize",
        "sequences are compared as a whole": "DynamicTimeWarping CDist",
    }.items() for op in ops.split()},
}  # fmt: skip


def why_pinned(name: str) -> str | None:
    """Why the op registered as ``name`` is pinned by design; None when it is not."""
    why = PINNED.get(name)
    return None if why is None else why.format(op=name.rpartition("::")[2])


@OP_RULES.register(*PINNED)
def pinned(ctx: RuleContext) -> None:
    """Everything stays."""
    ctx.pin_all(str(why_pinned(rule_name(ctx.node))))
