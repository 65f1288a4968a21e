"""``compressor sparsify``: single weights to zero, in a pattern or a share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from compressor import cli_training as options
from compressor.cli_options import JsonFlag, ModelArgument, OutputOption, SeedOption
from compressor.cli_output import OUTCOME, progress
from compressor.training_options import TrainingOptions

if TYPE_CHECKING:
    from compressor.sparsifying import Sparsification


def sparsify(
    model: ModelArgument,
    output: OutputOption,
    pattern: Annotated[
        str | None, typer.Option("--pattern", metavar="N:M", help="N of every M weights along the inputs stay.")
    ] = None,
    sparsity: Annotated[
        float | None, typer.Option("--sparsity", metavar="R", help="Share of the weights to set to zero, anywhere.")
    ] = None,
    criterion: Annotated[
        str, typer.Option("--criterion", help="magnitude, or activation (needs --data).")
    ] = "magnitude",
    scope: Annotated[str, typer.Option("--scope", help="Of --sparsity: tensor or global.")] = "tensor",
    data: options.DataOption = None,
    finetune: options.FinetuneOption = None,
    evaluate: options.EvalOption = None,
    epochs: Annotated[
        int | None, typer.Option("--epochs", help="Train on --data; the zeros stay.", show_default="no training")
    ] = None,
    batch_size: options.BatchOption = None,
    optimizer: options.OptimizerOption = None,
    lr: options.RateOption = None,
    distill: options.DistillOption = False,
    validation: options.ValidationOption = None,
    pixels: options.PixelsOption = None,
    device: options.DeviceOption = None,
    seed: SeedOption = 0,
    as_json: JsonFlag = False,
) -> None:
    """Set single weights to zero; every shape stays. Says what that is good for on which runtime."""
    wish = TrainingOptions(
        data=data, finetune=finetune, epochs=epochs or (None if finetune else 0), batch_size=batch_size,
        optimizer=optimizer, lr=lr, distill=distill, validation=validation, pixels=pixels, device=device,
    ).wish(output, optional=True)  # fmt: skip
    from compressor.sparsifying import sparsify as carry_out

    with options.checkpoints_named(wish), progress("sparsifying") as report:
        result = carry_out(
            model, output, pattern=pattern, sparsity=sparsity, criterion=criterion, scope=_any(scope), data=data,
            finetune=wish, evaluate=options.evaluation(evaluate), seed=seed, progress=report,
        )  # fmt: skip
        OUTCOME.written[:] = [str(output)]
    options.show(result, lambda: _lines(result), output, as_json)


def _any(text: str) -> Any:
    """A choice that the function itself checks."""
    return text


def _lines(result: Sparsification) -> list[Any]:
    from compressor.cli_tables import training_lines
    from compressor.units import size

    lines = [
        f"{result.zeros:,} of {result.weights:,} weights are zero ({result.zeros / result.weights:.1%}):"
        f" {result.pattern} by {result.criterion}",
        *(f"left whole: {name}: {why}" for name, why in result.whole.items()),
    ]
    for what, name in (("size_bytes", "file"), ("zipped_bytes", "zipped")):
        before, after = result.before[what], result.after[what]
        lines.append(f"{name}: {size(before)} -> {size(after)} ({after / before:.3f})")
    training = training_lines(result.training, result.evaluation) if result.training or result.evaluation else []
    return [*lines, *training, *(f"note: {line}" for line in result.advice), f"model: {result.output}"]
