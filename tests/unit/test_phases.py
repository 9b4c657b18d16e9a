"""Energy of phases: exact where a meter is quick, and honestly unknown where it is slow."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibrate import analysis, catalog, phases, series, store
from calibrate.chapters import chapters
from calibrate.chapters import phases as told
from calibrate.probe import Domain
from calibrate.store import PhaseRecord, ProbeLog, Reading, Readings
from tests.campaigns import SECOND, START, build, truth

COUNTER = Domain("package-0", "package-0", "counter", "measured", "rapl")
TRACKER = Domain("cpu", "package", "window", "measured", "rapl")


def log(domain: Domain, points: dict[float, float], window: tuple[float, float] | None) -> ProbeLog:
    """A probe's file with these joules at these seconds."""
    readings = [
        Reading(round(at * SECOND), round(at * SECOND), {domain.name: joules})
        for at, joules in points.items()
    ]
    ends = None if window is None else (round(window[0] * SECOND), round(window[1] * SECOND))
    return ProbeLog("probe", {domain.name: domain}, readings=Readings.of(readings), window_ns=ends)


def meter(
    domain: Domain, points: dict[float, float], window: tuple[float, float] | None = None
) -> phases.Meter:
    made = log(domain, points, window)
    return phases.Meter(made, series.native(made.domains.values())[0])


def between(found: phases.Meter, begin_s: float, end_s: float) -> phases.Joules | None:
    return found.between(round(begin_s * SECOND), round(end_s * SECOND))


def test_names_have_a_kind_and_a_number() -> None:
    assert (phases.kind("train[12]"), phases.index("train[12]")) == ("train", 12)
    assert (phases.kind("infer"), phases.index("infer")) == ("infer", None)


def test_at_renewals_an_energy_is_as_well_known_as_the_readings() -> None:
    found = between(meter(COUNTER, {0: 5, 1: 15, 2: 45, 3: 55}), 1, 2)
    assert found == phases.Joules(30.0, 0.0)


def test_between_renewals_nobody_knows_when_it_was_used() -> None:
    found = between(meter(COUNTER, {0: 0, 1: 12, 2: 24}), 0, 0.5)
    assert found is not None
    assert found.joules == pytest.approx(6.0)
    assert found.u_j == pytest.approx(12 / math.sqrt(12))  # anything from none to all of it


def test_a_trackers_repeated_figure_is_no_renewal() -> None:
    points = {0.0: 0.0, 0.5: 0.0, 1.0: 50.0, 1.5: 50.0, 2.0: 100.0, 2.1: 105.0}
    found = between(meter(TRACKER, points, (0.0, 2.05)), 0, 1.5)
    assert found is not None
    assert found.joules == pytest.approx(75.0)
    assert found.u_j == pytest.approx(50 / math.sqrt(12))


def test_a_tracker_has_counted_nothing_before_its_begin() -> None:
    points = {0.9: 0.0, 1.5: 0.0, 2.5: 80.0, 3.1: 100.0}
    assert between(meter(TRACKER, points, (1.0, 3.0)), 1, 3) == phases.Joules(100.0, 0.0)


def test_what_is_not_covered_is_missing() -> None:
    found = meter(COUNTER, {1: 0, 2: 10})
    assert between(found, 0.5, 1.5) is None
    assert between(found, 1.5, 2.5) is None


def test_a_counter_that_stands_still_has_counted_nothing_more() -> None:
    """Readings go on, the figure does not: no joules, and a doubt that grows."""
    found = meter(COUNTER, {0: 0, 1: 10, 2: 10, 3: 10})
    near, far = between(found, 0, 1.5), between(found, 0, 3)
    assert near and far and near.joules == far.joules == 10.0
    assert 0 < near.u_j < far.u_j


HIGH_W, LOW_W, HALF_S = 60.0, 8.0, 0.4
POWER = Domain("package-0", "package-0", "power", "measured", "rapl")


def used_j(until_s: float) -> float:
    """Joules of a square wave from its begin."""
    whole, rest = divmod(until_s, 2 * HALF_S)
    high = whole * HALF_S + min(rest, HALF_S)
    return high * HIGH_W + (until_s - high) * LOW_W


@pytest.mark.parametrize("period_s", [0.01, 0.1, 0.29, 1.0, 1.7])
@pytest.mark.parametrize("domain", [COUNTER, POWER], ids=lambda domain: domain.kind)
def test_phases_repeated_do_not_hide_what_a_meter_cannot_see(
    domain: Domain, period_s: float
) -> None:
    """Every half of a square wave loses to the other by the same cause, however often it comes.

    The power is the mean since the reading before, as PowerAPI reports it.
    """
    points = {}
    for number in range(1, round(40 / period_s)):
        at = number * period_s
        spent = used_j(at) - used_j(at - period_s)
        points[at] = used_j(at) if domain is COUNTER else spent / period_s
    found = meter(domain, points)
    halves = [2 * HALF_S * number for number in range(5, 40)]
    high = phases.pooled([e for at in halves if (e := between(found, at, at + HALF_S))])
    assert abs(high.joules - HIGH_W * HALF_S) <= 2 * high.u_j + 1e-9
    assert high.u_j <= HIGH_W * period_s / 3**0.5


