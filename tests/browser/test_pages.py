"""The pages of other commands, held to what a report is held to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from calibrate import reporting
from calibrate.agreement import agree
from tests.browser.conftest import PHONE, Open
from tests.helpers import pages


def _agreement() -> str:
    table = pd.DataFrame(
        {
            "wall": [10.0, 21, 33, 41, 52, 61, 70, 85],
            "meter": [9.0, 19, 30, 38, 46, 56, 64, 79],
            "load": ["idle", "idle", "fft", "fft", "sort", "sort", "asr", "asr"],
        }
    )
    return reporting.agreement_page(
        agree(table, reference="wall", test=["meter"], group="load"), "by hand"
    )


PAGES: dict[str, Callable[[], str]] = {
    "agree": _agreement,
    "characterize": lambda: reporting.datasheet_page(pages.datasheet(), None),
    "diff": lambda: reporting.diff_page(pages.differences(changed=True)),
    "drift": lambda: reporting.drift_page(pages.drift()),
    "observe": lambda: reporting.interference_page(pages.observation(clear=True)),
}


@pytest.fixture(params=PAGES)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    found = tmp_path / f"{request.param}.html"
    found.write_text(PAGES[request.param](), encoding="utf-8")
    return found


def test_it_is_quiet_and_its_charts_are_live(path: Path, opened: Open) -> None:
    made = opened(path)
    made.scroll_through()
    assert made.logs == []
    assert made.page.locator("h1").bounding_box()["y"] < 200
    charts = made.page.locator("figure.chart").count()
    assert charts > 0 or path.stem == "characterize"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(path: Path, opened: Open, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    made = opened(path, color_scheme=scheme)
    made.scroll_through()
    made.page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    found = axe.run(made.page).response["violations"]
    assert [f"{each['id']}: {each['nodes'][0]['html'][:120]}" for each in found] == []


def test_a_phone_scrolls_in_one_direction(path: Path, opened: Open) -> None:
    made = opened(path, viewport=PHONE)
    made.scroll_through()
    assert made.page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
