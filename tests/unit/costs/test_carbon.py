"""Energy to CO2e: places, figures of one's own, and what is not known."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from calibrate import analysis, catalog
from calibrate.calibration import CorrectionWarning, Corrector
from calibrate.cli import main
from calibrate.costs import carbon, find_intensity
from calibrate.errors import CrosswattError, UnknownName
from tests.helpers.campaigns import Fake, build, domain, truth

TODAY = date(2026, 11, 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A probe that is a tenth too high, and one that knows time only."""
    fakes = {
        "truth": truth(),
        "high": Fake(lambda w, s: 1.1 * w * s, domain()),
        "clock": Fake(lambda w, s: 50.0 * s, domain()),
    }
    return build(tmp_path / "campaign", fakes)


def test_a_country_has_its_mean_year_and_source() -> None:
    france = find_intensity("fra", TODAY)
    assert (france.code, france.name, france.year) == ("FRA", "France", 2023)
    assert 30 < france.g_per_kwh < 90
    # 10 % for the factors, 4 % for each of three years.
    assert france.u_relative == pytest.approx((0.10**2 + 0.12**2) ** 0.5)
    assert "Ember" in france.source


def test_a_state_is_in_grams_and_not_in_pounds() -> None:
    virginia = find_intensity("USA-VA", TODAY)
    assert virginia.g_per_kwh == pytest.approx(244.8)
    assert "eGRID2023" in virginia.source


def test_every_row_of_the_table_can_be_found() -> None:
    lines = Path(carbon._TABLE).read_text(encoding="utf-8").splitlines()
    codes = [line.partition(",")[0] for line in lines if not line.startswith("#")][1:]
    assert len(codes) == len(set(codes)) > 250
    for code in codes:
        found = find_intensity(code, TODAY)
        assert 0 <= found.g_per_kwh < 2000
        assert find_intensity(found.asked, TODAY) == found
        assert found.year is not None and 2005 < found.year <= TODAY.year


@pytest.mark.parametrize(
    ("text", "value", "u"),
    [("56", 56.0, None), ("56+-0", 56.0, 0.0), ("56+-6", 56.0, 6 / 56), ("400±40", 400.0, 0.1)],
)
def test_a_figure_of_ones_own(text: str, value: float, u: float | None) -> None:
    found = find_intensity(text, TODAY)
    assert found.g_per_kwh == value
    assert found.u_relative == (None if u is None else pytest.approx(u))
    assert find_intensity(found.asked, TODAY) == found


@pytest.mark.parametrize("text", ["-5", "0", "5x", "1e9", "50+-", "50+--4", "+"])
def test_what_is_no_intensity_is_refused(text: str) -> None:
    with pytest.raises(CrosswattError, match="is no carbon intensity"):
        find_intensity(text, TODAY)


def test_an_unknown_place_gets_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean"):
        find_intensity("FRE", TODAY)


def test_a_report_tells_grams_with_what_is_known_of_them(folder: Path) -> None:
    found = analysis.analyze(folder, carbon=find_intensity("360+-36", TODAY))
    assert found.footprint
    hows = {(e.probe, e.how) for e in found.footprint.emissions}
    assert hows == {("truth", "reference"), ("high", "corrected"), ("clock", "as reported")}
    by_reference = [e for e in found.footprint.emissions if e.how == "reference"]
    assert {e.workload for e in by_reference} == set(found.comparison.workloads)
    for each in found.footprint.emissions:
        # 360 g per kWh are 0.1 mg per joule.
        assert each.grams == pytest.approx(each.joules * 1e-4)
        if each.how == "as reported":
            assert each.u_g is None
        else:
            assert each.u_g is not None and each.u_g >= 0.0999 * abs(each.grams)
    for form in ("html", "markdown", "json"):
        text = catalog.load(catalog.find("reports", form)).render(found)
        assert "CO2e" in text or form == "json"
        assert "360" in text
        assert "--carbon 360+-36" in text or form == "json"
    assert json.loads(text)["carbon"]["intensity"]["g_per_kwh"] == 360.0


def test_grams_are_of_the_energy_that_a_correction_gives(tmp_path: Path) -> None:
    """By an offset too, and not of a factor where none is needed."""
    fakes = {
        "truth": truth(),
        "more": Fake(lambda w, s: (w + 15.0) * s, domain()),
        "sound": Fake(lambda w, s: (1.0 + 0.0002 * (w > 45)) * w * s, domain()),
    }
    found = analysis.analyze(build(tmp_path / "campaign", fakes), carbon=360)
    corrector = Corrector(found.calibration)
    assert found.footprint
    for pair in found.comparison.pairs:
        for each in [e for e in found.footprint.emissions if e.probe == pair.probe]:
            rows = [row for row in pair.rows if row.workload == each.workload]
            with pytest.warns(CorrectionWarning, match="simulated"):
                made = [
                    corrector.correct(row.probe_j, seconds=row.seconds, probe=pair.probe)
                    for row in rows
                ]
            assert each.joules == pytest.approx(sum(m.joules for m in made) / len(made))
    hows = {e.probe: e.how for e in found.footprint.emissions}
    assert hows["more"] == "corrected" and hows["sound"] == "needs no correction"


def test_without_the_option_there_is_no_carbon(folder: Path) -> None:
    found = analysis.analyze(folder)
    for form in ("html", "markdown", "json"):
        assert "CO2e per run" not in catalog.load(catalog.find("reports", form)).render(found)


def test_the_command_takes_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["report", str(folder), "--format", "markdown", "--out", "-", "--carbon", "DEU"]) == 0
    )
    assert "Germany" in capsys.readouterr().out
