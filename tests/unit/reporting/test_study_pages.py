"""Pages of studies: the answer first, every figure of the terminal in the page."""

from __future__ import annotations

import re

import pytest

from calibrate import reporting
from tests.helpers import pages

PAGES = {
    "datasheet": reporting.datasheet_page(pages.datasheet(), None),
    "effects": reporting.interference_page(pages.observation(clear=True)),
    "diff": reporting.diff_page(pages.differences(changed=True)),
    "drift": reporting.drift_page(pages.drift()),
}


def text_of(page: str) -> str:
    shown = re.sub(r"<(script|style|svg)\b.*?</\1>", "", page, flags=re.DOTALL)
    return re.sub(r"<[^>]+>", " ", shown).replace("\u00a0", " ")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_starts_with_the_answer_and_says_that_it_is_simulated(name: str) -> None:
    page = PAGES[name]
    heading = re.search(r"<h1>(.*?)</h1>", page)
    assert heading is not None and heading[1].endswith(".")
    assert "no number on this page is of real hardware" in page
    assert not re.search(r"\b(None|nan)\b", text_of(page))


def test_sentences_name_what_matters_most() -> None:
    changed, same = (pages.differences(changed=each) for each in (True, False))
    assert reporting.diff_sentence(changed).startswith("1 column of 3 changed: meter cpu by +3.2 %")
    assert "2 scatter" not in reporting.diff_sentence(same)
    assert "1 scatter too much" in reporting.diff_sentence(same)
    clear, none = (pages.observation(clear=each) for each in (True, False))
    assert "meter changes power in idle by +3.1 %" in reporting.effects_sentence(clear)
    assert "may miss: 3.5 % of power, 1.3 % of speed" in reporting.effects_sentence(none)
    assert reporting.drift_sentence(pages.drift()) == (
        "1 column of 2 changed over 3 campaigns: meter cpu."
    )


def test_a_datasheet_has_every_line_of_the_terminal() -> None:
    page = text_of(PAGES["datasheet"])
    found = pages.datasheet()
    assert "updates every 0.2 s, has a gain of 1.02 and is off at rest by -0.3 W" in page
    for cells, _ in reporting.sheet_rows(found.sheets[0]):
        assert all(cell in page for cell in cells)
    assert "It did not wrap." in page


def test_a_matrix_has_every_effect() -> None:
    page = text_of(PAGES["effects"])
    for _, head, rows in reporting.effect_tables(pages.observation(clear=True)):
        for cells in (head, *rows):
            assert all(cell in page for cell in cells)
    assert "+3.1 % ± 0.4 %, +1.6 W *" in page


def test_what_coincides_with_a_change_is_named() -> None:
    assert "6.1" in text_of(PAGES["diff"]) and "kernel" in text_of(PAGES["diff"])
    page = text_of(PAGES["drift"])
    assert "driver: 550 -&gt; 560" in page and "day-3" in page
    assert page.index("meter cpu") < page.index("sound cpu")
    assert "broken: It has no run." in page
