"""The built wheel, installed, works from another folder and beside a user's own ``models`` and ``passes``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

import compressor
from tests.house.source_tree import PACKAGE_FOLDERS, PYPROJECT, ROOT, product_files

pytestmark = pytest.mark.wheel

THEIRS = "OWNER = 'user'\n"
USERS_PROGRAM = """
import models, passes
from pathlib import Path
import compressor, compressor.backends, compressor.models, compressor.passes
from compressor._checkout import CheckoutFinder
import sys
print(models.OWNER, passes.OWNER, compressor.__version__)
print(CheckoutFinder in sys.meta_path)
for module in (compressor, compressor.backends, compressor.models, compressor.passes):
    print(Path(module.__file__).parent)
"""


@dataclass(frozen=True)
class Installed:
    """A fresh environment with the wheel in it, and a user's folder to work from."""

    wheel: Path
    python: Path
    packages: Path
    user_folder: Path

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command of this environment in the user's folder; the checkout is not on its path."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST", "COV"))}
        executable = str(self.python.parent / command[0])
        return subprocess.run(
            [executable, *command[1:]], cwd=self.user_folder, env=clean, capture_output=True, text=True, check=False
        )


def build_wheel(folder: Path) -> Path:
    """Build from a copy: the checkout's own build/ may hold modules that are gone."""
    source = folder / "source"
    for path in PACKAGE_FOLDERS.values():
        shutil.copytree(path, source / path.name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", PYPROJECT["project"]["readme"], *PYPROJECT["project"]["license-files"]):
        shutil.copy(ROOT / name, source / name)
    check_run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder / "dist", source)
    (wheel,) = (folder / "dist").glob("*.whl")
    return wheel


def check_run(*command: str | Path) -> None:
    """Run and, on failure, show what the command said."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("wheel")
    wheel = build_wheel(folder)
    environment = folder / "environment"
    check_run(sys.executable, "-m", "venv", "--without-pip", environment)
    python = environment / "bin" / "python"
    check_run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel)
    (packages,) = environment.glob("lib/python*/site-packages")
    # The dependencies come from the environment that runs the tests. A .pth inside it is not read again,
    # so an editable install of the checkout stays out.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    user_folder = folder / "user"
    for name in ("models", "passes"):
        (user_folder / name).mkdir(parents=True)
        (user_folder / name / "__init__.py").write_text(THEIRS, encoding="utf-8")
    return Installed(wheel, python, packages, user_folder)


def test_wheel_holds_every_module_and_data_file(installed: Installed) -> None:
    held = set(zipfile.ZipFile(installed.wheel).namelist())
    code = {
        f"{package.replace('.', '/')}/{path.relative_to(folder).as_posix()}"
        for package, folder in PACKAGE_FOLDERS.items()
        for path in product_files().values()
        if folder in path.parents
    }
    data = {
        f"{package.replace('.', '/')}/{path.relative_to(PACKAGE_FOLDERS[package]).as_posix()}"
        for package, patterns in PYPROJECT["tool"]["setuptools"]["package-data"].items()
        for pattern in patterns
        for path in PACKAGE_FOLDERS[package].glob(pattern)
    }
    meta = {name for name in held if ".dist-info/" in name}
    assert held - meta == code | data
    assert "compressor/py.typed" in held
    assert any(name.endswith("licenses/LICENSE") for name in meta)


def test_wheel_installs_one_top_level_name(installed: Installed) -> None:
    here = {path.name for path in installed.packages.iterdir()}
    assert here & {"backends", "models", "passes", "tests"} == set()
    assert "compressor" in here


def test_users_own_packages_stay_theirs(installed: Installed) -> None:
    done = installed.run("python", "-c", USERS_PROGRAM)
    assert done.returncode == 0, done.stderr
    names, finder_active, *folders = done.stdout.split("\n")[:-1]
    assert names == f"user user {compressor.__version__}"
    assert finder_active == "False"
    home = installed.packages / "compressor"
    assert [Path(folder) for folder in folders] == [home, home / "backends", home / "models", home / "passes"]
    kept = [(installed.user_folder / name / "__init__.py").read_text(encoding="utf-8") for name in ("models", "passes")]
    assert kept == [THEIRS, THEIRS]


@pytest.mark.parametrize("command", [("python", "-m", "compressor", "--help"), ("compressor", "--help")])
def test_command_line_answers(installed: Installed, command: tuple[str, ...]) -> None:
    done = installed.run(*command)
    assert done.returncode == 0, done.stderr
    assert "compress" in done.stdout
