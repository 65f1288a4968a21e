"""One decorator in one file adds a plug-in; a name taken or unknown says so helpfully."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from compressor.errors import RegistryError
from compressor.registry import Registry

# What a plug-in file looks like; each test package has its own registry in its __init__.
PACKAGE = "from compressor.registry import Registry\nREGISTRY = Registry('rule', __name__)\n"
PLUGIN = "from {package} import REGISTRY\n@REGISTRY.register({names})\ndef rule():\n    return {names!r}\n"

MakePackage = Callable[..., Registry[Callable[[], str]]]


@pytest.fixture
def make_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakePackage]:
    """Writes a package of plug-in files, {file stem: source or names}, and returns its registry."""
    name = f"plugins_{tmp_path.name}"
    monkeypatch.syspath_prepend(tmp_path)

    def make(**files: str) -> Registry[Callable[[], str]]:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "__init__.py").write_text(PACKAGE, encoding="utf-8")
        for stem, text in files.items():
            source = text if "\n" in text else PLUGIN.format(package=name, names=text)
            (folder / f"{stem}.py").write_text(source, encoding="utf-8")
        registry: Registry[Callable[[], str]] = __import__(name).REGISTRY
        return registry

    yield make
    for module in [module for module in sys.modules if module.partition(".")[0] == name]:
        del sys.modules[module]


def test_every_file_of_the_folder_is_found(make_package: MakePackage) -> None:
    registry = make_package(conv="'Conv'", gemm="'Gemm', 'MatMul'")
    assert registry.names() == ["Conv", "Gemm", "MatMul"]
    assert registry.get("MatMul") is registry.get("Gemm")
    assert registry.get("Conv")() == "'Conv'"
    assert [name for name, _ in registry.items()] == registry.names()


def test_find_answers_none_for_an_unknown_name(make_package: MakePackage) -> None:
    registry = make_package(conv="'Conv'")
    assert registry.find("Conv") is registry.get("Conv")
    assert registry.find("Pool") is None


def test_unknown_name_lists_the_known_and_the_nearest(make_package: MakePackage) -> None:
    registry = make_package(conv="'Conv'", gemm="'Gemm'")
    with pytest.raises(RegistryError, match="unknown rule 'Convv'") as caught:
        registry.get("Convv")
    assert "Did you mean 'Conv'?" in str(caught.value)
    assert "Known: Conv, Gemm." in str(caught.value)


def test_a_far_name_gets_no_guess(make_package: MakePackage) -> None:
    with pytest.raises(RegistryError) as caught:
        make_package(conv="'Conv'").get("xyz")
    assert "Did you mean" not in str(caught.value)


def test_a_name_taken_by_another_file_raises_and_says_where(make_package: MakePackage) -> None:
    registry = make_package(conv="'Conv'", other="'Pool', 'Conv'")
    with pytest.raises(RegistryError, match=r"other\.rule: rule 'Conv' is registered twice"):
        registry.names()


def test_after_a_failed_import_the_next_look_up_fails_too(make_package: MakePackage) -> None:
    registry = make_package(broken="import no_such_module_anywhere\n", conv="'Conv'")
    for _ in range(2):
        with pytest.raises(ModuleNotFoundError, match="no_such_module_anywhere"):
            registry.get("Conv")


def test_nothing_of_a_refused_entry_stays() -> None:
    registry: Registry[int] = Registry("rule", "tests.compressor")
    registry.register("Conv")(1)
    with pytest.raises(RegistryError, match="registered twice"):
        registry.register("Pool", "Conv")(2)
    with pytest.raises(RegistryError, match="registered twice"):
        registry.register("Gemm", "Gemm")(3)
    assert registry._entries == {"Conv": 1}


def test_forgetting_the_name_raises() -> None:
    registry: Registry[Callable[[], None]] = Registry("rule", "tests.compressor")

    def rule() -> None:
        """Decorated as ``@registry.register``, without a name."""

    with pytest.raises(TypeError, match="at least one name"):
        registry.register(rule)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="at least one name"):
        registry.register()
