"""The page in a real browser: silent, offline, and no wider than a phone."""

from __future__ import annotations

from pathlib import Path

import pytest

from compressor.report.report import report_of
from compressor.report.results import Results
from tests.browser import CHROMIUM, WHY_NOT, browser
from tests.report.made_up import EVERY, Rename, evil, same

PHONE, DESK = 360, 1200
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason=WHY_NOT)]


def page_of(folder: Path, rename: Rename) -> Path:
    """A report of everything at once."""
    results = Results()
    for make in EVERY.values():
        results.add(make(rename), "made up")
    path = folder / "report.html"
    path.write_text(report_of(results).html(), encoding="utf-8")
    return path


@pytest.mark.parametrize("rename", [same, evil])
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_it_is_silent_offline_and_fits(rename: Rename, width: int, tmp_path: Path) -> None:
    page = page_of(tmp_path, rename)
    with browser() as tab:
        tab.open(page, width=width)
        assert tab.requests() == [page.resolve().as_uri()]
        assert tab.complaints() == []
        assert tab.value("document.documentElement.scrollWidth") <= width
        assert tab.value("document.body.scrollWidth") <= width
        assert tab.value("document.querySelectorAll('script, img, a, b').length") == 0
        assert tab.value("document.querySelectorAll('svg').length") >= 3
        wide = "[...document.querySelectorAll('h1, h2, li, td, figure')].filter(e => e.getBoundingClientRect().right >"
        assert width != PHONE or tab.value(f"{wide} innerWidth + 1).length") == 0
        assert tab.picture().startswith(b"\x89PNG")


def test_the_style_is_applied_by_day_and_by_night_and_on_paper(tmp_path: Path) -> None:
    page = page_of(tmp_path, same)
    back = "getComputedStyle(document.body).backgroundColor"
    with browser() as tab:
        tab.open(page, width=DESK)
        assert tab.value(back) == "rgb(255, 255, 255)"
        tab.open(page, width=DESK, scheme="dark")
        assert tab.value(back) == "rgb(22, 22, 22)"
        tab.open(page, width=DESK, scheme="dark", medium="print")
        assert tab.value(back) == "rgb(255, 255, 255)"
        assert tab.value("getComputedStyle(document.querySelector('thead')).display") == "table-header-group"
        assert tab.complaints() == []


def test_a_browser_that_is_asked_for_more_tells_of_it(tmp_path: Path) -> None:
    """The checks above can fail."""
    page = tmp_path / "bad.html"
    page.write_text("<body><img src='absent.png'><script>console.log('said')</script><p style='width:900px'>x", "utf-8")
    with browser() as tab:
        tab.open(page, width=PHONE)
        assert len(tab.requests()) == 2
        assert tab.complaints()
        assert tab.value("document.documentElement.scrollWidth") > PHONE
