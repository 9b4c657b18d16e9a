"""Charts of a report: their words are true, their data whole, their pictures alike."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from calibrate import analyze
from calibrate.analysis import Analysis
from calibrate.reporting import digest, forest_chart, page_parts
from calibrate.reporting.charts.chart import COLOURS, MOST_PROBES, MOST_SERIES, Chart
from calibrate.reporting.charts.drawing import scripts, static_svg
from calibrate.reporting.page import chart_table
from tests.helpers.campaigns import Fake, build, domain, truth

SHARES = {"sound": 1.001, "half": 0.5, "kilo": 1e-3}
LOADS = {"idle": 20.0, "gemm": 60.0, "square": 40.0, "asr": 50.0}


def reporting(share: float) -> Fake:
    """A probe that reports a share of the truth."""
    return Fake(lambda watts, seconds: share * watts * seconds, domain())


@pytest.fixture(scope="module")
def analysis(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    fakes = {"truth": truth()} | {name: reporting(share) for name, share in SHARES.items()}
    return analyze(build(tmp_path_factory.mktemp("charts") / "campaign", fakes, LOADS))


@pytest.fixture(scope="module")
def charts(analysis: Analysis) -> list[Chart]:
    parts = page_parts(analysis, digest(analysis))
    forest = forest_chart(analysis)
    assert forest is not None
    return [forest, *(chart for part in parts for chart in part.charts)]


def test_the_forest_has_each_column_with_its_ratio_worst_first(analysis: Analysis) -> None:
    chart = forest_chart(analysis)
    assert chart is not None
    names = [str(row["column"]).split(":")[0] for row in chart.rows]
    assert set(names) == set(SHARES) and names[-1] == "sound"
    for name, row in zip(names, chart.rows, strict=True):
        low, ratio, high = (float(row[key] or 0.0) for key in ("low", "ratio", "high"))
        assert low <= ratio <= high and ratio == pytest.approx(SHARES[name], rel=1e-3)
    assert "kilo: package-0 0.001" in chart.alt and "half: package-0 0.5" in chart.alt
    assert "5 %" in chart.alt


def test_no_chart_has_more_series_than_can_be_told_apart(tmp_path: Path) -> None:
    fakes = {"truth": truth()} | {f"meter-{n:02d}": reporting(1.0 + n / 50) for n in range(14)}
    found = analyze(build(tmp_path / "c", fakes, LOADS))
    parts = page_parts(found, digest(found))
    power = next(part.charts for part in parts if part.anchor == "power")
    for chart in power:
        assert len({row["probe"] for row in chart.rows}) <= MOST_SERIES
    shown = {row["probe"] for chart in power for row in chart.rows}
    assert "truth" in shown and len(shown) == MOST_PROBES + 1
    agreement = next(part.charts for part in parts if part.anchor == "agreement")
    assert len(agreement) <= MOST_PROBES


def test_every_chart_says_what_it_shows_and_has_a_table_with_units(charts: list[Chart]) -> None:
    names = [chart.name for chart in charts]
    assert len(names) == len(set(names)) > 5
    for chart in charts:
        assert re.fullmatch(r"[a-z0-9-]+", chart.name)
        assert len(chart.alt) > 20 and chart.alt.endswith(".")
        assert chart.rows and set(chart.fields) <= {key for row in chart.rows for key in row}
        assert chart.spec["description"] == chart.alt
        assert chart.spec["title"]["subtitle"] == "simulated machine"
        table = chart_table(chart, 7)
        assert table.head == tuple(chart.fields.values()) and len(table.rows) <= 7
        assert all(table.head)
        json.dumps(chart.spec, allow_nan=False)


def test_the_error_bars_of_corrections_have_what_was_held_out(charts: list[Chart]) -> None:
    half = next(c for c in charts if c.name.startswith("held") and "half" in c.title)
    as_reported = [float(row["error"] or 0.0) for row in half.rows if row["stage"] == "as reported"]
    corrected = [float(row["error"] or 0.0) for row in half.rows if row["stage"] != "as reported"]
    assert as_reported == pytest.approx([-50.0] * len(LOADS), abs=0.1)
    assert corrected == pytest.approx([0.0] * len(LOADS), abs=0.1)


def test_a_picture_takes_its_colours_from_the_page(charts: list[Chart]) -> None:
    for chart in charts:
        svg = static_svg(chart)
        assert svg.startswith("<svg ") and "var(--ink)" in svg
        assert not [stand_in for stand_in in COLOURS if stand_in in svg]
        assert not re.search(r"\d\.\d{2}", "".join(re.findall(r' d="([^"]*)"', svg)))
        identities = re.findall(r'\bid="([^"]*)"', svg)
        assert all(each.startswith(f"{chart.name}-") for each in identities)
        assert set(re.findall(r"url\(#([^)]*)\)", svg)) <= set(identities)


def test_a_page_comes_whole_where_address_space_is_limited(
    charts: list[Chart], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Vega's engine would end the process there."""
    monkeypatch.setattr("resource.getrlimit", lambda which: (16 << 30, 16 << 30))
    assert "ulimit -v" in static_svg(charts[0])
    assert scripts() == ""
