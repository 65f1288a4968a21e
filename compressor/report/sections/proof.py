"""How the result was made and what shows that it is right: proof, recovery, steps, training."""

from __future__ import annotations

from compressor.report.blocks import Block, Items, Section, Table
from compressor.report.documents import Compression, Recovery
from compressor.report.figures import figure
from compressor.report.results import Results
from compressor.report.section import section
from compressor.units import percent, seconds

_STEPS = ("step", "to be removed", "removed", "channels", "epochs", "validation", "time")


@section("proof", 70)
def proof(results: Results) -> Section | None:
    """Sentences for each compression, and a table of its steps."""
    found = Section("How it was made, and the proof", card=True)
    for one in results.every_compression():
        found.blocks += _told(one)
    return found


def _told(one: Compression) -> list[Block]:
    made = one.made_with
    said = [
        f"{one.spaces_cut} of {one.spaces} channel spaces are cut, from {one.before.channels} channels to "
        f"{one.after.channels}"
        + (f"; {made['metric']} to {made['keep']}" if "metric" in made and "keep" in made else "")
        + (f", ranked by {made['criterion']}" if "criterion" in made else "")
        + "."
    ]
    if one.verification is None:
        said.append("The cut was not verified.")
    else:
        said.append(
            f"Pruned equals masked original on {one.verification.inputs} random inputs: largest error"
            f" {one.verification.max_error:.1g} of the output, {one.verification.tolerance:.1g} is allowed."
        )
    said += _recovered(one.recovery)
    if one.training is not None:
        epochs = sum(entry.epoch is not None for entry in one.training.history)
        on = f" for {epochs} epochs" if epochs else ""
        said.append(f"The weights were fine-tuned afterwards{on}; the proof is of the cut.")
    steps = [
        (
            str(step.step), percent(step.target_share),
            "" if step.reached_share is None else percent(step.reached_share), str(step.channels_taken),
            str(step.epochs), ", ".join(f"{name} {figure(value)}" for name, value in (step.validation or {}).items()),
            seconds(step.seconds),
        )
        for step in one.steps
    ]  # fmt: skip
    return [Items(said), *([Table(_STEPS, list(steps))] if steps else [])]


def _recovered(found: Recovery | None) -> list[str]:
    if found is None:
        return []
    if not found.kept or found.output_error_after is None:
        return ["Recovery without training found nothing better than the pruned weights."]
    on = "made-up inputs" if found.made_up_inputs else "samples"
    before = "not finite" if found.output_error_before is None else f"{found.output_error_before:.3g}"
    return [
        f"Recovery without training took the error of the outputs from {before} to {found.output_error_after:.3g} of"
        f" their variance, on {found.samples or 0} {on}; the proof is of the cut before it."
    ]
