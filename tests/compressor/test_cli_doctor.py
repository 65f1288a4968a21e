"""``compressor doctor``."""

from __future__ import annotations

import importlib.metadata
import platform
from pathlib import Path

import pytest

from compressor import doctor
from compressor.backends import energy
from compressor.backends.base import BACKENDS, Availability
from compressor.backends.onnxruntime_cpu import OnnxRuntimeCpu
from tests.backends.fake_energy import domain
from tests.compressor.cli_models import Cli
from tests.house.source_tree import PYPROJECT
from tests.house.test_packaging import declared


def test_table(cli: Cli) -> None:
    out = cli.ok("doctor")
    assert platform.python_version() in out
    assert f"onnxruntime {importlib.metadata.version('onnxruntime')}" in out
    rows = {line.split()[0]: line for line in out.split("\n") if line.strip()}
    assert all("usable" in rows[name] for name in BACKENDS.names())
    assert "sha256:" in rows["fingerprint"]


def test_meters_of_energy(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy, "ROOT", tmp_path)
    assert "RAPL not readable: the kernel shows no intel-rapl" in " ".join(cli.ok("doctor").split())
    domain(tmp_path, "intel-rapl:0", "package-0")
    assert "package-0: all of a processor" in cli.ok("doctor")
    assert cli.json("doctor")["meters"][0]["reason"] is None


def test_json(cli: Cli) -> None:
    result = cli.json("doctor")
    assert result["healthy"] is True
    assert set(result["backends"]) == set(BACKENDS.names())
    assert result["hardware"]["digest"].startswith("sha256:")


def test_looks_at_every_dependency() -> None:
    project = PYPROJECT["project"]
    assert {name.lower() for name in doctor.LIBRARIES} == declared(project["dependencies"])
    assert list(doctor.TORCH_EXTRA) == project["optional-dependencies"]["torch"]


def test_missing_runtime(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = Availability(False, None, "CPU", "[onnxruntime] is not installed", "pip install onnxruntime")
    monkeypatch.setattr(OnnxRuntimeCpu, "probe", lambda self: gone)
    code, out, _ = cli("doctor")
    assert code == 3
    assert "not usable: [onnxruntime] is not installed" in out
    assert "pip install onnxruntime" in out


def test_missing_library_and_torch(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    really = importlib.metadata.version

    def version(name: str) -> str:
        if name in {"torch", "scipy"}:
            raise importlib.metadata.PackageNotFoundError(name)
        return really(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    code, out, _ = cli("doctor")
    assert code == 3
    assert "scipy MISSING" in out
    assert "not complete: pip install 'torch>=2.10'" in out


def test_torch_alone_may_be_missing(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    really = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda name: None if name == "torch" else really(name))
    assert "not complete" in cli.ok("doctor")


def test_warnings_are_shown(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "load_warnings", lambda: ["The machine is [busy]."])
    assert "\nwarning: The machine is [busy].\n" in cli.ok("doctor")


def test_other_packages_bring_onnxruntime_too_but_not_two_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    really, there = importlib.metadata.version, {"onnxruntime-gpu": "1.99"}

    def version(name: str) -> str:
        if name.startswith("onnxruntime"):
            if name not in there:
                raise importlib.metadata.PackageNotFoundError(name)
            return there[name]
        return really(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    found = doctor.examine()
    assert found.libraries["onnxruntime"] == "1.99"
    assert found.healthy
    there["onnxruntime"] = "1.32"
    assert "onnxruntime and onnxruntime-gpu bring the same module" in " ".join(doctor.examine().warnings)
