"""``compressor compress``: cut a model to a target, or by a saved plan; prove it; write it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from compressor import cli_latency as latencies
from compressor import cli_schedule as schedules
from compressor import cli_training as options
from compressor.cli_options import DimOption, JsonFlag, ModelArgument, OutputOption, SeedOption, named_sizes
from compressor.cli_output import OUTCOME, Report, emit, emit_json, progress, warn
from compressor.errors import UsageError
from compressor.target_options import TargetOptions
from compressor.training_options import TrainingOptions

if TYPE_CHECKING:
    from compressor.results import Compression


def compress(
    model: ModelArgument,
    output: OutputOption,
    params: Annotated[
        float | None, typer.Option("--params", metavar="R", help="Share of the parameters to keep.")
    ] = None,
    macs: Annotated[float | None, typer.Option("--macs", metavar="R", help="Share of the MACs to keep.")] = None,
    channels: Annotated[
        float | None, typer.Option("--channels", metavar="R", help="Share of the channels to keep.")
    ] = None,
    size: Annotated[
        float | None,
        typer.Option("--size", metavar="R", help="Share of the weights' bytes to keep; also beside a latency."),
    ] = None,
    memory: Annotated[
        float | None,
        typer.Option("--memory", metavar="R", help="Of the peak of weights and live tensors; also beside a latency."),
    ] = None,
    latency: latencies.LatencyOption = None,
    latency_ms: latencies.MillisecondsOption = None,
    energy: latencies.EnergyOption = None,
    pareto: latencies.ParetoOption = None,
    backend: latencies.BackendOption = None,
    threads: latencies.ThreadsOption = None,
    batch: latencies.BatchOption = None,
    dim: DimOption = None,
    latency_table: latencies.TableOption = None,
    table_minutes: latencies.MinutesOption = None,
    criterion: Annotated[
        str | None,
        typer.Option(
            "--criterion",
            help="What decides which channels go. From weights: l1, l2, fpgm, lamp, bn-scale, random; from --data:"
            " activation, obs, taylor, taylor-group, fisher, fisher-sampled.",
            show_default="l1",
        ),
    ] = None,
    combine: Annotated[
        str | None,
        typer.Option("--combine", help="Of a channel's coupled slices: sum, mean or max.", show_default="sum"),
    ] = None,
    normalise: Annotated[
        bool | None,
        typer.Option(
            "--normalise/--no-normalise",
            help="Global scopes: divide scores by their space's mean, or not.",
            show_default="as the criterion's scores are meant",
        ),
    ] = None,
    scope: Annotated[
        str | None,
        typer.Option("--scope", help="per-space, global or global-floor.", show_default="per-space"),
    ] = None,
    floor: Annotated[
        float | None,
        typer.Option("--floor", help="Share of every space that stays in global-floor.", show_default="0.1"),
    ] = None,
    round_to: Annotated[
        int | None, typer.Option("--round-to", help="Kept sizes are multiples of this.", show_default="1")
    ] = None,
    allow_width: Annotated[
        bool, typer.Option("--allow-width", help="Also cut what a normalisation runs over.")
    ] = False,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            "--exclude", metavar="NAME", help="Parameter or node whose channels stay; or a pattern. Repeatable."
        ),
    ] = None,
    drop_branches: Annotated[
        bool, typer.Option("--drop-branches", help="Residual branches may go whole; a constant stands in for each.")
    ] = False,
    no_align_groups: Annotated[
        bool, typer.Option("--no-align-groups", help="Same positions in every group of a grouped convolution.")
    ] = False,
    schedule: schedules.ScheduleOption = None,
    steps: schedules.StepsOption = None,
    rate: schedules.StepRateOption = None,
    first: schedules.FirstOption = None,
    tail: schedules.TailOption = None,
    base: schedules.BaseOption = None,
    shares: schedules.SharesOption = None,
    trials: schedules.TrialsOption = None,
    seed: SeedOption = 0,
    plan: Annotated[Path | None, typer.Option("--plan", metavar="PATH", help="Save the plan there too.")] = None,
    replay: Annotated[
        Path | None, typer.Option("--replay", metavar="PLAN", help="Apply a saved plan instead of choosing.")
    ] = None,
    data: options.DataOption = None,
    recover: Annotated[
        bool | None,
        typer.Option(
            "--recover/--no-recover",
            help="Make up for what was removed, without training; without --data on made-up inputs, which is weaker.",
            show_default="where there is data and nothing is trained",
        ),
    ] = None,
    samples: Annotated[
        int | None, typer.Option("--samples", help="Of the data, for criterion and recovery.", show_default="1024")
    ] = None,
    finetune: options.FinetuneOption = None,
    evaluate: options.EvalOption = None,
    epochs: options.EpochsOption = None,
    minutes: options.MinutesOption = None,
    batch_size: options.BatchOption = None,
    optimizer: options.OptimizerOption = None,
    lr: options.RateOption = None,
    original_lr: options.OriginalRateOption = None,
    clip: options.ClipOption = None,
    patience: options.PatienceOption = None,
    tail_patience: options.TailPatienceOption = None,
    monitor: options.MonitorOption = None,
    distill: options.DistillOption = False,
    distill_share: options.ShareOption = None,
    distill_temperature: options.TemperatureOption = None,
    distill_features: options.FeaturesOption = None,
    validation: options.ValidationOption = None,
    pixels: options.PixelsOption = None,
    device: options.DeviceOption = None,
    precision: options.PrecisionOption = None,
    keep_zeros: options.KeepZerosFlag = False,
    checkpoints: options.CheckpointsOption = None,
    no_verify: Annotated[bool, typer.Option("--no-verify", help="Write without proof.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Remove the least important channels until the target is met, prove the result, recover or train it, write it."""
    target = TargetOptions(
        params=params, macs=macs, channels=channels, size=size, memory=memory, latency=latency, latency_ms=latency_ms,
        energy=energy, backend=backend, threads=threads, batch=batch, dim=named_sizes(dim) or None, table=latency_table,
        table_minutes=table_minutes, pareto=pareto is not None,
    )  # fmt: skip
    choices = {
        "criterion": criterion, "combine": combine, "normalise": normalise, "scope": scope, "floor": floor,
        "round_to": round_to,
    }  # fmt: skip
    given: dict[str, Any] = {name: value for name, value in choices.items() if value is not None}
    if allow_width:
        given["allow_width"] = True
    if exclude:
        given["exclude"] = tuple(exclude)
    if drop_branches:
        given["drop_branches"] = True
    if no_align_groups:
        given["align_groups"] = False
    settings = {"steps": steps, "rate": rate, "first": first, "of": tail, "base": base}
    targets = target.targets()
    if replay is not None:
        named = {"schedule": schedule, "steps": steps, "rate": rate, "first": first, "tail": tail, "base": base,
                 "shares": shares, "trials": trials, "plan": plan}  # fmt: skip
        _refuse_with_replay([*target.given(), *given, *(name for name in named if named[name] is not None)])
    wish = TrainingOptions(
        data=data, finetune=finetune, epochs=epochs, minutes=minutes, batch_size=batch_size, optimizer=optimizer,
        lr=lr, original_lr=original_lr, clip=clip, patience=patience, tail_patience=tail_patience, monitor=monitor,
        distill=distill, distill_share=distill_share, distill_temperature=distill_temperature,
        distill_features=distill_features, validation=validation, pixels=pixels, device=device, precision=precision,
        keep_zeros=keep_zeros, checkpoints=checkpoints,
    ).wish(output, optional=True)  # fmt: skip
    after: dict[str, Any] = {
        "data": data, "recover": recover, "pixels": pixels, "finetune": wish, "evaluate": options.evaluation(evaluate)
    }  # fmt: skip
    if samples is not None:
        after["samples"] = samples

    with options.checkpoints_named(wish), progress("compressing") as report:
        noted = _noting(report, [output, plan])
        if replay is not None:
            from compressor.pipeline import replay as carry_out

            result = carry_out(model, replay, output, verify=not no_verify, seed=seed, progress=noted, **after)
        else:
            common = {
                "seed": seed, "verify": not no_verify, "plan_path": plan, "progress": noted, **after,
                "schedule": schedules.scheduling(schedule, settings, shares, trials),
            }  # fmt: skip
            if pareto is not None:
                _pareto(model, output, pareto, {**targets, **common}, given, as_json)
                return
            result = _choose_and_cut(model, output, {**targets, **common}, given)
    from compressor.cli_tables import compression_tables

    _warn(result)
    options.show(result, lambda: compression_tables(result), output, as_json)


