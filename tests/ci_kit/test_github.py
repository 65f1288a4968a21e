"""The runner itself: order, conditions, outputs, environment, and that it ignores nothing."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from tests.ci_kit.__main__ import main
from tests.ci_kit.github import Runner
from tests.ci_kit.github_files import marks_in, outputs
from tests.ci_kit.github_results import Job
from tests.ci_kit.machine import Machine

ACTION = """
name: small
description: For tests.
inputs:
  word: {description: A word., required: true}
  other: {description: Another., default: here}
outputs:
  said: {description: What was said., value: "${{ steps.say.outputs.said }}"}
  never: {description: Never set., value: "${{ steps.say.outputs.never }}"}
runs:
  using: composite
  steps:
    - id: say
      shell: bash
      env: {WORD: "${{ inputs.word }}", OTHER: "${{ inputs.other }}"}
      run: |
        echo "said=$WORD $OTHER" >> "$GITHUB_OUTPUT"
        echo "# $WORD" >> "$GITHUB_STEP_SUMMARY"
        echo "::warning file=a.py,title=a%3A b::one%0Atwo"
        [[ $WORD != bad ]]
    - {id: after, shell: bash, run: echo after}
"""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    for name in ("workspace/small", "scratch"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "workspace" / "small" / "action.yml").write_text(ACTION)
    return Machine(tmp_path / "workspace", tmp_path / "scratch")


def job_of(machine: Machine, steps: str, event: str = "push", head: str = "on: [push]") -> Job:
    path = machine.workspace / "w.yml"
    indented = textwrap.indent(textwrap.dedent(steps), "      ")
    path.write_text(f"name: w\n{head}\njobs:\n  one:\n    runs-on: here\n    steps:\n{indented}\n")
    (job,) = Runner(machine, {"us/small": machine.workspace / "small"}).workflow(path, event)
    return job


def test_a_failure_ends_the_job_but_for_what_always_runs(machine: Machine) -> None:
    job = job_of(
        machine,
        """
        - {name: first, run: echo one}
        - {name: bad, run: exit 3}
        - {name: after, run: echo never}
        - {name: at the end, if: always(), run: echo end}
        - {name: told, if: "${{ failure() }}", run: echo told}
        - {name: not told, if: "success()", run: echo no}
        """,
    )
    assert job.conclusion == "failure"
    assert {step.name: step.outcome for step in job.steps} == {
        "first": "success", "bad": "failure", "after": "skipped", "at the end": "success", "told": "success",
        "not told": "skipped",
    }  # fmt: skip
    assert job.step("bad").exit_code == 3


def test_a_failure_may_be_spared(machine: Machine) -> None:
    job = job_of(
        machine,
        """
        - {id: bad, run: exit 3, continue-on-error: true}
        - {name: after, env: {WAS: "${{ steps.bad.outcome }}"}, run: 'echo "it was $WAS"'}
        """,
    )
    assert job.conclusion == "success"
    assert (job.step("bad").outcome, job.step("bad").conclusion) == ("failure", "success")
    assert job.step("after").log == "it was failure\n"


def test_an_action_takes_inputs_and_gives_outputs(machine: Machine) -> None:
    job = job_of(
        machine,
        """
        - {id: small, uses: ./small, with: {word: "a \\" $HOME `id`"}}
        - {name: after, env: {SAID: "${{ steps.small.outputs.said }}"}, run: 'echo "$SAID"'}
        """,
    )
    assert job.conclusion == "success"
    small = job.step("small")
    assert small.outputs == {"said": 'a " $HOME `id` here', "never": ""}
    assert small.summary == '# a " $HOME `id`\n'
    (mark,) = small.annotations
    assert (mark.level, mark.properties, mark.message) == ("warning", {"file": "a.py", "title": "a: b"}, "one\ntwo")
    assert job.step("after").log == 'a " $HOME `id` here\n'


def test_an_action_that_fails_still_gives_its_outputs(machine: Machine) -> None:
    job = job_of(machine, "- {id: small, uses: us/small@v1, with: {word: bad}}")
    assert job.conclusion == "failure"
    assert [step.outcome for step in job.step("small").steps] == ["failure", "skipped"]
    assert job.step("small").outputs["said"] == "bad here"


def test_what_is_skipped_says_why(machine: Machine) -> None:
    job = job_of(
        machine,
        """
        - uses: actions/checkout@v4
        - {id: install, run: exit 1}
        """,
    )
    assert [(step.outcome, bool(step.why)) for step in job.steps] == [("success", True)] * 2


def test_the_environment_is_bare(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THIS_PROCESS", "1")
    log = job_of(machine, "- {name: env, run: env}").step("env").log
    assert "SECRET_OF_THIS_PROCESS" not in log
    assert "CI=true\n" in log
    assert f"GITHUB_WORKSPACE={machine.workspace}\n" in log


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        ("- {run: echo, timeout: 3}", "timeout is not carried out"),
        ("- {uses: them/other@v1}", "no action them/other"),
        ("- {uses: ./small}", r"missing \['word'\]"),
        ("- {uses: ./small, with: {word: a, wrod: b}}", r"unknown \['wrod'\]"),
        ("- {run: 'echo A=1 >> $GITHUB_ENV'}", "later steps' environment"),
        ("- {run: 'echo nothing >> $GITHUB_OUTPUT'}", "is no output"),
        ("- {run: 'echo ${{ secrets.TOKEN }}'}", "nobody defines secrets"),
        ("- {run: echo, shell: pwsh}", "pwsh"),
    ],
)
def test_nothing_is_ignored(steps: str, says: str, machine: Machine) -> None:
    with pytest.raises((ValueError, KeyError), match=says):
        job_of(machine, steps)


def test_an_event_that_the_workflow_is_not_for(machine: Machine) -> None:
    with pytest.raises(ValueError, match="does not run on release"):
        job_of(machine, "- run: echo", event="release")


def test_a_dispatch_has_its_defaults_and_options(machine: Machine) -> None:
    head = "on: {workflow_dispatch: {inputs: {size: {options: [s, l], default: s}}}}"
    steps = "- {name: say, run: 'echo ${{ inputs.size }}'}"
    assert job_of(machine, steps, "workflow_dispatch", head).step("say").log == "s\n"
    runner = Runner(machine, {})
    with pytest.raises(ValueError, match="none of its options"):
        runner.workflow(machine.workspace / "w.yml", "workflow_dispatch", {"size": "xl"})


def test_outputs_of_several_lines(tmp_path: Path) -> None:
    path = tmp_path / "output"
    path.write_text("a=1=2\nb<<END\none\ntwo=3\nEND\nc=<<\n")
    assert outputs(path) == {"a": "1=2", "b": "one\ntwo=3", "c": "<<"}
    path.write_text("b<<END\none\n")
    with pytest.raises(ValueError, match="never came"):
        outputs(path)


def test_annotations_are_lines_of_their_own() -> None:
    assert marks_in("x ::error::no\n::error::yes\n::debug::no") == marks_in("::error::yes")


@pytest.mark.parametrize(("line", "code", "ended"), [("echo fine", 0, "success"), ("exit 1", 1, "failure")])
def test_by_hand(line: str, code: int, ended: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    steps = f"[{{uses: actions/checkout@v4}}, {{name: the line, run: {line}}}]"
    (folder / "gate.yml").write_text(f"on: [pull_request]\njobs: {{one: {{runs-on: here, steps: {steps}}}}}\n")
    assert main([str(tmp_path)]) == code
    said = capsys.readouterr().out
    assert said.startswith(f"job one: {ended}\n")
    assert "actions/checkout@v4: success (the workspace is there)" in said
    assert f"the line: {ended}\n" in said
    assert ("    | fine\n" in said) == (code == 0)
