"""Pages in a browser: opened from disk, without a network."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from calibrate import analyze
from tests.helpers.campaigns import Fake, build, domain, truth
from tests.helpers.hostile import HOSTILE, label

#: Names of the same browser in different distributions.
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
LOADS = {"idle": 20.0, "gemm": 60.0, "square": 40.0, "asr": 50.0, "integer": 33.0}
SCREEN = {"width": 1300, "height": 800}
PHONE = {"width": 360, "height": 740}


@dataclass
class Opened:
    """A page and what it said; ``asked`` are the addresses that it wanted."""

    page: Any
    logs: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def scroll_through(self) -> None:
        """Show every part once, so that all charts come alive, and wait for them."""
        page = self.page
        for name in page.eval_on_selector_all("figure.chart", "all => all.map(one => one.id)"):
            page.locator(f"#{name}").scroll_into_view_if_needed()
            page.wait_for_selector(f"#{name}.is-live", timeout=20_000)
        page.evaluate("window.scrollTo(0, 0)")


Open = Callable[..., Opened]


def _missing(reason: str) -> None:
    """Skip; CROSSWATT_REQUIRE_BROWSER=1 makes that a failure."""
    if os.environ.get("CROSSWATT_REQUIRE_BROWSER") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium of the distribution, without a window."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        _missing("There is no Chromium: install the package 'chromium'.")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser: Any) -> Iterator[Open]:
    """Open a file: ``opened(path, viewport=PHONE, color_scheme="dark")``."""
    contexts = []

    def start(path: Path, **kinds: Any) -> Opened:
        context = browser.new_context(**({"viewport": SCREEN, "offline": True} | kinds))
        contexts.append(context)
        made = Opened(context.new_page())
        made.page.on("console", lambda message: made.logs.append(message.text))
        made.page.on("pageerror", lambda error: made.logs.append(str(error)))
        made.page.on("dialog", lambda dialog: made.logs.append(f"dialog {dialog.message}"))
        made.page.on("request", lambda request: made.asked.append(request.url))
        made.page.goto(path.as_uri())
        return made

    yield start
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a campaign with a sound meter, one of half, and one of a thousandth."""
    fakes = {
        "truth": truth(),
        "sound": Fake(lambda watts, seconds: 1.001 * watts * seconds, domain("package-0")),
        "half": Fake(lambda watts, seconds: 0.5 * watts * seconds, domain("package-0")),
        "kilo": Fake(lambda watts, seconds: 1e-3 * watts * seconds, domain("package-0")),
    }
    folder = build(tmp_path_factory.mktemp("pages") / "campaign", fakes, LOADS)
    return _written(folder)


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a campaign whose words are orders."""
    half = Fake(lambda watts, seconds: 0.5 * watts * seconds, domain("package-0"))
    place = tmp_path_factory.mktemp("hostile") / "campaign"
    folder = build(place, {"truth": truth(), "half": half}, LOADS)
    label(folder, " ".join([*HOSTILE, "</script><script>alert(2)</script>", "</svg></style>"]))
    return _written(folder)


def _written(folder: Path) -> Path:
    path = folder / "report.html"
    path.write_text(analyze(folder).report("html"), encoding="utf-8")
    return path
