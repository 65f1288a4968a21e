"""The page of ``inspect --html``: complete, self-contained, and deaf to what names contain."""

from __future__ import annotations

import html.parser
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import quote

import onnx
import pytest

from compressor.inspection import inspect_model
from compressor.models.demo import demo_model_path
from tests.compressor.cli_models import Cli, mlp, saved

CHROMIUM = shutil.which("chromium")
EVIL = '"><img src=x onerror="document.title=1"></script><script>document.title=2</script>{{7*7}}&amp;<!--'
BROWSER = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--virtual-time-budget=3000",
    "--dump-dom",
]


class _Parser(html.parser.HTMLParser):
    """Tags with their attributes, and the text of each script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self._inside = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag == "script"
        if self._inside:
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.scripts[-1] += data

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.scripts[0])
        return found


def _hostile() -> onnx.ModelProto:
    """Every name holds markup."""
    proto = mlp()
    for tensor in proto.graph.initializer:
        tensor.name += EVIL
    for value in (*proto.graph.input, *proto.graph.output):
        value.name += EVIL
    for node in proto.graph.node:
        node.name += EVIL
        for names in (node.input, node.output):
            names[:] = [name + EVIL for name in names]
    return proto


def _page(tmp_path: Path, model: Path) -> str:
    inspect_model(model, html=tmp_path / "page.html")
    return (tmp_path / "page.html").read_text(encoding="utf-8")


def test_it_holds_every_node_space_and_fixed_axis(tmp_path: Path) -> None:
    result = inspect_model(demo_model_path())
    data = _Parser(_page(tmp_path, demo_model_path())).data
    assert [space["name"] for space in data["spaces"]] == [space.name for space in result.spaces]
    assert [(one["parameter"], one["axis"]) for one in data["fixed"]] == [(f.parameter, f.axis) for f in result.fixed]
    assert len(data["rows"]) == result.nodes + len(result.inputs) + len(result.outputs)
    assert [row["op"] for row in data["rows"] if not row["from"]] == ["input"]
    for index, space in enumerate(data["spaces"]):
        assert space["nodes"]
        assert all(index in data["rows"][row]["spaces"] for row in space["nodes"])
        assert all(name in dict(data["rows"][row]["parameters"]) for _, name, _, _, row in space["parts"])


def test_a_node_has_the_colour_of_what_leaves_it(tmp_path: Path) -> None:
    data = _Parser(_page(tmp_path, demo_model_path())).data
    maker = {
        part[1]: index for index, space in enumerate(data["spaces"]) for part in space["parts"] if part[0] == "makes"
    }
    convolutions = [row for row in data["rows"] if row["op"] == "Conv"]
    assert convolutions
    assert all(row["spaces"][0] == maker[row["parameters"][0][0]] for row in convolutions)


def test_it_loads_nothing_and_runs_only_its_own_script(tmp_path: Path) -> None:
    text = _page(tmp_path, demo_model_path())
    tags = _Parser(text).tags
    assert not [tag for tag, attributes in tags if {"src", "href", "srcset", "action", "data"} & set(attributes)]
    assert not [tag for tag, _ in tags if tag in {"link", "img", "iframe", "object", "embed", "base"}]
    assert not [name for _, attributes in tags for name in attributes if name.startswith("on") or name == "style"]
    assert not re.search(r"@import|url\(|\bfetch\(|XMLHttpRequest|innerHTML|document\.write|eval\(", text)
    (policy,) = [a["content"] for _, a in tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_names_are_never_taken_for_markup(tmp_path: Path) -> None:
    text = _page(tmp_path, saved(tmp_path / "hostile.onnx", _hostile()))
    parsed, plain = _Parser(text), _Parser(_page(tmp_path, saved(tmp_path / "m.onnx")))
    assert EVIL not in text
    assert "<img" not in text
    names = [[tag for tag, _ in each.tags] for each in (parsed, plain)]
    assert names[0] == names[1]
    assert len(parsed.scripts) == 2
    assert [space["name"] for space in parsed.data["spaces"]] == [f"w1{EVIL}[1]"]


def test_command_writes_it_beside_the_table(cli: Cli, tmp_path: Path) -> None:
    model = saved(tmp_path / "m.onnx")
    assert "Channel spaces: 1" in cli.ok("inspect", model, "--html", tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_it_never_replaces_the_model(cli: Cli, tmp_path: Path) -> None:
    model = saved(tmp_path / "m.onnx")
    before = model.read_bytes()
    assert "would replace a file of the input" in cli.error("inspect", model, "--html", model)
    assert model.read_bytes() == before
    assert "cannot be written" in cli.error("inspect", model, "--html", tmp_path / "absent" / "p.html")


def _shown(tmp_path: Path, page: Path, link: str = "") -> str:
    """What a browser makes of a page (and of a link into it)."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    command = [CHROMIUM, *BROWSER, f"--user-data-dir={tmp_path / 'profile'}", page.resolve().as_uri() + link]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_a_browser_draws_it(tmp_path: Path) -> None:
    _page(tmp_path, demo_model_path())
    shown = _shown(tmp_path, tmp_path / "page.html", "#space=stem.0.weight%5B0%5D")
    assert "Spaces: 6 of 6" in shown
    assert shown.count('class="row') > 10
    assert 'class="row dim' in shown
    assert "stem.0.weight[0]: 32 channels" in shown
    found = _shown(tmp_path, tmp_path / "page.html", "#find=relu")
    assert re.search(r'id="matches"[^>]*>1 of \d+<', found)
    assert 'class="row match' in found


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_a_browser_shows_hostile_names_as_text(tmp_path: Path) -> None:
    _page(tmp_path, saved(tmp_path / "hostile.onnx", _hostile()))
    shown = _shown(tmp_path, tmp_path / "page.html", f"#space={quote(f'w1{EVIL}[1]', safe='')}")
    parsed = _Parser(shown)
    assert "<title>hostile.onnx: channel spaces</title>" in shown
    assert "img" not in {tag for tag, _ in parsed.tags}
    assert len(parsed.scripts) == 2
    assert 'class="row dim' in shown
    assert "Made by" in shown
