"""What a reader sees of a report, and can do with it."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from tests.browser.conftest import PHONE, SCREEN, Open

SCHEMES = ("light", "dark")


def test_it_opens_without_a_network_or_a_word_in_the_console(report: Path, opened: Open) -> None:
    made = opened(report)
    made.scroll_through()
    drawn = made.page.locator("figure.chart").count()
    assert drawn > 5
    assert made.page.locator("figure.chart.is-live .live svg.marks").count() == drawn
    assert made.logs == []
    assert [url for url in made.asked if not url.startswith(("file:", "data:", "blob:"))] == []


def test_the_first_screen_has_verdict_scorecard_and_forest(report: Path, opened: Open) -> None:
    page = opened(report).page
    page.wait_for_selector(".forest .is-live")
    tops = [
        page.locator(part).bounding_box()["y"]
        for part in ("h1", ".scorecard", ".forest", "nav[aria-label=Chapters]")
    ]
    assert tops[0] < tops[1] <= tops[2] < SCREEN["height"]
    for part in ("h1", ".scorecard", ".forest .is-live .live"):
        box = page.locator(part).bounding_box()
        assert box["y"] + box["height"] <= SCREEN["height"], part
    assert page.locator("h1").inner_text().startswith("2 of 3 meters cannot be trusted here")


def test_a_pointer_on_a_mark_gets_its_figures(report: Path, opened: Open) -> None:
    made = opened(report)
    page = made.page
    page.wait_for_selector("#chart-forest.is-live")
    point = page.locator("#chart-forest .live .mark-symbol path").first
    point.hover()
    tip = page.locator("#vg-tooltip-element.visible")
    tip.wait_for()
    assert "half: " in tip.inner_text() or "kilo: " in tip.inner_text()
    assert "low (95 %)" in tip.inner_text()


def test_a_wheel_over_power_zooms(report: Path, opened: Open) -> None:
    page = opened(report).page
    figure = page.locator("figure.chart[id^=chart-power]").first
    figure.scroll_into_view_if_needed()
    page.wait_for_selector("figure.chart[id^=chart-power].is-live")
    lines = figure.locator(".live .mark-line path").first
    before = lines.get_attribute("d")
    box = figure.locator(".live svg.marks").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 3)
    page.mouse.wheel(0, -300)
    page.wait_for_function(
        "([line, before]) => line.isConnected === false || line.getAttribute('d') !== before",
        arg=[lines.element_handle(), before],
    )


def _contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """The contrast of WCAG 2, 1.4.3, of two colours of 0 to 255."""

    def luminance(colour: tuple[float, ...]) -> float:
        parts = [each / 255 for each in colour]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _colour(page: Any, name: str) -> tuple[float, ...]:
    text = page.evaluate(
        "name => { const one = document.createElement('i'); one.style.color = `var(${name})`;"
        "document.body.append(one); const found = getComputedStyle(one).color; one.remove();"
        "return found; }",
        name,
    )
    return tuple(float(each) for each in re.findall(r"[\d.]+", text)[:3])


@pytest.mark.parametrize("scheme", SCHEMES)
def test_marks_stand_out_in_light_and_dark(report: Path, opened: Open, scheme: str) -> None:
    page = opened(report, color_scheme=scheme).page
    paper = _colour(page, "--paper")
    assert (sum(paper) < 300) is (scheme == "dark")
    for name in ("--good", "--fault", "--open", *(f"--p{place}" for place in range(8))):
        assert _contrast(_colour(page, name), paper) >= 3.0, name


def test_colours_change_with_the_scheme_while_it_is_open(report: Path, opened: Open) -> None:
    made = opened(report)
    page = made.page
    page.wait_for_selector("#chart-forest.is-live")
    label = "#chart-forest .live .role-axis-label text"
    before = page.locator(label).first.get_attribute("fill")
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(
        "([label, before]) => document.querySelector(label).getAttribute('fill') !== before",
        arg=[label, before],
    )
    assert made.logs == []


def test_a_phone_scrolls_in_one_direction(report: Path, opened: Open) -> None:
    made = opened(report, viewport=PHONE)
    made.scroll_through()
    assert made.page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


def test_without_scripts_there_are_the_same_pictures(report: Path, opened: Open) -> None:
    page = opened(report, java_script_enabled=False).page
    pictures = page.locator("figure.chart .static svg")
    assert pictures.count() == page.locator("figure.chart").count() > 5
    for place in range(pictures.count()):
        assert pictures.nth(place).bounding_box()["height"] > 80
    assert page.locator("button.csv:visible").count() == 0


def test_charts_are_saved_as_csv_and_as_pictures(report: Path, opened: Open) -> None:
    page = opened(report).page
    page.wait_for_selector("#chart-forest.is-live")
    figure = page.locator("#chart-forest")
    figure.locator(".data > summary").click()
    with page.expect_download() as saved:
        figure.locator("button.csv").click()
    assert saved.value.suggested_filename == "chart-forest.csv"
    rows = list(csv.DictReader(io.StringIO(Path(saved.value.path()).read_text())))
    assert {row["column"].split(":")[0] for row in rows} == {"half", "kilo", "sound"}
    ratio = {row["column"].split(":")[0]: float(row["ratio"]) for row in rows}
    assert ratio["half"] == pytest.approx(0.5, rel=1e-3)
    figure.locator(".live details summary").click()
    with page.expect_download() as picture:
        figure.get_by_text("Save as SVG").click()
    assert picture.value.suggested_filename == "chart-forest.svg"
    assert "<svg" in Path(picture.value.path()).read_text()


def test_the_keyboard_reaches_what_the_pointer_does(report: Path, opened: Open) -> None:
    page = opened(report).page
    reached = set()
    opened_by_key = False
    for _ in range(60):
        page.keyboard.press("Tab")
        what = page.evaluate(
            "(() => { const one = document.activeElement; const style = getComputedStyle(one);"
            "return [one.tagName, one.getAttribute('href') || one.textContent.trim(),"
            "style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0]; })()"
        )
        assert what[2], f"{what[1]} has the focus and does not show it"
        reached.add(what[0])
        if what[0] == "SUMMARY" and "column" in what[1] and not opened_by_key:
            page.keyboard.press("Enter")
            opened_by_key = page.locator(".scorecard details[open]").count() == 1
        if what[1] == "#agreement":
            page.keyboard.press("Enter")
            page.wait_for_function("location.hash === '#agreement'")
            break
    assert opened_by_key and {"A", "SUMMARY"} <= reached
    box = page.locator("#agreement h2").bounding_box()
    assert 0 < box["y"] < 300, "the heading is hidden, or not there"


@pytest.mark.parametrize("kind", [*SCHEMES, "phone"])
def test_axe_finds_nothing(report: Path, opened: Open, kind: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    made = opened(report, **({"viewport": PHONE} if kind == "phone" else {"color_scheme": kind}))
    made.scroll_through()
    made.page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    found = axe.run(made.page).response["violations"]
    assert [f"{each['id']}: {each['nodes'][0]['html'][:120]}" for each in found] == []


def test_paper_has_the_verdict_first_and_no_broken_word(
    report: Path, opened: Open, tmp_path: Path
) -> None:
    page = opened(report).page
    words = page.locator("h1").inner_text().split()
    cells = page.locator(".scorecard thead th, .scorecard tbody tr:first-child > *")
    for text in cells.all_inner_texts():
        words += text.split()
    page.pdf(path=tmp_path / "report.pdf", format="A4")
    text = PdfReader(tmp_path / "report.pdf").pages[0].extract_text()
    first = unicodedata.normalize("NFKC", text)  # "fi" may be one letter
    assert [word for word in words if word.strip("✗✓?·") and word not in first] == []
    assert "probe / truth" in first


def test_headings_stand_in_order(report: Path, opened: Open) -> None:
    page = opened(report).page
    levels = page.eval_on_selector_all(
        "h1, h2, h3, h4", "all => all.map(one => Number(one.tagName[1]))"
    )
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    names = page.eval_on_selector_all("[id]", "all => all.map(one => one.id)")
    assert len(names) == len(set(names))


def test_words_of_a_folder_do_nothing(hostile: Path, opened: Open) -> None:
    made = opened(hostile)
    made.scroll_through()
    made.page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    made.page.wait_for_timeout(300)
    assert made.logs == []
    assert [url for url in made.asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert "<img src=x onerror=alert(1)>" in made.page.locator("body").inner_text()
