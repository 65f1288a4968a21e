"""One trial: compress by its regime within the budget, then measure the result on the test data, once."""

from __future__ import annotations

import math
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compressor.errors import UsageError
from compressor.model_io import read
from compressor.passes.selection import Options
from compressor.pipeline import compress
from compressor.proof import Progress, silent
from compressor.scheduling import TAIL_PATIENCE, Scheduling
from compressor.sparsifying import sparsify
from compressor.study.budget import SharedBudget
from compressor.study.grid import STRUCTURED, UNSTRUCTURED, Trial, shares_of
from compressor.study.paths import model_path, test_source, training_source
from compressor.study.recipe import MetricName, Recipe

if TYPE_CHECKING:
    from torch import nn

    from compressor.finetuning import Finetuning
    from compressor.training.context import FinetuneContext

_LARGEST_LOSS = 700.0  # its exponential is still a number


def carry_out(recipe: Recipe, folder: Path, trial: Trial, progress: Progress = silent) -> dict[str, Any]:
    """The result of a trial, JSON-ready: the metric, what was cut, what was spent.

    Args:
        folder: the recipe's, to which its paths are relative.

    Raises:
        CompressorError: the trial cannot be done; another attempt would end the same way.
    """
    import torch

    torch.set_num_threads(recipe.threads)
    start = time.perf_counter()
    shares = shares_of(recipe, trial)
    budget = SharedBudget(_trainer(recipe, trial), recipe.budget, shares)
    with tempfile.TemporaryDirectory(prefix="compressor-study-") as work:
        output = Path(work) / "trial.onnx"
        act = _structured if trial.pattern == STRUCTURED else _sparse
        found = act(recipe, folder, trial, budget, output, progress)
        tested = measured(recipe, folder, output)
    return {
        **found, "test": tested, "metric": metric_of(tested, recipe.metric), "shares": list(shares),
        "epochs": budget.epochs, "spent": budget.spent, "seconds": round(time.perf_counter() - start, 3),
    }  # fmt: skip


def measured(recipe: Recipe, folder: Path, model: Path) -> dict[str, Any]:
    """Loss and accuracy of a model file on the test data, in ONNX Runtime."""
    from compressor.training.data_sources import load_samples
    from compressor.training.evaluate import evaluate_file
    from compressor.training.wanted import wanted_inputs

    source = test_source(recipe.test, folder)
    samples = load_samples(source, wanted_inputs(read(model)), pixels=recipe.data.pixels)
    return evaluate_file(model, samples, threads=recipe.threads).to_json()


def metric_of(tested: dict[str, Any], metric: MetricName) -> float:
    """The recipe's figure of merit.

    Raises:
        UsageError: there is no such figure, or it is no finite number.
    """
    if metric == "accuracy":
        if tested["accuracy"] is None:
            raise UsageError("the test data has no class labels to be accurate about", fix="Take the metric loss.")
        return float(tested["accuracy"])
    loss = float(tested["loss"])
    found = loss if metric == "loss" else math.exp(min(loss, _LARGEST_LOSS))
    if not math.isfinite(loss) or loss >= _LARGEST_LOSS:
        raise UsageError(f"the loss on the test data is {loss:g}", fix="Lower the learning rate, or remove less.")
    return found


def originals(recipe: Recipe, folder: Path) -> dict[str, dict[str, Any]]:
    """The same of the models as they are."""
    found = {}
    for name, named in recipe.models.items():
        tested = measured(recipe, folder, Path(model_path(named, folder)))
        found[name] = {"test": tested, "metric": metric_of(tested, recipe.metric)}
    return found


def _trainer(recipe: Recipe, trial: Trial) -> Any:
    """The recipe's trainer with the regime's patience; a hybrid's tail has little of it, as ``compress`` has it."""
    from compressor.training.trainer import Trainer

    regime, settings = recipe.regimes[trial.regime], recipe.trainer.model_dump(exclude={"device"})
    patience = regime.patience or settings["patience"]
    tail = regime.tail_patience or settings["tail_patience"]
    if tail is None and patience is not None and (regime.schedule or trial.regime) == "hybrid":
        tail = max(1, patience // TAIL_PATIENCE)
    return Trainer(**{**settings, "patience": patience, "tail_patience": tail})


def _finetuning(recipe: Recipe, folder: Path, function: Any) -> Finetuning:
    from compressor.finetuning import Finetuning

    return Finetuning(
        function, data=training_source(recipe.data.source, folder), validation=recipe.data.validation,
        pixels=recipe.data.pixels, device=recipe.trainer.device,
    )  # fmt: skip


def _structured(
    recipe: Recipe, folder: Path, trial: Trial, budget: SharedBudget, output: Path, progress: Progress
) -> dict[str, Any]:
    regime = recipe.regimes[trial.regime]
    targets: dict[str, Any] = {recipe.of: 1 - trial.ratio}
    done = compress(
        model_path(recipe.models[trial.model], folder), output, criterion=trial.criterion,
        options=Options(**recipe.selection.model_dump(exclude={"sparsity_scope"})),
        schedule=Scheduling(regime.schedule or trial.regime, regime.settings(trial.ratio)), seed=trial.seed,
        verify=recipe.verify, recover=recipe.recover, finetune=_finetuning(recipe, folder, budget), progress=progress,
        **targets,
    )  # fmt: skip
    before, after = vars(done.before), vars(done.after)
    removed = {name: 1 - after[name] / before[name] for name in ("params", "macs", "channels")}
    return {"before": before, "after": after, "removed": removed}


def _sparse(
    recipe: Recipe, folder: Path, trial: Trial, budget: SharedBudget, output: Path, progress: Progress
) -> dict[str, Any]:
    """Each step zeroes more weights of what the one before left; what is zero stays so."""
    model, scope = Path(model_path(recipe.models[trial.model], folder)), recipe.selection.sparsity_scope
    loose = trial.pattern == UNSTRUCTURED
    for number, share in enumerate(budget.shares, start=1):
        file = output if number == len(budget.shares) else output.with_name(f"step-{number}.onnx")
        done = sparsify(
            model, file, pattern=None if loose else trial.pattern, sparsity=share if loose else None,
            criterion=trial.criterion, scope=scope, finetune=_finetuning(recipe, folder, _Step(budget, number)),
            seed=trial.seed, progress=progress,
        )  # fmt: skip
        model = file
    return {"before": done.before, "after": done.after, "removed": {"weights": done.zeros / done.weights}}


class _Step:
    """Tells the trainer where in the schedule it is: ``sparsify`` knows one step only."""

    def __init__(self, budget: SharedBudget, number: int) -> None:
        self._budget, self._number = budget, number

    def __call__(self, module: nn.Module, context: FinetuneContext, /) -> None:
        told = replace(context, step=self._number, schedule=tuple(self._budget.shares), metric="weights")
        self._budget(module, told)
