"""The page of `crosswatt agree`: what it says, what it draws, and that it needs no network."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from calibrate.agreement import Agreement, Entry, agree, read_table
from calibrate.reporting import agreement_page, agreement_sections
from calibrate.reporting.agreement import entry_cells
from calibrate.reporting.charts.drawing import static_svg
from calibrate.reporting.charts.meters import meter_charts

DATA = Path(__file__).parents[2] / "data"
SAMPLE = DATA / "agree.csv"
U = {"wall_j": "wall_u_j", "codecarbon_j": "codecarbon_u_j"}


@pytest.fixture(scope="module")
def found() -> Agreement:
    test = ["codecarbon_j", "rapl_j"]
    return agree(read_table(SAMPLE), reference="wall_j", test=test, group="workload", u=U)


@pytest.fixture(scope="module")
def page(found: Agreement) -> str:
    return agreement_page(found, "agree.csv")


@pytest.mark.parametrize(
    "entry, cells",
    [
        (Entry("m", "a", "q", value=0.91685, low=0.901127, high=0.932848),
         ("0.917", "0.901 to 0.933", "-")),
        (Entry("m", "a", "q", "J", -122.78, low=-319.6, high=74.06),
         ("-123 J", "-320 to 74 J", "-")),
        (Entry("m", "a", "q", "%", 1.5648), ("1.56 %", "-", "-")),
        (Entry("m", "a", "q", value=2171.17, p_value=2e-24), ("2,171", "-", "< 0.001")),
        (Entry("m", "a", "q", value=1.0, low=1.0, high=1.0), ("1", "1 to 1", "-")),
        (Entry("m", "a", "q", "%", None, low=0.0, high=1.776), ("-", "0.00 to 1.78 %", "-")),
    ],
)  # fmt: skip
def test_numbers_have_the_digits_that_the_interval_leaves(
    entry: Entry, cells: tuple[str, ...]
) -> None:
    assert entry_cells(entry)[2:] == cells


class Tags(HTMLParser):
    """Collects what a page refers to, and whether its elements are closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.refers: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "br"):
            self.open.append(tag)
        for name, value in attrs:
            if name in ("href", "src", "xlink:href"):
                self.refers.append(value or "")
            if name == "id":
                self.ids.append(value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_needs_no_network_and_is_closed(page: str) -> None:
    tags = Tags()
    tags.feed(page)
    assert not tags.open
    assert all(reference.startswith("#") for reference in tags.refers)
    assert len(set(tags.ids)) == len(tags.ids)
    assert {reference[1:] for reference in tags.refers} <= set(tags.ids)
    assert "@import" not in page


def test_the_page_says_what_the_terminal_says(found: Agreement, page: str) -> None:
    text = re.sub(r"<(script|style)\b.*?</\1>", "", page, flags=re.DOTALL)
    text = re.sub(r"<[^>]+>", " ", text).replace("\u00a0", " ").replace("&#39;", "'")
    text = text.replace("&lt;", "<")
    for part in agreement_sections(found):
        for words in (*part.words, *part.notes, *(why for _, why in part.missing)):
            assert words in text
        for cells in part.rows:
            assert all(cell in text for cell in cells)
    assert not re.search(r"\b(None|nan|NotAvailable)\b", text)


def test_charts_are_drawn_and_described(found: Agreement, page: str) -> None:
    for place, meter in enumerate(found.meters):
        charts = meter_charts(found, meter, f"m{place}")
        kinds = [chart.name.removeprefix(f"m{place}-") for chart in charts]
        assert kinds == ["energies", "level", "groups"]
        for chart in charts:
            ElementTree.fromstring(static_svg(chart))  # noqa: S314 - our own drawing
            assert len(chart.rows) == meter.runs.n and meter.test in chart.alt
    assert page.count('role="img"') == 6
    groups = {row["group"] for row in meter_charts(found, found.meters[0], "m")[0].rows}
    assert groups == {"fft", "idle", "matmul", "sort", "train", "transcribe"}


def test_charts_of_hard_tables() -> None:
    odd = pd.DataFrame({"a": [1.0, 5.0, 1e4, 3.0], "b": [1e3, 6e3, 9e6, 3e3], "g": list("wxyz")})
    zero = pd.DataFrame({"a": [0.0, 5.0, 7.0], "b": [1.0, 6.0, 8.0]})
    empty = pd.DataFrame({"a": [1.0, None], "b": [None, 6.0]})
    many = pd.DataFrame({"a": range(1, 21), "b": range(2, 22), "g": range(20)})
    for table, charts, group in ((odd, 3, "g"), (zero, 1, None), (empty, 0, None), (many, 3, "g")):
        found = agree(table, reference="a", test=["b"], group=group)
        drawn = meter_charts(found, found.meters[0], "m")
        assert len(drawn) == charts
        for chart in drawn:
            ElementTree.fromstring(static_svg(chart))  # noqa: S314 - our own drawing


def test_of_many_runs_some_are_drawn_and_the_page_says_so() -> None:
    rng = np.random.default_rng(1)
    x = rng.uniform(10, 1000, 4000)
    table = pd.DataFrame({"a": x, "b": 1.02 * x * rng.normal(1, 0.01, x.size)})
    found = agree(table, reference="a", test=["b"])
    charts = meter_charts(found, found.meters[0], "m")
    assert {len(chart.rows) for chart in charts} == {1500}
    assert charts[0].rows[-1]["reference"] == pytest.approx(float(x[-1]))
    page = agreement_page(found, "many")
    assert "1,500 of 4,000 runs are drawn." in page and len(page) < 2_000_000


def test_names_are_shown_as_they_are() -> None:
    names = ["</script><script>alert(1)</script>", "[bold]$x^2$ & $y$", "功率"]
    table = pd.DataFrame({name: [10.0 + i, 20, 30, 41, 52] for i, name in enumerate(names)})
    table["g"] = ["$a$", "$a$", "[b]", "<i>", "能"]
    found = agree(table, reference=names[0], test=names[1:], group="g")
    page = agreement_page(found, "<b>.csv")
    shown = page[: page.index("</main>")]  # our scripts stand behind it
    assert "<script>" not in shown and "<b>" not in shown and "<i>" not in shown
    assert "[bold]$x^2$ &amp; $y$" in page and "功率" in page
    tags = Tags()
    tags.feed(page)
    assert not tags.open
