"""Imports go one way: a module may import from its own floor and from those below."""

from __future__ import annotations

import ast
from enum import IntEnum

import pytest

from tests.house.imports import ROOT_PACKAGE, imports_of
from tests.house.source_tree import parse, product_files


class Floor(IntEnum):
    """From the ground up; design: "House"."""

    CORE = 0  # graph I/O, core types, errors
    GROUND = 1  # op rules with their label store | backends | models
    ANALYSIS = 2  # analysis, selection, criteria, schedules
    REWRITE = 3  # passes that rewrite
    PIPELINE = 4  # pipeline, report, gate
    CLI = 5  # command line; the root package, whose functions are the Python API


# THE MAP. A key names one module, or with a * at its end all whose names start so. The longest match wins.
FLOORS: dict[str, Floor] = {
    "compressor": Floor.CLI,
    "compressor.__main__": Floor.CLI,
    "compressor.cli*": Floor.CLI,
    "compressor.data_statistics": Floor.PIPELINE,
    "compressor.demo": Floor.PIPELINE,
    "compressor.demo_report": Floor.PIPELINE,
    "compressor.doctor": Floor.PIPELINE,
    "compressor.units": Floor.CORE,
    "compressor._checkout": Floor.CORE,
    "compressor.atomic": Floor.CORE,
    "compressor.constant_nodes": Floor.CORE,
    "compressor.digest": Floor.CORE,
    "compressor.errors": Floor.CORE,
    "compressor.external_data": Floor.CORE,
    "compressor.file_check": Floor.PIPELINE,
    "compressor.file_kind": Floor.CORE,
    "compressor.foreign_errors": Floor.CORE,
    "compressor.function_weights": Floor.CORE,
    "compressor.gc_pause": Floor.CORE,
    "compressor.graph_copy": Floor.CORE,
    "compressor.graph_edit": Floor.CORE,
    "compressor.graph_export": Floor.CORE,
    "compressor.graph_extras": Floor.CORE,
    "compressor.graph_import": Floor.CORE,
    "compressor.inline_functions": Floor.CORE,
    "compressor.model_check": Floor.CORE,
    "compressor.model_io": Floor.CORE,
    "compressor.model_writer": Floor.CORE,
    "compressor.normalize": Floor.CORE,
    "compressor.protobuf_wire": Floor.CORE,
    "compressor.peak_memory": Floor.CORE,
    "compressor.recipe*": Floor.PIPELINE,
    "compressor.same_function": Floor.PIPELINE,
    "compressor.registry": Floor.CORE,
    "compressor.settings": Floor.CORE,
    "compressor.sliced_values": Floor.CORE,
    "compressor.tensor_bytes": Floor.CORE,
    "compressor.tensor_values": Floor.CORE,
    "compressor.user_code": Floor.CORE,
    "compressor.extras": Floor.CORE,
    "compressor.bridge*": Floor.GROUND,
    "compressor.backends*": Floor.GROUND,
    "compressor.models*": Floor.GROUND,
    "compressor.passes": Floor.GROUND,
    "compressor.passes.labels": Floor.GROUND,
    "compressor.passes.op_rules": Floor.GROUND,
    "compressor.passes.ops*": Floor.GROUND,
    "compressor.passes.body_shapes": Floor.GROUND,
    "compressor.passes.contrib_shapes": Floor.GROUND,
    "compressor.passes.facts": Floor.GROUND,
    "compressor.passes.heads": Floor.GROUND,
    "compressor.passes.nested": Floor.GROUND,
    "compressor.passes.probe": Floor.GROUND,
    "compressor.passes.quantized_shapes": Floor.GROUND,
    "compressor.passes.shape_engine": Floor.GROUND,
    "compressor.passes.shape_values": Floor.GROUND,
    "compressor.passes.split_merge": Floor.GROUND,
    "compressor.passes.reshape_run": Floor.GROUND,
    "compressor.passes.rewrite_rules": Floor.GROUND,
    "compressor.passes.shape_patch": Floor.GROUND,
    "compressor.passes.analysis": Floor.ANALYSIS,
    "compressor.passes.attention_ops": Floor.ANALYSIS,
    "compressor.passes.axis_table": Floor.ANALYSIS,
    "compressor.passes.branches": Floor.ANALYSIS,
    "compressor.passes.cost": Floor.ANALYSIS,
    "compressor.passes.memory": Floor.ANALYSIS,
    "compressor.passes.weights": Floor.ANALYSIS,
    "compressor.passes.describe": Floor.ANALYSIS,
    "compressor.passes.excluding": Floor.ANALYSIS,
    "compressor.passes.explain": Floor.ANALYSIS,
    "compressor.passes.pin_paths": Floor.ANALYSIS,
    "compressor.passes.plan": Floor.ANALYSIS,
    "compressor.passes.schedule*": Floor.ANALYSIS,
    "compressor.passes.gradient_scores": Floor.ANALYSIS,
    "compressor.passes.products": Floor.ANALYSIS,
    "compressor.passes.scores": Floor.ANALYSIS,
    "compressor.passes.sensitivity": Floor.ANALYSIS,
    "compressor.passes.slices": Floor.ANALYSIS,
    "compressor.passes.sparsity": Floor.REWRITE,
    "compressor.passes.standing_in": Floor.REWRITE,
    "compressor.passes.sparsity_criteria*": Floor.REWRITE,
    "compressor.passes.statistics": Floor.ANALYSIS,
    "compressor.passes.surgeon": Floor.ANALYSIS,
    "compressor.passes.selection": Floor.ANALYSIS,
    "compressor.passes.spaces": Floor.ANALYSIS,
    "compressor.benchmark": Floor.PIPELINE,
    "compressor.checkpoint_file": Floor.CORE,
    "compressor.export_check": Floor.PIPELINE,
    "compressor.export_request": Floor.PIPELINE,
    "compressor.exporting": Floor.PIPELINE,
    "compressor.inspection": Floor.PIPELINE,
    "compressor.inspection_page": Floor.PIPELINE,
    "compressor.finetuning": Floor.PIPELINE,
    "compressor.gate*": Floor.PIPELINE,
    "compressor.plain_text": Floor.CORE,
    "compressor.markdown_text": Floor.CORE,
    "compressor.result_file": Floor.CORE,
    "compressor.report*": Floor.PIPELINE,
    "compressor.loaded": Floor.PIPELINE,
    "compressor.memory_goal": Floor.PIPELINE,
    "compressor.target_choice": Floor.PIPELINE,
    "compressor.target_options": Floor.PIPELINE,
    "compressor.pipeline": Floor.PIPELINE,
    "compressor.auto_schedule": Floor.PIPELINE,
    "compressor.scheduling": Floor.PIPELINE,
    "compressor.choosing": Floor.PIPELINE,
    "compressor.job": Floor.PIPELINE,
    "compressor.steps": Floor.PIPELINE,
    "compressor.structure_proof": Floor.PIPELINE,
    "compressor.step_record": Floor.PIPELINE,
    "compressor.step_results": Floor.PIPELINE,
    "compressor.proof": Floor.PIPELINE,
    "compressor.advice": Floor.PIPELINE,
    "compressor.calibration": Floor.PIPELINE,
    "compressor.data_use": Floor.PIPELINE,
    "compressor.made_up_inputs": Floor.PIPELINE,
    "compressor.recover": Floor.PIPELINE,
    "compressor.results": Floor.PIPELINE,
    "compressor.rounding": Floor.PIPELINE,
    "compressor.sparsifying": Floor.PIPELINE,
    "compressor.latency*": Floor.PIPELINE,
    "compressor.passes.latency*": Floor.ANALYSIS,
    "compressor.study*": Floor.PIPELINE,
    "compressor.targets": Floor.PIPELINE,
    "compressor.training*": Floor.PIPELINE,
    "compressor.training_options": Floor.PIPELINE,
    "compressor.user_evaluation": Floor.PIPELINE,
    "compressor.why*": Floor.PIPELINE,
    "compressor.verification": Floor.PIPELINE,
    "compressor.passes.criteria*": Floor.ANALYSIS,
    "compressor.passes.apply_plan": Floor.REWRITE,
    "compressor.passes.carried_scores": Floor.REWRITE,
    "compressor.passes.dead_nodes": Floor.REWRITE,
    "compressor.passes.fold_batchnorm": Floor.REWRITE,
    "compressor.passes.fold_constants": Floor.REWRITE,
    "compressor.passes.folding": Floor.REWRITE,
    "compressor.passes.fold_shuffles": Floor.REWRITE,
    "compressor.passes.group_alignment": Floor.REWRITE,
    "compressor.passes.group_scores": Floor.REWRITE,
    "compressor.passes.masking": Floor.REWRITE,
    "compressor.passes.put_back": Floor.REWRITE,
    "compressor.passes.rewrite": Floor.REWRITE,
    "compressor.passes.recovery": Floor.ANALYSIS,
    "compressor.passes.recovery.windows": Floor.ANALYSIS,
    "compressor.passes.recovery*": Floor.REWRITE,
}