@given(st.lists(st.floats(0.01, 100), min_size=3, max_size=20), st.floats(0.05, 0.95))
def test_phases_side_by_side_add_up(steps: list[float], cut: float) -> None:
    points, total = {}, 0.0
    for at, joules in enumerate(steps):
        total += joules
        points[float(at)] = total
    found, end = meter(COUNTER, points), float(len(steps) - 1)
    parts = between(found, 0, cut * end), between(found, cut * end, end)
    assert all(parts)
    assert sum(p.joules for p in parts if p) == pytest.approx(total - steps[0], rel=1e-6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A campaign whose workload asr loads for a second and then infers, in two stretches."""
    made = build(tmp_path_factory.mktemp("phases") / "campaign", {"truth": truth()}, {"asr": 50.0})
    work = {"work": 10.0, "unit": "audio-s"}
    for place in made.glob("*-asr"):
        record = store.read(place / store.RUN, store.RunRecord)
        marks = [
            PhaseRecord(name=name, begin_ns=START + a * SECOND, end_ns=START + b * SECOND, **more)
            for name, a, b, more in (
                ("load", 0, 1, {}),
                ("infer[1]", 1, 3, work | {"values": {"wer": 0.1, "utterances": 4}}),
                ("infer[2]", 3, 5, work | {"values": {"wer": 0.3, "utterances": 4}}),
            )
        ]  # fmt: skip
        store.save(place / store.RUN, record.model_copy(update={"phases": tuple(marks)}))
    return made


def test_phases_are_means_over_runs(folder: Path) -> None:
    found = {p.phase: p for p in phases.phases(store.load_campaign(folder)).phases}
    assert set(found) == {"load", "infer[1]", "infer[2]"}
    first = found["infer[1]"]
    assert (first.stretches, first.seconds, first.work) == (2, 2.0, 10.0)
    assert first.joules == pytest.approx(100.0)
    assert first.values == {"wer": 0.1, "utterances": 4}
    together = phases.phases(store.load_campaign(folder), phases.kind).phases
    infer = next(p for p in together if p.phase == "infer")
    assert infer.stretches == 4 and infer.values["wer"] == pytest.approx(0.2)


def test_energy_per_unit_is_that_of_stretches_of_any_length(tmp_path: Path) -> None:
    """50 W at 10 units a second, for 2 s and for 6 s: the lengths differ, 5 J a unit does not."""
    made = build(tmp_path / "c", {"truth": truth()}, {"asr": 50.0}, (2.0, 6.0))
    for place, seconds in zip(sorted(made.glob("*-asr")), (2, 6), strict=True):
        record = store.read(place / store.RUN, store.RunRecord)
        mark = PhaseRecord(
            name="infer", begin_ns=START, end_ns=START + seconds * SECOND, work=10.0 * seconds,
            unit="audio-s", values={"utterances": 5 * seconds},
        )  # fmt: skip
        store.save(place / store.RUN, record.model_copy(update={"phases": (mark,)}))
    [found] = phases.phases(store.load_campaign(made)).phases
    assert found.joules == pytest.approx(200.0) and found.u_j == pytest.approx(100.0)
    assert found.per["audio-s"].joules == pytest.approx(5.0)
    assert found.per["audio-s"].u_j == pytest.approx(0.0, abs=1e-9)
    assert found.per["utterance"].joules == pytest.approx(10.0)


def test_at_an_edge_between_two_phases_one_has_what_the_other_lacks(folder: Path) -> None:
    """Loading and inference side by side are as well known as one stretch; the sum is not."""
    run = next(r for r in store.load_campaign(folder).runs if r.record.workload == "asr")
    slow = meter(COUNTER, {n * 0.75 + START / SECOND: 40.0 * n for n in range(9)})
    marks = run.record.phases
    found = [
        phases.Measured(run, each, "slow", slow, energy)
        for each in marks
        if (energy := slow.between(each.begin_ns, each.end_ns))
    ]
    assert len(found) == 3
    both, whole = phases.together(found), slow.between(marks[0].begin_ns, marks[2].end_ns)
    assert whole and both.joules == pytest.approx(whole.joules)
    assert both.u_j == pytest.approx(whole.u_j)
    apart = phases.together([found[0], found[2]])
    assert apart.u_j == pytest.approx(found[0].energy.u_j + found[2].energy.u_j)


def test_energies_of_small_units_have_a_prefix() -> None:
    assert told.per_unit({"flop": phases.Per(joules=2.7678e-10, u_j=6.6e-13)}) == (
        "276.78 ± 0.66 pJ/flop"
    )
    assert told.per_unit({"utterance": phases.Per(joules=0.0625, u_j=0.0008)}) == (
        "62.50 ± 0.80 mJ/utterance"
    )
    assert told.per_unit({"fit": phases.Per(joules=20.0, u_j=1.0)}) == "20.0 ± 1.0 J/fit"
    assert told.per_unit({"fit": phases.Per(joules=0.0, u_j=0.5)}) == "0 ± 500 mJ/fit"


def test_reports_have_a_chapter_of_phases(folder: Path) -> None:
    found = analysis.analyze(folder)
    (chapter,) = chapters(found)
    assert chapter.name == "Energy of phases"
    assert [row.cells[:4] for row in chapter.table.rows] == [
        ("asr", "load", "truth (package-0)", "2"),
        ("asr", "infer", "truth (package-0)", "4"),
    ]
    per_second, per_utterance = chapter.table.rows[1].cells[6].split("; ")
    assert per_second.startswith("10") and per_second.endswith("J/audio-s")
    assert per_utterance.startswith("25") and per_utterance.endswith("J/utterance")
    for form in ("html", "markdown"):
        assert "Energy of phases" in catalog.load(catalog.find("reports", form)).render(found)
    analysis.write(found)
    saved = store.read(folder / analysis.PHASES, phases.Phases)
    assert len(saved.phases) == 3 and saved.simulated