def _warn(result: Compression | None) -> None:
    """Of what disturbed the measurement that decided."""
    for text in ((result and result.latency) or {}).get("warnings", ()):
        warn(text)


def _choose_and_cut(model: Path, output: Path, common: dict[str, Any], given: dict[str, Any]) -> Compression:
    from compressor.passes.selection import Options
    from compressor.pipeline import compress as carry_out

    criterion = given.pop("criterion", "l1")
    return carry_out(model, output, **common, criterion=criterion, options=Options(**given))


def _pareto(
    model: Path, output: Path, shares: str, common: dict[str, Any], given: dict[str, Any], as_json: bool
) -> None:
    from compressor.cli_latency_tables import pareto_lines
    from compressor.latency.pareto import pareto
    from compressor.passes.selection import Options

    how = {"criterion": given.pop("criterion", "l1"), "options": Options(**given)}
    plan, goal = common.pop("plan_path"), common.pop("latency")
    points = pareto(model, output, latencies.ratios(shares), goal, plan_path=plan, **how, **common)
    options.forget_checkpoints(output)
    for point in points:
        _warn(point.result)
    if as_json:
        emit_json({"kind": "pareto", "version": 1, "points": [point.to_json() for point in points]})
    else:
        emit(*pareto_lines(points))


def _refuse_with_replay(given: list[str]) -> None:
    if given:
        extra = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise UsageError(
            f"--replay takes everything from its plan, so {extra} would have no effect",
            fix="Leave out the one or the other.",
        )


def _noting(report: Report, paths: list[Path | None]) -> Report:
    """``report`` that also remembers, for an interruption, what is there by then."""

    def noted(stage: str, done: int, total: int) -> None:
        if stage == "write" and done == total:
            OUTCOME.written[:] = [str(path) for path in paths if path is not None]
        elif stage == "latency table" and done:
            OUTCOME.written[:] = [f"{done} samples of the latency table {latencies.GOES_ON}"]
        report(stage, done, total)

    return noted
