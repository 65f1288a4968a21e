"""docs/reference.md: the public Python API, from its docstrings.

``python -m tests.api_reference`` (or ``make docs``) writes the page; tests/docs/test_reference.py holds it to the code.
What is public is what is listed here, with the public members of classes.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compressor.registry import Registry
from tests.api_docstrings import markdown
from tests.api_signatures import members, signature

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference.md"


@dataclass(frozen=True)
class Part:
    """A section of the page.

    Attributes:
        module: what its names are imported from.
        names: in order.
    """

    title: str
    intro: str
    module: str
    names: tuple[str, ...]


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


PARTS = (
    Part(
        "Functions",
        "What the commands of the command line do. `progress` functions may raise to stop the work; no output is"
        " left half-written then.",
        "compressor",
        _names(
            "inspect compress pareto replay verify verify_structure bench explain make_table finetune sparsify export"
            " run_gate read_policy parse_policy write_recipe run_recipe make_report run_study run_demo examine"
            " check_file"
        ),
    ),
    Part(
        "Settings",
        "Arguments of the functions above.",
        "compressor",
        _names("Options LatencyGoal Setting MemoryGoal Scheduling Finetuning Trainer Mode ExportRequest"),
    ),
    Part(
        "Results",
        "What they return. `to_json()` of each gives what `--json` prints.",
        "compressor.results",
        _names("Inspection SpaceSummary SpacePart FixedSummary Compression Counts Tuning"),
    ),
    Part("", "", "compressor.verification", ("Verification",)),
    Part("", "", "compressor.backends.comparison", ("Comparison", "Timing")),
    Part("", "", "compressor.backends.statistics", ("Ratio",)),
    Part("", "", "compressor.latency.pareto", ("ParetoPoint",)),
    Part("", "", "compressor.latency.make_table", ("MadeTable",)),
    Part("", "", "compressor.why.explain", ("Explanation",)),
    Part("", "", "compressor.sparsifying", ("Sparsification",)),
    Part("", "", "compressor.exporting", ("Export", "ExportedForm")),
    Part("", "", "compressor.gate.policy", ("Policy",)),
    Part("", "", "compressor.gate.report", ("GateReport",)),
    Part("", "", "compressor.gate.finding", ("Finding",)),
    Part("", "", "compressor.recipe.results", ("Published",)),
    Part("", "", "compressor.report.report", ("Report",)),
    Part("", "", "compressor.study.outcome", ("Outcome",)),
    Part("", "", "compressor.demo", ("Demo", "Cut")),
    Part("", "", "compressor.doctor", ("Checkup",)),
    Part("", "", "compressor.file_check", ("FileCheck", "WholeOp")),
    Part(
        "Errors",
        "Everything that is raised on purpose is a `CompressorError`; `exit_code` is what the command line ends with.",
        "compressor.errors",
        _names(
            "CompressorError UsageError ModelFileError GraphError PlanError NothingToPruneError VerificationError"
            " CandidateError BackendError MachineError EnvironmentProblem RegistryError"
        ),
    ),
    Part(
        "PyTorch modules of ONNX files",
        "Needs `pip install 'compressor[torch]'`.",
        "compressor.bridge",
        _names("from_onnx to_onnx OnnxModule"),
    ),
    Part(
        "Fine-tuning",
        "What a function given as `finetune=` works with. Needs PyTorch.",
        "compressor.training",
        _names("FinetuneContext Mixture Evaluation evaluate_file evaluate_module"),
    ),
    Part(
        "The embedded demo",
        "A trained network of handwritten digits and its data, to try things on.",
        "compressor.models.demo",
        _names("demo_model_path load_digits load_digits_test demo_card demo_folder"),
    ),
    Part(
        "Runtimes",
        "Open a model, run it, time it; and what a backend of your own implements.",
        "compressor.backends.base",
        _names("open_model get_backend Backend Session Availability InputSpec BACKENDS"),
    ),
    Part("", "", "compressor.backends.inputs", ("random_feeds",)),
    Part("", "", "compressor.backends.timing", ("compare",)),
    Part("", "", "compressor.backends.fingerprint", ("Fingerprint",)),
    Part(
        "Graphs",
        "The steps that the functions above are made of. Graphs are `onnx_graphsurgeon.Graph`; none is changed.",
        "compressor.model_io",
        _names("read write"),
    ),
    Part("", "", "compressor.normalize", ("normalize",)),
    Part("", "", "compressor.passes.analysis", ("analyse", "Analysis")),
    Part("", "", "compressor.passes.spaces", ("Space",)),
    Part("", "", "compressor.passes.cost", ("CostModel", "Cost")),
    Part("", "", "compressor.passes.selection", ("Target", "select", "Selection")),
    Part("", "", "compressor.passes.rewrite", ("remove_atoms",)),
    Part("", "", "compressor.passes.masking", ("mask_atoms",)),
    Part("", "", "compressor.verification", ("verify_removal",)),
    Part("", "", "compressor.passes.fold_batchnorm", ("fold_batchnorms",)),
    Part("", "", "compressor.passes.fold_constants", ("fold_constants",)),
    Part("", "", "compressor.passes.plan", ("read_plan", "Plan")),
    Part(
        "Adding to it",
        "Registries and what plug-ins are given; [adding-an-op-rule.md](adding-an-op-rule.md) shows one of each.",
        "compressor.registry",
        ("Registry",),
    ),
    Part("", "", "compressor.passes.op_rules", ("OP_RULES", "RuleContext")),
    Part("", "", "compressor.passes.rewrite_rules", ("REWRITES", "RewriteContext")),
    Part("", "", "compressor.passes.scores", ("CRITERIA", "criterion", "Criterion", "ScoreContext")),
    Part("", "", "compressor.passes.sparsity", ("WEIGHT_CRITERIA", "weight_criterion", "WeightCriterion")),
    Part("", "", "compressor.passes.schedule", ("SCHEDULES", "cumulative", "known_settings")),
    Part("", "", "compressor.bridge.lowering", ("LOWERINGS",)),
    Part("", "", "compressor.gate.check", ("CHECKS", "check", "Check")),
    Part("", "", "compressor.recipe.stage", ("STAGES", "Stage", "Work", "Flow")),
    Part("", "", "compressor.report.section", ("SECTIONS", "section")),
    Part("", "", "compressor.models.registry", ("MODELS", "build", "example_inputs")),
)


def entries() -> Iterator[tuple[Part, str, Any]]:
    """(its part, dotted name, the thing) of everything public."""
    for part in PARTS:
        module = importlib.import_module(part.module)
        for name in part.names:
            yield part, f"{part.module}.{name}", getattr(module, name)


def render() -> str:
    """The page."""
    lines = [
        "# Python API",
        "",
        "Generated from docstrings by `make docs`; do not edit. What is on this page is public: it changes only with",
        "a line in the [changelog](../CHANGELOG.md). Everything else may change at any time. `import compressor` loads",
        "no runtime and no framework; each function loads what it needs when it is first called.",
        "",
        "In signatures: `PathLike` is `str | os.PathLike[str]`, `Array` a NumPy array, `Labels` one of int64, `Scores`",
        "one of float64, `Finetune` a function called with (module, context), and `Evaluate` one called with the path",
        "of an ONNX file.",
        "",
        "- " + "\n- ".join(_contents()),
    ]
    for part, name, thing in entries():
        if part.title and name.endswith(f".{part.names[0]}"):
            lines += ["", f"## {part.title}", "", part.intro]
        lines += ["", *_entry(name, thing)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip("\n") + "\n"


def _contents() -> Iterator[str]:
    """A line for each section, with links to what is in it."""
    anchors, title, found = Counter[str](), "", dict[str, list[str]]()
    for part, name, _ in entries():
        if part.title and name.endswith(f".{part.names[0]}"):
            title = part.title
            found[title] = [f"[{title}](#{_anchor(title, anchors)})"]
        found[title].append(f"[`{name.rpartition('.')[2]}`](#{_anchor(name, anchors)})")
    for head, *links in found.values():
        yield f"{head}: {', '.join(links)}"


def _anchor(heading: str, taken: Counter[str]) -> str:
    """As GitHub makes it of a heading, in the order of the page: names that differ in capitals alone get numbers."""
    plain = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
    taken[plain] += 1
    return plain if taken[plain] == 1 else f"{plain}-{taken[plain] - 1}"


def _entry(name: str, thing: Any) -> Iterator[str]:
    yield f"### {name}"
    yield ""
    if isinstance(thing, Registry):
        yield f"The [registry](#compressorregistryregistry) of each {thing.kind}; modules of `{thing.package}` fill it."
        return
    yield from ("```python signature", *signature(thing, name.rpartition(".")[2]), "```", "")
    yield from markdown(inspect.getdoc(thing) or "")
    if inspect.isclass(thing):
        for member, found in members(thing):
            yield from ("", f"**`{member}`**", "", *_member(member, found))


def _member(name: str, thing: Any) -> Iterator[str]:
    if not isinstance(thing, property) and callable(getattr(thing, "__func__", thing)):
        yield from ("```python signature", *signature(getattr(thing, "__func__", thing), name), "```", "")
    yield from markdown(inspect.getdoc(thing) or "")


def main() -> None:
    """Write the page."""
    PAGE.write_text(render(), encoding="utf-8")
    print(PAGE)


if __name__ == "__main__":
    main()

__all__ = ["PAGE", "PARTS", "entries", "render"]
