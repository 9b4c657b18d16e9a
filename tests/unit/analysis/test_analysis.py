"""From a folder to verdicts: comparison, diagnosis and calibration on known energies."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from calibrate import analysis, load, store
from calibrate.analysis import Analysis
from calibrate.calibration import CorrectionWarning
from calibrate.errors import CrosswattError, UnknownName
from calibrate.quantity import interval, number
from calibrate.reporting import verdicts
from tests.helpers.campaigns import LOADS, Fake, build, domain, truth

DERIVED = ("comparison.json", "diagnosis.json", "calibration.json")
noise = np.random.default_rng(7)


def about(ratio: float, sd: float = 0.001) -> Fake:
    return Fake(lambda w, s: ratio * w * s * float(np.exp(noise.normal(0, sd))), domain())


def constant(watts: float) -> Fake:
    return Fake(
        lambda _w, s: watts * s * float(np.exp(noise.normal(0, 1e-3))),
        domain("package", kind="window"),
    )


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    fakes = {
        "truth": truth(),
        "good": about(1.0),
        "kilo": about(1.04e-3, 0.02),
        "constant": constant(42.5),
        "gain": about(0.8),
        "negative": Fake(lambda w, s: w * s - 262143.0, domain(kind="window")),
        "memory": Fake(lambda _w, s: s, domain("dram-0")),
    }
    folder = build(tmp_path_factory.mktemp("analysis") / "campaign", fakes, lengths=(5.0, 8.0, 6.0))
    return analysis.analyze(folder)


def test_ratios_are_those_put_in(found: Analysis) -> None:
    means = {p.probe: p.ratio.ratio.value for p in found.comparison.pairs if p.ratio}
    assert means == pytest.approx(
        {"good": 1.0, "kilo": 1.04e-3, "constant": means["constant"], "gain": 0.8}, rel=0.02
    )
    assert found.comparison.reference == "truth"
    assert found.comparison.simulated


def test_a_scope_without_a_reference_is_listed_not_compared(found: Analysis) -> None:
    [left] = found.comparison.left
    assert (left.probe, left.reason) == ("memory", "truth has nothing of scope dram-0")


def test_diagnoses_name_what_was_put_in(found: Analysis) -> None:
    names = {probe: each.name for (probe, _), each in found.diagnoses.items()}
    assert names["good"] == "no fault found"
    assert names["kilo"].startswith("scale 1e-3 (kW taken for W)")
    assert names["constant"] == "constant power"
    assert names["gain"] == "constant gain"
    assert names["negative"] == "lost wraparound"


def test_corrections_undo_what_was_put_in(found: Analysis) -> None:
    by_probe = {c.probe: c for c in found.calibration.corrections}
    assert by_probe["good"].verdict == "not needed"
    assert by_probe["gain"].verdict == "factor"
    factor = by_probe["gain"].factor
    assert factor
    assert factor.value == pytest.approx(1.25, rel=0.01)
    assert by_probe["gain"].worst_held_out
    assert by_probe["gain"].worst_held_out < 0.01
    assert by_probe["constant"].verdict == "not calibratable"
    assert "the same power whatever the load" in by_probe["constant"].reason
    assert by_probe["negative"].verdict == "not calibratable"
    valid = by_probe["gain"].valid
    assert valid
    assert valid.watts == pytest.approx((20, 60))
    assert valid.workloads == tuple(sorted(LOADS))


def test_the_need_of_a_campaign_is_the_default(tmp_path: Path) -> None:
    folder = build(tmp_path / "c", {"truth": truth(), "gain": about(0.8)})
    record = store.read(folder / store.CAMPAIGN, store.CampaignRecord)
    store.save(folder / store.CAMPAIGN, record.model_copy(update={"need": 0.012}))
    for need, wanted in ((None, 0.012), (0.2, 0.2)):
        [fitted] = analysis.analyze(folder, need=need).calibration.corrections
        assert fitted.fitness and fitted.fitness.need == wanted


def test_a_factor_that_fails_at_idle_only_says_from_where_it_holds(tmp_path: Path) -> None:
    own = Fake(lambda w, s: (0.95 * w + 3.0 * (w < 25)) * s, domain())
    found = analysis.analyze(build(tmp_path / "c", {"truth": truth(), "own": own}))
    [fitted] = found.calibration.corrections
    assert fitted.verdict == "factor"
    assert fitted.reason.endswith("; not at idle, where 16% is left")
    assert fitted.valid
    assert fitted.valid.watts == pytest.approx((40, 60))
    assert fitted.factor
    assert fitted.factor.value == pytest.approx(1 / 0.95)


def test_documents_are_plain_json_and_remade_alike(found: Analysis) -> None:
    found.write()
    folder = found.campaign.folder
    first = {name: (folder / name).read_text() for name in DERIVED}
    for text in first.values():
        json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} in a document"))
    analysis.analyze(folder).write()
    assert first == {name: (folder / name).read_text() for name in first}


def test_verdicts_speak_for_every_probe(found: Analysis) -> None:
    spoken = {v.finding.probe: v for v in verdicts(found)}
    assert set(spoken) == {"good", "kilo", "constant", "gain", "negative"}
    assert spoken["good"].good
    assert spoken["kilo"].correct.startswith("multiply by 9")
    assert spoken["negative"].ratio == "no run has a ratio"


def test_another_reference_may_be_named(found: Analysis) -> None:
    other = analysis.analyze(found.campaign.folder, "good")
    assert other.comparison.reference == "good"
    with pytest.raises(UnknownName, match="did you mean good"):
        analysis.analyze(found.campaign.folder, "goood")


def test_without_a_reference_the_probe_to_name_is_asked_for(tmp_path: Path) -> None:
    folder = build(tmp_path / "c", {"good": about(1.0)})
    with pytest.raises(CrosswattError, match="name one with --reference"):
        analysis.analyze(folder)


def test_a_campaign_without_a_finished_run_is_refused(tmp_path: Path) -> None:
    folder = build(tmp_path / "c", {"truth": truth()}, {"idle": 20.0}, (5.0,))
    (folder / "001-idle" / "run.json").unlink()
    with pytest.raises(CrosswattError, match="no finished run"):
        analysis.analyze(folder)


def test_one_run_gives_no_interval_and_no_verdict(tmp_path: Path) -> None:
    folder = build(tmp_path / "c", {"truth": truth(), "good": about(1.0)}, {"gemm": 60.0}, (5.0,))
    found = analysis.analyze(folder)
    [pair] = found.comparison.pairs
    assert pair.ratio
    assert pair.ratio.ratio.low is None
    [diagnosis] = found.diagnoses.values()
    assert not diagnosis.conclusive
    assert found.calibration.corrections[0].verdict == "not calibratable"


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.0, "1"), (0.00104, "0.00104"), (961.23456, "961.2"), (1.5e-7, "1.500e-07"),
     (123456.0, "123,456"), (0.0, "0"), (-261843.2, "-261,843")],
)  # fmt: skip
def test_numbers_have_four_digits(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (0.99993, 0.99881, 1.00112, "0.9999 (0.9988 to 1.0011)"),
        (1.000012, 0.999952, 1.00008, "1.000012 (0.999952 to 1.000080)"),
        (9.654e-4, 9.338e-4, 9.981e-4, "0.000965 (0.000934 to 0.000998)"),
        (1036.2, 954.8, 1124.0, "1036 (955 to 1124)"),
        (1.5e-7, 1.4e-7, 1.6e-7, "1.500e-07 (1.400e-07 to 1.600e-07)"),
        (2.0, None, None, "2"),
        (2.0, 2.0, 2.0, "2"),
    ],
)
def test_intervals_have_the_digits_that_they_leave(
    value: float, low: float | None, high: float | None, text: str
) -> None:
    assert interval(value, low, high) == text


def kilo(library: str, release: str) -> Fake:
    """Return a probe a thousandth too low, with the library that its figures come from."""
    return replace(about(1.01e-3), library=library, facts={"release": release})


def test_the_library_of_a_probe_says_who_reported_its_fault(tmp_path: Path) -> None:
    fakes = {
        "truth": truth(),
        "codecarbon-1.2.0": kilo("codecarbon", "1.2.0"),
        "load": kilo("codecarbon", "1.2.0"),
        "pj": kilo("pyJoules", "0.5.1"),
        "codecarbon-check": kilo("scaphandre", "1.0.2"),
        "codecarbon": kilo("codecarbon", "2.0.0"),
        "other": about(1.01e-3),
    }
    told = {
        probe: each.reported
        for (probe, _), each in analysis.analyze(build(tmp_path / "c", fakes)).diagnoses.items()
    }
    codecarbon = "mlco2/codecarbon issues 212 and 286: kW taken for W; fixed in 2.0.0"
    assert told.pop("pj").startswith("powerapi-ng/pyJoules issue 32")
    assert told == {
        "codecarbon-1.2.0": codecarbon,
        "load": codecarbon,
        "codecarbon-check": "",
        "codecarbon": "",
        "other": "",
    }


def test_an_offset_is_subtracted_where_no_factor_holds(tmp_path: Path) -> None:
    more = Fake(lambda w, s: (w + 15.0) * s, domain())
    found = analysis.analyze(build(tmp_path / "c", {"truth": truth(), "more": more}))
    [fitted] = found.calibration.corrections
    assert fitted.verdict == "offset" and fitted.factor is None and fitted.offset_w
    assert fitted.offset_w.value == pytest.approx(15.0, abs=0.01)
    assert fitted.offset_w.n_clusters == len(LOADS)
    assert fitted.worst_held_out is not None and fitted.worst_held_out < 1e-6
    [told] = verdicts(found)
    assert told.correct.startswith("subtract 15")


def test_an_offset_that_may_be_nothing_is_not_subtracted(tmp_path: Path) -> None:
    """Some tenths of a watt that differ by load: less is left than by a factor, by chance."""
    more_w = {20.0: 0.3, 60.0: 0.2, 40.0: 0.35, 50.0: 0.05}
    more = Fake(lambda w, s: (w + more_w[w]) * s, domain())
    found = analysis.analyze(build(tmp_path / "c", {"truth": truth(), "more": more}))
    [fitted] = found.calibration.corrections
    assert fitted.verdict == "not needed" and fitted.offset_w is None


@pytest.mark.parametrize(
    ("probe", "verdict", "words"),
    [
        (lambda w, s: (0.8 * w + 12.0) * s, "gain and offset", "subtract 12.*divide by 0.8"),
        (lambda w, s: 0.8 * w * s, "factor", "multiply by 1.25"),
        (lambda w, s: (80 - w) * s, "not calibratable", "no form describes it"),
    ],
)
def test_the_simplest_form_that_will_do_is_chosen(
    tmp_path: Path, probe: Callable[[float, float], float], verdict: str, words: str
) -> None:
    fakes = {"truth": truth(), "bent": Fake(probe, domain())}
    found = analysis.analyze(build(tmp_path / "c", fakes))
    [fitted] = found.calibration.corrections
    assert fitted.verdict == verdict
    [told] = verdicts(found)
    assert re.search(words, told.correct)
    # What it says is what is done.
    if verdict != "not calibratable":
        path = tmp_path / "calibration.json"
        store.save(path, found.calibration)
        row = found.comparison.pairs[0].rows[0]
        on = date.fromisoformat(found.calibration.made)
        with pytest.warns(CorrectionWarning, match="simulated"):
            made = load(path).correct(row.probe_j, seconds=row.seconds, probe="bent", on=on)
        assert made.joules == pytest.approx(row.reference_j, rel=1e-6)
        late = on + timedelta(days=366)
        with pytest.warns(CorrectionWarning) as warned:
            load(path).correct(row.probe_j, seconds=row.seconds, probe="bent", on=late)
        assert any("expired on" in str(each.message) for each in warned)
