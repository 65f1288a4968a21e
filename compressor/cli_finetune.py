"""``compressor finetune``: train a model file as it is, or after a pruning that was done elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from compressor import cli_training as options
from compressor.cli_options import JsonFlag, ModelArgument, OutputOption, SeedOption
from compressor.cli_output import OUTCOME, progress
from compressor.errors import UsageError
from compressor.training_options import TrainingOptions


def finetune(
    model: ModelArgument,
    output: OutputOption,
    data: options.DataOption = None,
    function: options.FinetuneOption = None,
    teacher: Annotated[
        Path | None, typer.Option("--teacher", metavar="ORIGINAL", help="The model to learn from (--distill).")
    ] = None,
    evaluate: options.EvalOption = None,
    epochs: options.EpochsOption = None,
    minutes: options.MinutesOption = None,
    batch_size: options.BatchOption = None,
    optimizer: options.OptimizerOption = None,
    lr: options.RateOption = None,
    original_lr: options.OriginalRateOption = None,
    clip: options.ClipOption = None,
    patience: options.PatienceOption = None,
    monitor: options.MonitorOption = None,
    distill: options.DistillOption = False,
    distill_share: options.ShareOption = None,
    distill_temperature: options.TemperatureOption = None,
    distill_features: options.FeaturesOption = None,
    validation: options.ValidationOption = None,
    pixels: options.PixelsOption = None,
    device: options.DeviceOption = None,
    precision: options.PrecisionOption = None,
    checkpoints: options.CheckpointsOption = None,
    keep_zeros: options.KeepZerosFlag = False,
    seed: SeedOption = 0,
    as_json: JsonFlag = False,
) -> None:
    """Train the weights of MODEL; under torchrun, in several processes."""
    wish = TrainingOptions(
        data=data, finetune=function, epochs=epochs, minutes=minutes, batch_size=batch_size, optimizer=optimizer,
        lr=lr, original_lr=original_lr, clip=clip, patience=patience, monitor=monitor, distill=distill,
        distill_share=distill_share, distill_temperature=distill_temperature, distill_features=distill_features,
        validation=validation, pixels=pixels, device=device, precision=precision, keep_zeros=keep_zeros,
        checkpoints=checkpoints,
    ).wish(output)  # fmt: skip
    if wish is None:
        raise UsageError("there is nothing to train with", fix="Give --data, or --finetune path.py:function.")
    own = options.evaluation(evaluate)
    from compressor.cli_tables import training_lines
    from compressor.finetuning import finetune_file

    with options.checkpoints_named(wish), progress("reading") as report:
        result = finetune_file(model, output, wish, teacher=teacher, evaluate=own, seed=seed, progress=report)
        OUTCOME.written[:] = [str(output)]
    options.show(
        result, lambda: [*training_lines(result.training, result.evaluation), f"model: {output}"], output, as_json
    )
