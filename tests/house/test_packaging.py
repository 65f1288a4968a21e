"""What pyproject.toml says about the packages is what lies on disk and what the code imports."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator

import pytest

import compressor
from tests.house.imports import ROOT_PACKAGE, imports_of
from tests.house.source_tree import PACKAGE_FOLDERS, PYPROJECT, ROOT, packages_on_disk, parse, product_files

SETUPTOOLS = PYPROJECT["tool"]["setuptools"]
PROJECT = PYPROJECT["project"]

# Import name -> distribution, where they differ by more than - and _.
DISTRIBUTIONS = {"PIL": "pillow", "google": "protobuf", "sklearn": "scikit-learn", "yaml": "pyyaml"}
# Packages whose modules may need the torch extra at import time: nothing else imports them at import time.
NEED_TORCH = ("compressor.models.", "compressor.backends.pytorch.", "compressor.bridge.", "compressor.training.")


def normal(name: str) -> str:
    """A distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(requirements: list[str]) -> set[str]:
    """The distributions that a list of requirement strings names."""
    return {normal(re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]) for requirement in requirements}


def undeclared(module: str, tree: ast.Module) -> Iterator[str]:
    """Third-party imports of ``module`` that pyproject.toml does not grant it."""
    core = declared(PROJECT["dependencies"])
    extras = {name for group in PROJECT["optional-dependencies"].values() for name in declared(group)}
    for imported in imports_of(tree, product_files()):
        top = imported.name.partition(".")[0]
        if top in sys.stdlib_module_names or top in {ROOT_PACKAGE, ""}:
            continue
        distribution = normal(DISTRIBUTIONS.get(top, top))
        if distribution in core:
            continue
        if distribution not in extras:
            yield f"{module}:{imported.line} imports {top}: declare {distribution} in pyproject.toml"
        elif imported.at_import_time and not module.startswith(NEED_TORCH):
            yield f"{module}:{imported.line} imports {top} of an extra: import it in the function that needs it"


def test_package_list_is_what_is_on_disk() -> None:
    listed = SETUPTOOLS["packages"]
    assert sorted(listed) == sorted(packages_on_disk()), "[tool.setuptools] packages: one line per __init__.py folder"


def test_every_module_lies_in_a_listed_package() -> None:
    stray = [
        str(path.relative_to(ROOT)) for path in product_files().values() if not (path.parent / "__init__.py").is_file()
    ]
    assert not stray, f"no __init__.py beside: {stray}"


def test_version_has_one_source() -> None:
    assert "version" not in PROJECT
    assert SETUPTOOLS["dynamic"]["version"] == {"attr": "compressor.__version__"}
    assert re.fullmatch(r"\d+\.\d+\.\d+", compressor.__version__)


def test_the_checkout_finder_knows_every_mapped_folder() -> None:
    from compressor import _checkout

    siblings = {name: folder for name, folder in PACKAGE_FOLDERS.items() if name != ROOT_PACKAGE}
    assert siblings == _checkout._SIBLINGS


def test_tested_versions_satisfy_the_floors() -> None:
    from packaging.requirements import Requirement
    from packaging.version import Version

    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    tested = {normal(name): Version(version) for name, version in pins.items()}
    extras = [line for group in PROJECT["optional-dependencies"].values() for line in group]
    for requirement in map(Requirement, [*PROJECT["dependencies"], *extras]):
        version = tested.get(normal(requirement.name))
        if requirement.name in declared(PROJECT["dependencies"]):
            assert version is not None, f"constraints.txt pins no {requirement.name}"
        assert version is None or version in requirement.specifier, requirement.name


def test_third_party_imports_are_declared() -> None:
    found = [line for module, path in product_files().items() for line in undeclared(module, parse(path))]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("module", "source", "complaint"),
    [
        ("compressor.model_io", "import requests", "declare requests"),
        ("compressor.model_io", "def f():\n    import requests", "declare requests"),
        ("compressor.model_io", "import torch", "in the function"),
        ("compressor.model_io", "def f():\n    import torch", None),
        ("compressor.model_io", "if TYPE_CHECKING:\n    from torch import nn", None),
        ("compressor.models.resnet", "import torch.nn.functional as F", None),
        ("compressor.model_io", "import onnx_graphsurgeon as gs\nfrom google.protobuf import message", None),
    ],
)
def test_each_undeclared_import_is_seen(module: str, source: str, complaint: str | None) -> None:
    found = list(undeclared(module, ast.parse(source)))
    assert len(found) == (complaint is not None)
    assert all(complaint is not None and complaint in line for line in found)
