"""``compressor gate``: may this model be released in place of that one?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from compressor.cli_options import JsonFlag, SeedOption
from compressor.cli_output import OUTCOME, emit, emit_json, progress, warn
from compressor.errors import EnvironmentProblem, UsageError

if TYPE_CHECKING:
    from compressor.gate.report import GateReport


def gate(
    baseline: Annotated[
        Path | None, typer.Option("--baseline", metavar="A", help="An ONNX file, or a stored result (.json).")
    ] = None,
    candidate: Annotated[Path | None, typer.Option("--candidate", metavar="B", help="An ONNX file.")] = None,
    policy: Annotated[
        Path | None, typer.Option("--policy", metavar="POLICY", help="What is demanded: a YAML or JSON file.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="All of it as JSON; a later gate takes it as A."),
    ] = None,
    junit: Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write JUnit XML.")] = None,
    markdown: Annotated[Path | None, typer.Option("--markdown", metavar="FILE", help="Write Markdown.")] = None,
    benchmark_json: Annotated[
        Path | None, typer.Option("--benchmark-json", metavar="FILE", help="Write numbers for github-action-benchmark.")
    ] = None,
    github: Annotated[
        bool, typer.Option("--github", help="Print annotations, and add to the summary of this workflow step.")
    ] = False,
    seed: SeedOption = 0,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of policies, and nothing else.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Hold B against A by a policy: exit code 0 pass, 1 fail, 2 wrong use, 3 environment, 4 inconclusive."""
    if schema:
        from compressor.gate.policy import policy_schema

        emit_json(policy_schema())
        return
    if baseline is None or candidate is None or policy is None:
        given = {"--baseline": baseline, "--candidate": candidate, "--policy": policy}
        missing = [name for name, value in given.items() if value is None]
        raise UsageError(f"{' and '.join(missing)} missing", fix="Give --baseline A --candidate B --policy gate.yaml.")
    from compressor.gate.facts import files_of
    from compressor.gate.policy import read_policy
    from compressor.gate.reports.files import append_summary, check_targets, write_reports
    from compressor.gate.run import run_gate

    asked = {"output": output, "junit": junit, "markdown": markdown, "benchmark_json": benchmark_json}
    targets = {form: path for form, path in asked.items() if path is not None}
    demands = read_policy(policy)
    if targets:
        models = [one for one in (baseline, candidate) if one.suffix.lower() != ".json"]
        weights = [file for model in models for file in files_of(model)]
        check_targets(targets, [baseline, candidate, policy, *demands.files(), *weights])
    with progress("opening the models") as report:
        found = run_gate(
            baseline, candidate, demands, seed=seed, progress=lambda check, done, total: report("checks", done, total)
        )
    OUTCOME.written += [str(path) for path in write_reports(found, targets)]
    if github:
        try:
            if not append_summary(found):
                warn("GITHUB_STEP_SUMMARY is not set: there is no summary to add to")
        except EnvironmentProblem as error:  # the verdict stands all the same
            warn(f"no summary: {error.one_line()}")
    _show(found, as_json, github)
    raise typer.Exit(found.exit_code)


def _show(found: GateReport, as_json: bool, github: bool) -> None:
    from compressor.gate.reports.annotations import github_annotations

    for warning in found.warnings:
        warn(warning)
    if as_json:
        emit_json(found.to_json(samples=False))
    else:
        from compressor.cli_gate_tables import gate_tables

        emit(*gate_tables(found))
    if github:
        # The runner reads both streams; JSON on stdout stays alone there.
        stream = sys.stderr if as_json else sys.stdout
        stream.writelines(f"{line}\n" for line in github_annotations(found))
        stream.flush()
