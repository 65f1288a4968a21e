"""Damaged results: a page or one line of why not, never a traceback."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from compressor.errors import CompressorError
from compressor.report.report import make_report
from tests.malformed.mutations import json_file
from tests.report.made_up import EVERY, same
from tests.report.parsing import Parsed

TRIES = 40


@pytest.mark.parametrize("kind", EVERY)
def test_a_damaged_result_is_a_page_or_one_line(kind: str, tmp_path: Path) -> None:
    document = EVERY[kind](same)
    if "samples_ns" in document:
        document["samples_ns"] = {label: [[[1, 2, 3]]] for label in document["samples_ns"]}
    seed, rng = json.dumps(document).encode(), random.Random(kind)
    path, page = tmp_path / "result.json", tmp_path / "report.html"
    refused = 0
    for _ in range(TRIES):
        path.write_bytes(json_file(seed, rng))
        page.unlink(missing_ok=True)
        try:
            make_report([path], page)
        except CompressorError:
            refused += 1
        shown = page.read_text(encoding="utf-8") if page.exists() else ""
        assert "script" not in Parsed(shown).names
    assert 0 < refused <= TRIES
