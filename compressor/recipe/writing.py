"""``init``: a recipe for one model, with what was found in it as comments and defaults that fit it."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from compressor.atomic import write_bytes
from compressor.errors import UsageError
from compressor.export_request import axes_by_input, build_module, example_inputs, parse_axes, parse_input
from compressor.inspection import inspect_model
from compressor.proof import Progress, silent
from compressor.recipe.schema import parse_recipe
from compressor.results import Inspection
from compressor.settings import parse_settings
from compressor.targets import PathLike
from compressor.units import count, percent

_SPACES_SHOWN = 12
_LONGEST_NAME = 60


@dataclass(frozen=True)
class ExportRequest:
    """How a module is exported: inputs and dynamic axes as ``compressor export`` takes them."""

    input: Sequence[str]
    dynamic: Sequence[str] = field(default_factory=list)


def write_recipe(
    model: str, output: PathLike, *, request: ExportRequest | None = None, replace: bool = False, seed: int = 0,
    progress: Progress = silent,
) -> Inspection:  # fmt: skip
    """Look at a model and write a recipe for it.

    Args:
        model: path of an ONNX file, or path.py:function that builds a PyTorch module.
        output: where the recipe goes; its folder is what the recipe's paths are relative to.
        request: for a module: its inputs.
        replace: whether a file that is there already may be replaced.
        seed: of the module's parameters.
        progress: told (stage, done, total).

    Raises:
        UsageError: the output exists, or a module came without its inputs.
        CompressorError: the model cannot be read, exported or analysed.
    """
    target = Path(output)
    if target.exists() and not replace:
        raise UsageError("exists already", where=str(target), fix="Choose another -o, or --force to replace it.")
    if not target.resolve().parent.is_dir():
        raise UsageError("the folder does not exist", where=str(target.resolve().parent), fix="Create it first.")
    is_function = request is not None or (":" in model and not Path(model).exists())
    if is_function and (request is None or not request.input):
        fix = "Give --input 1x3x224x224, for example, once for each argument of forward."
        raise UsageError("the inputs of a module are not known", where=model, fix=fix)
    found = _exported(model, request, seed, progress) if request is not None and is_function else inspect_model(model)
    text = "\n".join(_lines(model, found, request if is_function else None, target)) + "\n"
    parse_recipe(parse_settings(text, str(target)), target)
    write_bytes(target, text.encode())
    return found


def _exported(model: str, request: ExportRequest, seed: int, progress: Progress) -> Inspection:
    from compressor.exporting import export

    described = [parse_input(text) for text in request.input]
    axes = parse_axes(list(request.dynamic))
    module = build_module(model, {}, seed)
    examples = example_inputs(described, seed)
    with tempfile.TemporaryDirectory(prefix="compressor-init-") as folder:
        path = Path(folder) / "model.onnx"
        dynamic = axes_by_input(axes, module, examples)
        export(module, examples, path, form="training", dynamic=dynamic, progress=progress)
        return inspect_model(path)


def _lines(model: str, found: Inspection, request: ExportRequest | None, target: Path) -> Iterator[str]:
    yield "# A recipe of compressor: `compressor run` carries it out, with --dry-run it tells what it would do."
    yield "# Paths are relative to this file; names and options are those of `compressor compress --help` and its like."
    yield "# What a stage's block leaves out has its default. `compressor run --schema` prints all there is."
    yield "version: 1"
    yield ""
    yield f"model: {_quoted(_relative(model, target, request is not None))}"
    yield from _facts(found)
    yield "seed: 0"
    yield ""
    arrays = ", ".join(_shown(name) for name in found.inputs)
    yield "# For criteria, recovery and training: path.py:function, a folder of pictures, or an .npz"
    yield f"# with arrays named {arrays} and, for training, labels."
    yield "# data: train.npz"
    yield "# eval: eval.py:accuracy       # function(path of an ONNX file) -> a number, or a dict of numbers"
    if request is not None:
        yield from _export(request)
    yield from _pruning(found)
    yield from _rest(found)


def _facts(found: Inspection) -> Iterator[str]:
    for what, tensors in (("input", found.inputs), ("output", found.outputs)):
        for name, shape in tensors.items():
            sizes = ", ".join("?" if size is None else _shown(str(size)) for size in shape)
            yield f"#   {what} {_shown(name)} [{sizes}]"
    yield f"#   {count(found.params)} parameters, {count(found.macs)} MACs per sample, opset {found.opset}"
    yield f"#   {percent(found.weights_reached)} of the weights can be cut, in {len(found.spaces)} channel spaces:"
    spaces = sorted(found.spaces, key=lambda space: -space.params)
    for space in spaces[:_SPACES_SHOWN]:
        width = "; only with allow_width" if space.soft else ""
        yield f"#     {_shown(space.name)}: {space.size} channels, {count(space.params)} parameters{width}"
    if len(spaces) > _SPACES_SHOWN:
        yield f"#     and {len(spaces) - _SPACES_SHOWN} more; `compressor inspect` lists all"


def _export(request: ExportRequest) -> Iterator[str]:
    yield ""
    yield "export:"
    yield f"  input: [{', '.join(map(_quoted, request.input))}]"
    if request.dynamic:
        yield f"  dynamic: [{', '.join(map(_quoted, request.dynamic))}]"
    yield "  # checkpoint: weights.pt      # a state dict to load first"


def _pruning(found: Inspection) -> Iterator[str]:
    hard, soft = [s for s in found.spaces if not s.soft], [s for s in found.spaces if s.soft]
    off = "" if hard or soft else "# "
    yield ""
    if off:
        yield "# No channel of this model can go; `compressor inspect` says why."
    yield f"{off}prune:"
    yield f"{off}  macs: 0.5                     # share of the MACs to keep; or params, channels, size, memory"
    yield f"{off}  # latency: 0.5                # instead: share of the time, measured; or latency_ms, energy;"
    yield f"{off}  # size: 0.5                   #   beside it, not exceeded: the weights' bytes, and"
    yield f"{off}  # memory: 0.5                 #   the peak of weights and live tensors"
    yield f"{off}  # backend: onnxruntime-cpu    # of what is measured; `compressor doctor` lists them"
    yield f"{off}  # threads: 1"
    yield f"{off}  # batch: 1                    # size of a symbolic leading dimension; of memory, too"
    dims = _dims(found)
    if dims:
        yield f"{off}  # dim: {dims}"
    yield f"{off}  # table_minutes: 5            # of measuring; or table: t.json, made by `compressor table`"
    yield f"{off}  criterion: l1                 # from weights: l2, fpgm ...; from data: activation, obs, taylor ..."
    yield f"{off}  round_to: 8                   # runtimes compute channels in blocks"
    yield f"{off}  # scope: global               # rank all channels together, instead of the same share of every space"
    mark = "" if soft and not hard else "# "
    if soft:
        yield f"{off}  {mark}allow_width: true           # also cut what a normalisation runs over"
    yield f"{off}  # exclude: [head.weight]       # parameters or nodes whose channels stay; or patterns of names"
    yield f"{off}  # drop_branches: true          # residual branches may go whole; a constant stands in for each"
    yield f"{off}  # schedule: geometric         # several cuts, with recovery and training after each; or auto"
    yield f"{off}  # steps: 5"
    yield ""
    yield f"{off}recover:                        # makes up for what is gone; on made-up inputs where there is no data"
    yield ""
    yield "# finetune:                     # needs data with labels, or distill_share: 1"
    yield "#   epochs: 3"
    yield "#   patience: 5                 # stop after so many epochs without improvement"
    yield "#   distill: true               # learn from the original's outputs, too"
    yield "#   distill_temperature: 4"
    yield "#   precision: auto             # or float32, bfloat16"


def _dims(found: Inspection) -> str:
    """Symbolic dimensions beside the leading ones, as a mapping in YAML; empty where there are none."""
    named = [size for shape in found.inputs.values() for size in shape[1:] if isinstance(size, str)]
    sizes = ", ".join(f"{_quoted(name)}: 128" for name in dict.fromkeys(named))
    return f"{{{sizes}}}" if sizes else ""


def _rest(found: Inspection) -> Iterator[str]:
    yield ""
    yield "fold:                           # batch norms into the layers before them, constants into initializers"
    yield ""
    yield "verify:"
    yield "  inputs: 3                     # random inputs that the proof runs on"
    yield ""
    yield "bench:"
    yield "  threads: 1"
    yield "  batch: 1                      # size of a symbolic leading dimension"
    dims = _dims(found)
    if dims:
        yield f"  # dim: {dims}"
    yield "  seconds: 2.0                  # measured time for each model"
    yield ""
    yield "# gate:                         # the policy of a release; `compressor gate --schema` prints all checks"
    yield "#   size: {max_ratio: 0.8}"
    yield "#   latency: {max_ratio: 1.0}"
    yield ""
    yield "report:                         # all of it as one page, and a model card"


def _relative(model: str, target: Path, is_function: bool) -> str:
    """The model as seen from the recipe's folder; a module's dotted name stays."""
    head, colon, function = model.rpartition(":") if is_function else (model, "", "")
    if is_function and not (head.endswith(".py") or "/" in head):
        return model
    return Path(os.path.relpath(Path(head).resolve(), target.resolve().parent)).as_posix() + colon + function


def _quoted(text: str) -> str:
    """A string as both YAML and JSON write it: bare, it might read as a number or as no."""
    return json.dumps(text, ensure_ascii=False)


def _shown(name: str) -> str:
    """A name from a file, which nobody vouches for, inside a comment."""
    safe = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in name)
    return safe if len(safe) <= _LONGEST_NAME else f"{safe[:_LONGEST_NAME]}..."
