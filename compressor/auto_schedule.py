"""Which schedule to take where the user leaves it open: what the paper found, or what short trials find here.

Source of the advice: arXiv:2508.13836, "One Shot vs. Iterative", whose findings it repeats and does not vouch for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from compressor.choosing import ByCriterion
from compressor.errors import UsageError
from compressor.finetuning import Finetuning
from compressor.job import Clock, Job
from compressor.loaded import Loaded
from compressor.passes.attention_ops import has_attention
from compressor.scheduling import AUTO, Scheduling, with_settings
from compressor.step_record import best_validation
from compressor.steps import carry_out_steps

CROSSOVER = 0.8
"""Share of the parameters from which on the paper finds iterative pruning better."""
STEPS = 5
CANDIDATES = ("one-shot", "constant", "geometric", "hybrid")
_PAPER = "arXiv:2508.13836"


@dataclass(frozen=True)
class Decision:
    """A schedule and why it was taken, line by line."""

    schedule: Scheduling
    notes: list[str]


def decide(asked: Scheduling, loaded: Loaded, chooser: ByCriterion, job: Job) -> Decision:
    """``asked`` itself, or what "auto" comes to.

    Raises:
        UsageError: trials were asked for that cannot be held.
    """
    if asked.name != AUTO:
        return Decision(asked, [])
    others = sorted(asked.settings.keys() - {"steps"})
    if others:
        raise UsageError(f"schedule auto takes no {others[0]}", fix="Name the schedule, or leave the setting out.")
    steps = asked.settings.get("steps")
    if asked.trials is not None:
        return _tried(asked.trials, STEPS if steps is None else steps, loaded, chooser, job)
    trains, patient = job.finetune is not None, getattr(_function(job), "patience", None) is not None
    share = share_of_parameters(loaded, chooser) if trains and not patient else None
    return advised(
        share, has_attention(loaded.analysis.graph), patient=patient, steps=STEPS if steps is None else steps
    )


def advised(share: float | None, attention: bool, *, patient: bool = False, steps: int = STEPS) -> Decision:
    """What the paper's findings come to.

    Hybrid, which it found best at nearly all ratios, is a large cut with much patience and a tail of small ones with
    little: without patience there is no such schedule, and what it found of the others decides.

    Args:
        share: of the parameters, that is to go; None where nothing is trained after each step (or where it is patient).
        attention: is the network a transformer?
        patient: does training end when it has not improved for a number of epochs?
        steps: of an iterative schedule, the first cut of hybrid included.
    """
    override = "name another with --schedule to override, or have candidates tried with --trials"
    if patient:
        chosen = _in_steps("hybrid", steps)
        after = f"1 + {chosen.settings['steps']} steps"
        why = "training has patience, and with it hybrid was best at nearly all ratios"
        return Decision(chosen, [f"schedule hybrid in {after}: {why} ({_PAPER}); {override}"])
    if share is None:
        why = "nothing is trained between steps, which is what iterative pruning is for"
        return Decision(Scheduling(), [f"schedule one-shot: {why}; {override}"])
    hybrid = f"with --patience it found hybrid best at nearly all ratios ({_PAPER})"
    if attention:
        why = "transformers favour iterative pruning"
    elif share >= CROSSOVER:
        why = f"{share:.0%} of the parameters go, and from about {CROSSOVER:.0%} on geometric is better than one-shot"
    else:
        why = f"{share:.0%} of the parameters go, and below about {CROSSOVER:.0%} one-shot with patience is better"
        return Decision(Scheduling(), [f"schedule one-shot: {why} ({_PAPER}); {override}", hybrid])
    chosen = Scheduling("geometric", {"steps": steps})
    return Decision(chosen, [f"schedule geometric in {steps} steps: {why} ({_PAPER}); {override}", hybrid])


def share_of_parameters(loaded: Loaded, chooser: ByCriterion) -> float:
    """Of the parameters, that the target takes; for other metrics as L1 would meet it at once."""
    share = 1 - chooser.target.keep
    if chooser.target.metric == "params":
        return share
    # As if a step were to follow: then a latency is come to without being confirmed, which takes longest.
    at_once = replace(chooser, criterion="l1", statistics=None, shares=(share, share))
    found = at_once.step(loaded, 1, [])
    return 1 - found.after.params / found.before.params


def _tried(epochs: int, steps: int, loaded: Loaded, chooser: ByCriterion, job: Job) -> Decision:
    """Every candidate for as many epochs; the best on the validation samples goes on."""
    wish = _trial_training(job)
    notes, found = [], dict[str, float]()
    for schedule in _candidates(epochs, steps):
        shares = schedule.shares(1 - chooser.target.keep)
        training = with_settings(wish, epochs=epochs // len(shares))
        quiet = replace(job, verify=False, evaluate=None, finetune=training, clock=Clock(), plan_path=None)
        with job.clock.stage("trials"):
            done = carry_out_steps(loaded, replace(chooser, shares=shares, schedule=schedule.for_plan()), quiet)
        validation = best_validation(done.training)
        found[schedule.name] = _figure(validation, training)
        count = f"{len(shares)} step{'s' if len(shares) > 1 else ''}"
        notes.append(f"trial of {schedule.name}: {count}, {epochs} epochs altogether, {_shown(validation)}")
    best = min(found, key=lambda name: found[name])
    notes.append(f"schedule {best}: best on the validation samples; name one with --schedule to override")
    return Decision(_in_steps(best, steps), notes)


def _candidates(epochs: int, steps: int) -> list[Scheduling]:
    """Schedules in at most ``steps`` steps, all of them as many as divide the epochs evenly."""
    each = max(count for count in range(1, min(steps, epochs) + 1) if epochs % count == 0)
    return [_in_steps(name, each) for name in CANDIDATES if each > 1 or name == "one-shot"]


def _in_steps(name: str, steps: int) -> Scheduling:
    """A hybrid schedule counts its first cut beside its steps."""
    if name == "one-shot":
        return Scheduling()
    return Scheduling(name, {"steps": max(1, steps - 1) if name == "hybrid" else steps})


def _trial_training(job: Job) -> Finetuning:
    """Training as asked for, without what would make budgets unequal."""
    wish, function = job.finetune, _function(job)
    if wish is None or wish.data is None or not hasattr(function, "schedule_used"):  # a Trainer has
        raise UsageError(
            "trials need the ready-made trainer and data", fix="Give --data with labels, or leave --trials out."
        )
    if not wish.validation:
        raise UsageError("trials need validation samples", fix="Set some aside with --validation.")
    # The same epochs for all: no patience, no clock. The rate stays the one that the run itself will have.
    plain = with_settings(
        wish, patience=None, tail_patience=None, seconds=None, schedule=function.schedule_used,
        learning_rate=function.peak_learning_rate, original_learning_rate=None,
    )  # fmt: skip
    return replace(plain, checkpoints=None)


def _function(job: Job) -> Any:
    """What trains: a ``Trainer``, or a function of the user's; None where nothing is trained."""
    return None if job.finetune is None else job.finetune.function


def _figure(validation: Mapping[str, float | None] | None, wish: Finetuning) -> float:
    """What is to be small."""
    monitor = getattr(wish.function, "monitor", "loss")
    value = None if validation is None else validation[monitor]
    if value is None:
        raise UsageError(f"the trials gave no validation {monitor}", fix="Give data with labels, or monitor the loss.")
    return -value if monitor == "accuracy" else value


def _shown(validation: Mapping[str, float | None] | None) -> str:
    shown = [f"{name} {value:.4f}" for name, value in (validation or {}).items() if value is not None]
    return f"validation {', '.join(shown)}"