STRANGERS = ("compressor.passes", "compressor.backends", "compressor.models")


def floor_of(module: str) -> Floor | None:
    """The module's floor, or None where the map has none."""
    matches = [key for key in FLOORS if key == module or (key.endswith("*") and module.startswith(key[:-1]))]
    return FLOORS[max(matches, key=len)] if matches else None


def wing_of(module: str) -> str | None:
    """Which of the three packages that never meet the module lies in, if any."""
    return next((wing for wing in STRANGERS if module == wing or module.startswith(wing + ".")), None)


def violations(module: str, tree: ast.Module) -> list[str]:
    """What is wrong with the imports of ``module``, one line each."""
    found = []
    modules = product_files()
    floor = floor_of(module)
    if floor is None:
        return [f"{module} has no floor: add it to FLOORS in tests/house/test_floors.py"]
    for imported in dict.fromkeys(imports_of(tree, modules)):  # `from m import a, b` is one import of m
        at = f"{module}:{imported.line} imports {imported.name}"
        if imported.name.startswith("."):
            found.append(f"{at}: write the absolute name")
        elif imported.name != ROOT_PACKAGE and not imported.name.startswith(ROOT_PACKAGE + "."):
            continue
        elif (other := floor_of(imported.name)) is None:
            found.append(f"{at}, which has no floor: add it to FLOORS in tests/house/test_floors.py")
        elif other > floor:
            found.append(f"{at}: {floor.name} must not import from {other.name}")
        elif None not in (wings := {wing_of(module), wing_of(imported.name)}) and len(wings) == 2:
            found.append(f"{at}: passes, backends and models never import each other")
    return found


