"""Options of fine-tuning that ``compress`` and ``finetune`` share, and what they add up to."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TypeAlias

import typer

from compressor.cli_output import OUTCOME, emit, emit_json
from compressor.training_options import default_checkpoints

if TYPE_CHECKING:
    from compressor.finetuning import Finetuning
    from compressor.user_evaluation import Evaluate

_CHECKPOINTS = ("step-*.pt", "step-*.json", "step-*.onnx", "step-*.onnx.data")

DataOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--data", metavar="SOURCE", help="path.py:function, an .npz, or a folder of pictures."),
]
FinetuneOption: TypeAlias = Annotated[
    str | None, typer.Option("--finetune", metavar="path.py:function", help="Own training: function(module, context).")
]
EvalOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--eval", metavar="path.py:function", help="Own figures: function(path) -> number or dict."),
]
EpochsOption: TypeAlias = Annotated[
    int | None, typer.Option("--epochs", help="How often the data is gone through.", show_default="3")
]
MinutesOption: TypeAlias = Annotated[float | None, typer.Option("--minutes", help="Budget; alone, it sets the end.")]
BatchOption: TypeAlias = Annotated[int | None, typer.Option("--batch-size", help="Samples a step.", show_default="128")]
OptimizerOption: TypeAlias = Annotated[
    str | None, typer.Option("--optimizer", help="sgd or adamw.", show_default="sgd")
]
RateOption: TypeAlias = Annotated[
    float | None,
    typer.Option(
        "--lr",
        help="Peak learning rate of the one-cycle, or the constant rate with --patience.",
        show_default="0.05 for sgd, 0.0005 for adamw; constant: a fifth",
    ),
]
OriginalRateOption: TypeAlias = Annotated[
    float | None, typer.Option("--original-lr", help="The original's learning rate: go on at a constant tenth.")
]
ClipOption: TypeAlias = Annotated[float | None, typer.Option("--clip", help="Largest norm of a gradient.")]
PatienceOption: TypeAlias = Annotated[
    int | None, typer.Option("--patience", help="Stop after so many epochs without improvement; the rate is constant.")
]
TailPatienceOption: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--tail-patience", help="The same from a schedule's second step on.", show_default="--patience; hybrid: a third"
    ),
]
MonitorOption: TypeAlias = Annotated[
    str | None, typer.Option("--monitor", help="What is best: validation loss or accuracy.", show_default="loss")
]
DistillOption: TypeAlias = Annotated[
    bool, typer.Option("--distill", help="Learn from the original's outputs too: half of the loss.")
]
ShareOption: TypeAlias = Annotated[
    float | None, typer.Option("--distill-share", help="Another share than half; 1 needs no labels.")
]
TemperatureOption: TypeAlias = Annotated[
    float | None,
    typer.Option("--distill-temperature", help="By which both outputs are softened to be compared.", show_default="4"),
]
FeaturesOption: TypeAlias = Annotated[
    float | None, typer.Option("--distill-features", help="Weight of the distance of inner tensors to the original's.")
]
ValidationOption: TypeAlias = Annotated[
    float | None, typer.Option("--validation", help="Share of the data set aside to stop by.", show_default="0.1")
]
PixelsOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--pixels", help="Of a folder: unit, symmetric, imagenet or bytes.", show_default="unit"),
]
DeviceOption: TypeAlias = Annotated[
    str | None, typer.Option("--device", help="As PyTorch names it.", show_default="cuda where there is one")
]
PrecisionOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--precision",
        help="What steps compute in: float32, bfloat16, or auto: float16 on CUDA where that is safe.",
        show_default="auto",
    ),
]
KeepZerosFlag: TypeAlias = Annotated[
    bool, typer.Option("--keep-zeros", help="Weights that are exactly zero stay so in training.")
]
CheckpointsOption: TypeAlias = Annotated[
    Path | None,
    typer.Option("--checkpoints", metavar="DIR", help="Where they are kept.", show_default="OUT.checkpoints, removed"),
]


@contextlib.contextmanager
def checkpoints_named(wish: Finetuning | None) -> Iterator[None]:
    """An interruption inside says from where the same command will go on."""
    try:
        yield
    except KeyboardInterrupt:
        folder = None if wish is None or wish.checkpoints is None else Path(wish.checkpoints)
        if folder is not None and any(any(folder.rglob(pattern)) for pattern in _CHECKPOINTS):
            OUTCOME.written.append(f"{folder} (the same command goes on from there)")
        raise


def forget_checkpoints(output: Path) -> None:
    """Remove the default folder's: the result is written. One that the user named stays."""
    folder = default_checkpoints(output)
    for pattern in _CHECKPOINTS:
        for path in folder.rglob(pattern):
            path.unlink(missing_ok=True)
    for place in (*(path for path in folder.glob("*") if path.is_dir()), folder):
        with contextlib.suppress(OSError):  # it never was, or holds something of the user's
            place.rmdir()


class Result(Protocol):
    """What a command made."""

    def to_json(self) -> dict[str, Any]:
        """As ``--json`` prints it."""


def show(result: Result, lines: Callable[[], Iterable[Any]], output: Path, as_json: bool) -> None:
    """Say what was written, whose checkpoints are of no more use; under torchrun one process speaks for all."""
    from compressor.training.torchrun import leads

    if not leads():
        return
    forget_checkpoints(output)
    if as_json:
        emit_json(result.to_json())
    else:
        emit(*lines())


def evaluation(spec: str | None) -> Evaluate | None:
    """The function that --eval names."""
    if spec is None:
        return None
    from compressor.user_code import load_callable

    return load_callable(spec)
