"""Reports: exact words, nothing from the network, never a missing number, always the label.

The expected texts are in tests/data. ``CROSSWATT_GOLDEN=write pytest tests/unit/test_reports.py``
writes them anew; read the difference before committing it.
"""

from __future__ import annotations

import json
import math
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from calibrate import analysis, catalog, store
from calibrate.store import ProbeState
from tests.helpers.campaigns import Fake, build, domain, truth

DATA = Path(__file__).parents[2] / "data"


def wavy(ratio: float, depth: float) -> Fake:
    """A gain that moves a little from run to run, the same way every time."""
    return Fake(
        lambda w, s: ratio * w * s * (1 + depth * math.sin(w * s)),
        domain(),
        {"release": "1.0", "mode": "test"},
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    fakes = {
        "truth": truth(),
        "good": wavy(1.0, 0.001),
        "kilo": wavy(1.03e-3, 0.02),
        "constant": Fake(lambda _w, s: 42.5 * s, domain("package", kind="window")),
        "gain": wavy(0.8, 0.001),
        "memory": Fake(lambda _w, s: s, domain("dram-0")),
    }
    made = build(tmp_path_factory.mktemp("reports") / "campaign", fakes)
    missing = ProbeState(
        status="unavailable", reason="<script>no | device</script>", fix="plug it in"
    )
    tried = {name: ProbeState(status="ok") for name in fakes} | {"wall": missing}
    store.save(made / store.PROBES, store.ProbesRecord(probes=tried))
    record = json.loads((made / store.CAMPAIGN).read_text())
    record["sources"].append({"name": "wall", "adapter": "-", "python": "-"})
    (made / store.CAMPAIGN).write_text(json.dumps(record))
    return made


def render(folder: Path, form: str) -> str:
    text: str = catalog.load(catalog.find("reports", form)).render(analysis.analyze(folder))
    return text


class Visible(HTMLParser):
    """The text a reader sees, without pictures and their data, and what the page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.loads: list[str] = []
        self._hidden = 0
        self._data = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "details" and ("class", "data") in attrs:
            self._data = True
            self._hidden += 1
        self._hidden += tag in {"style", "svg", "script"}
        self.loads += [v or "" for k, v in attrs if k in {"src", "href", "xlink:href", "srcset"}]

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in {"style", "svg", "script"}
        if tag == "details" and self._data:
            self._data = False
            self._hidden -= 1

    def handle_data(self, data: str) -> None:
        if not self._hidden and data.strip():
            self.words.append(" ".join(data.split()))


def seen(html: str) -> Visible:
    page = Visible()
    page.feed(html)
    return page


def compare(name: str, text: str) -> None:
    path = DATA / name
    if os.environ.get("CROSSWATT_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_markdown_is_as_expected(folder: Path) -> None:
    compare("report.md", render(folder, "markdown"))


def test_html_reads_as_expected(folder: Path) -> None:
    compare("report.txt", "\n".join(seen(render(folder, "html")).words) + "\n")


def test_html_loads_nothing(folder: Path) -> None:
    html = render(folder, "html")
    assert [place for place in seen(html).loads if not place.startswith(("#", "data:"))] == []
    html = re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL)
    assert "@import" not in html
    assert not re.search(r"url\((?!#|data:)", html)
    assert html.count("<svg") >= 3


@pytest.mark.parametrize("form", ["html", "markdown"])
def test_nothing_missing_is_printed_as_a_number(folder: Path, form: str) -> None:
    text = render(folder, form)
    shown = " ".join(seen(text).words) if form == "html" else text
    assert not re.search(r"\b(nan|inf|None|null)\b", shown)


@pytest.mark.parametrize("form", ["html", "markdown"])
def test_a_simulated_machine_is_always_labelled(folder: Path, form: str) -> None:
    text = render(folder, form)
    assert text.lower().count("simulated machine") >= 5
    if form == "html":  # every picture says so in itself
        assert text.count("<svg") <= text.count("simulated machine")


def test_what_a_probe_says_is_text_and_not_markup(folder: Path) -> None:
    assert "<script>no" not in render(folder, "html")
    markdown = render(folder, "markdown")
    assert "<script>" not in markdown
    assert "no \\| device" in markdown


def test_json_has_no_missing_numbers(folder: Path) -> None:
    document = json.loads(
        render(folder, "json"), parse_constant=lambda word: pytest.fail(f"{word} in a report")
    )
    assert document["campaign"]["machine"]["simulated"] is True


@pytest.mark.parametrize("form", ["html", "markdown", "json"])
def test_thin_campaigns_still_render(tmp_path: Path, form: str) -> None:
    one = build(tmp_path / "one", {"truth": truth(), "good": wavy(1, 0)}, {"gemm": 60.0}, (5.0,))
    assert "good" in render(one, form)
    alone = build(tmp_path / "alone", {"truth": truth()})
    assert "truth" in render(alone, form)
    zero = Fake(lambda _w, _s: 0.0, domain())
    nothing = build(tmp_path / "zero", {"truth": truth(), "zero": zero})
    assert "zero" in render(nothing, form)


def test_a_probe_that_failed_half_way_is_named(tmp_path: Path) -> None:
    folder = build(tmp_path / "c", {"truth": truth(), "good": wavy(1, 0)})
    for run in sorted(folder.glob("0*"))[4:]:
        record = store.read(run / store.RUN, store.RunRecord)
        failed = ProbeState(status="failed", reason="OSError: counter vanished")
        changed = record.model_copy(update={"probes": record.probes | {"good": failed}})
        store.save(run / store.RUN, changed)
        log = run / "good.jsonl"
        log.write_text("\n".join(log.read_text().splitlines()[:3]) + "\n")
    text = render(folder, "markdown")
    assert "counter vanished" in text