def test_imports_go_down() -> None:
    found = [line for module, path in product_files().items() for line in violations(module, parse(path))]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("module", "source", "complaint"),
    [
        ("compressor.errors", "from compressor.registry import Registry", None),
        ("compressor.errors", "from compressor import __version__", None),
        ("compressor.errors", "import numpy", None),
        ("compressor.errors", "from compressor import compress", "no floor"),
        ("compressor.errors", "import compressor", None),
        ("compressor.errors", "import compressor.passes.labels", "must not import from GROUND"),
        ("compressor.errors", "def f():\n    from compressor.passes import labels", "must not import from GROUND"),
        ("compressor.passes.labels", "from compressor.passes.criteria import l1", "must not import from ANALYSIS"),
        ("compressor.passes.labels", "from compressor.backends import base", "never import each other"),
        ("compressor.models.resnet", "import compressor.passes.ops.conv", "never import each other"),
        ("compressor.passes.labels", "from . import probe", "absolute"),
        ("compressor.passes.brand_new", "import numpy", "add it to FLOORS"),
        ("compressor.cli", "from compressor.backends import base", None),
    ],
)
def test_each_kind_of_violation_is_seen(module: str, source: str, complaint: str | None) -> None:
    found = violations(module, ast.parse(source))
    if complaint is None:
        assert found == []
    else:
        assert len(found) == 1
        assert complaint in found[0]
