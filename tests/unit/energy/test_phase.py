"""Energy of phases: exact where a meter is quick, and honestly unknown where it is slow."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibrate import analysis, catalog, store
from calibrate import energy as energys
from calibrate.energy import (
    Joules,
    MeasuredPhase,
    Per,
    native_columns,
    phase,
    phase_index,
    phase_kind,
    pooled,
)
from calibrate.energy.phase import PhasesDocument
from calibrate.energy.stretch import StretchMeter
from calibrate.probe.contract import Domain
from calibrate.quantity import spread
from calibrate.reporting import campaign_chapters
from calibrate.reporting.chapters.phases import per_unit
from calibrate.store import PhaseRecord, ProbeLog
from calibrate.store.readings import Reading, Readings
from tests.helpers.campaigns import SECOND, START, build, phases_of, truth

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
) -> StretchMeter:
    made = log(domain, points, window)
    return StretchMeter(made, native_columns(made.domains.values())[0])


def between(found: StretchMeter, begin_s: float, end_s: float) -> Joules | None:
    return found.between(round(begin_s * SECOND), round(end_s * SECOND))


def test_names_have_a_kind_and_a_number() -> None:
    assert (phase_kind("train[12]"), phase_index("train[12]")) == ("train", 12)
    assert (phase_kind("infer"), phase_index("infer")) == ("infer", None)


def test_at_renewals_an_energy_is_as_well_known_as_the_readings() -> None:
    found = between(meter(COUNTER, {0: 5, 1: 15, 2: 45, 3: 55}), 1, 2)
    assert found == Joules(30.0, 0.0)


def test_between_renewals_nobody_knows_when_it_was_used() -> None:
    found = between(meter(COUNTER, {0: 0, 1: 12, 2: 24}), 0, 0.5)
    assert found is not None
    assert found.joules == pytest.approx(6.0)
    assert found.u_j == pytest.approx(12 / math.sqrt(12))  # anything from none to all of it


def test_a_trackers_repeated_figure_is_no_renewal() -> None:
    """Between its renewals it knows nothing, and it was seen up to half a second late."""
    points = {n / 2: 50.0 * (n // 2) for n in range(10)} | {4.6: 205.0}
    found = between(meter(TRACKER, points, (0.0, 4.55)), 0, 1.5)
    assert found is not None
    assert found.joules == pytest.approx(75.0)
    assert found.u_j == pytest.approx(50 * math.sqrt((0.5 * 0.5 + 0.5**2) / 3))


def test_a_tracker_has_counted_nothing_before_its_begin() -> None:
    points = {0.9: 0.0, 1.5: 0.0, 2.5: 80.0, 3.1: 100.0}
    assert between(meter(TRACKER, points, (1.0, 3.0)), 1, 3) == Joules(100.0, 0.0)


def test_what_is_not_covered_is_missing() -> None:
    found = meter(COUNTER, {1: 0, 2: 10})
    assert between(found, 0.5, 1.5) is None
    assert between(found, 1.5, 2.5) is None


def test_a_counter_that_stands_still_has_counted_nothing_more() -> None:
    """A slow one may not have shown it yet: no joules, and a doubt that grows."""
    points = {0.0: 0.0, 0.5: 0.0, 1.0: 10.0, 1.5: 10.0, 2.0: 20.0, 2.5: 20.0, 4.0: 20.0}
    slow = meter(COUNTER, points)
    near, far = between(slow, 2, 2.5), between(slow, 2, 4)
    assert near and far and near.joules == far.joules == 0.0
    assert near.u_j == pytest.approx(5 / math.sqrt(3)) and far.u_j == pytest.approx(4 * near.u_j)
    assert between(slow, 3, 3) == Joules(0.0, 0.0)
    assert between(meter(COUNTER, {0: 0, 1: 10, 2: 10, 3: 10}), 1, 3) == Joules(0.0, 0.0)


HIGH_W, HALF_S = 60.0, 0.4
POWER = Domain("package-0", "package-0", "power", "measured", "rapl")


def used_j(until_s: float, low_w: float, every_s: float) -> float:
    """Joules of a wave from its begin: HALF_S of HIGH_W at every so many seconds."""
    whole, rest = divmod(until_s, every_s)
    high = whole * HALF_S + min(rest, HALF_S)
    return high * HIGH_W + (until_s - high) * low_w


@pytest.mark.parametrize("every_s", [0.8, 3.37])
@pytest.mark.parametrize("low_w", [0.0, 0.5, 8.0, 50.0])
@pytest.mark.parametrize("period_s", [0.01, 0.1, 0.29, 1.0, 1.7])
@pytest.mark.parametrize("domain", [COUNTER, POWER], ids=lambda domain: domain.kind)
def test_phases_repeated_do_not_hide_what_a_meter_cannot_see(
    domain: Domain, period_s: float, low_w: float, every_s: float
) -> None:
    """Every high phase loses to the rest by the same cause, however often it comes.

    The power is the mean since the reading before, as PowerAPI reports it.
    """
    points = {}
    for number in range(1, round(140 / period_s)):
        at = number * period_s
        used = used_j(at, low_w, every_s)
        spent = used - used_j(at - period_s, low_w, every_s)
        points[at] = used if domain is COUNTER else spent / period_s
    found = meter(domain, points)
    begins = [every_s * number for number in range(5, 40)]
    high = pooled([e for at in begins if (e := between(found, at, at + HALF_S))])
    assert abs(high.joules - HIGH_W * HALF_S) <= 2 * high.u_j + 1e-9
    assert high.u_j <= 2 * HIGH_W * period_s


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
    found = {p.phase: p for p in phases_of(folder).phases}
    assert set(found) == {"load", "infer[1]", "infer[2]"}
    first = found["infer[1]"]
    assert (first.stretches, first.seconds, first.work) == (2, 2.0, 10.0)
    assert first.joules == pytest.approx(100.0)
    assert first.values == {"wer": 0.1, "utterances": 4}
    together = phases_of(folder, phase_kind).phases
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
    [found] = phases_of(made).phases
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
        MeasuredPhase(run, each, "slow", slow, energy)
        for each in marks
        if (energy := slow.between(each.begin_ns, each.end_ns))
    ]
    assert len(found) == 3
    both, whole = energys.together(found), slow.between(marks[0].begin_ns, marks[2].end_ns)
    assert whole and both.joules == pytest.approx(whole.joules)
    assert both.u_j == pytest.approx(whole.u_j)
    apart = energys.together([found[0], found[2]])
    assert apart.u_j == pytest.approx(found[0].energy.u_j + found[2].energy.u_j)


def test_breaks_between_phases_may_have_used_anything(folder: Path) -> None:
    """100 phases of 0.1 s at 60 W with breaks of 9 ms at 8 W, read every 0.1 s."""
    run = store.load_campaign(folder).runs[0]

    def used(at: float) -> float:
        whole, rest = divmod(at, 0.109)
        return 6.072 * whole + 60 * min(rest, 0.1) + 8 * max(rest - 0.1, 0)

    found = meter(COUNTER, {n / 10: used(n / 10) for n in range(120)})
    marks = [
        PhaseRecord(name="step", begin_ns=round(at * SECOND), end_ns=round((at + 0.1) * SECOND))
        for at in (0.109 * n for n in range(1, 101))
    ]
    each = [
        MeasuredPhase(run, mark, "probe", found, energy)
        for mark in marks
        if (energy := found.between(mark.begin_ns, mark.end_ns))
    ]
    together = energys.together(each)
    assert len(each) == 100 and together.joules < 570
    assert abs(together.joules - 600) <= 2 * together.u_j
    # A phase that is there twice is known no better for that.
    assert energys.together([each[0], each[0]]) == each[0].energy.times(2)


def test_a_phase_that_ends_before_it_begins_has_no_energy() -> None:
    assert between(meter(COUNTER, {0: 0, 1: 10, 2: 20}), 1.5, 0.5) is None


def test_every_part_of_a_column_is_as_slow_as_it_is() -> None:
    """One package is renewed ten times a second, the other once; 50 W each."""
    both = [Domain(f"package-{n}", f"package-{n}", "counter", family="rapl") for n in range(2)]
    readings = [
        Reading(at, at, {"package-0": 5.0 * n, "package-1": 50.0 * (n // 10)})
        for n, at in ((n, n * SECOND // 10) for n in range(100))
    ]
    made = ProbeLog("probe", {d.name: d for d in both}, readings=Readings.of(readings))
    columns = {c.name: StretchMeter(made, c) for c in native_columns(both)}
    quick, slow, package = (
        between(columns[name], 3.5, 6.5) for name in ("package-0", "package-1", "package")
    )
    assert quick and slow and package
    assert package == quick + slow
    assert quick.u_j < 1 < slow.u_j


def test_energies_of_small_units_have_a_prefix() -> None:
    """Figures after "±" are expanded: twice the standard uncertainty here."""
    assert per_unit({"flop": Per(joules=2.7678e-10, u_j=3.3e-13)}) == ("276.78 ± 0.66 pJ/flop")
    assert per_unit({"utterance": Per(joules=0.0625, u_j=0.0004)}) == ("62.50 ± 0.80 mJ/utterance")
    assert per_unit({"fit": Per(joules=20.0, u_j=0.5)}) == "20.0 ± 1.0 J/fit"
    assert per_unit({"fit": Per(joules=20.0, u_j=0.5, k=4.0)}) == "20.0 ± 2.0 J/fit"
    assert per_unit({"fit": Per(joules=3.2e6, u_j=5e3)}) == "3.200 ± 0.010 MJ/fit"
    assert per_unit({"fit": Per(joules=-1.0, u_j=150.0)}) == "0 ± 300 J/fit"
    assert per_unit({"fit": Per(joules=0.0, u_j=0.25)}) == "0 ± 500 mJ/fit"


def test_reports_have_a_chapter_of_phases(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = analysis.analyze(folder)
    (chapter,) = campaign_chapters(found)
    assert chapter.name == "Energy of phases"
    assert [row.cells[:4] for row in chapter.table.rows] == [
        ("asr", "load", "truth (package-0)", "2"),
        ("asr", "infer[1]", "truth (package-0)", "2"),
        ("asr", "infer[2]", "truth (package-0)", "2"),
    ]
    per_second, per_utterance = chapter.table.rows[1].cells[6].split("; ")
    assert per_second.startswith("10") and per_second.endswith("J/audio-s")
    assert per_utterance.startswith("25") and per_utterance.endswith("J/utterance")
    monkeypatch.setattr(phase, "MOST_NAMES", 2)  # of many epochs those of one kind are one row
    (chapter,) = campaign_chapters(analysis.analyze(folder))
    assert [row.cells[1:4:2] for row in chapter.table.rows] == [("load", "2"), ("infer", "4")]
    for form in ("html", "markdown"):
        assert "Energy of phases" in catalog.load(catalog.find("reports", form)).render(found)
    found.write()
    saved = store.read(folder / analysis.PHASES, PhasesDocument)
    assert len(saved.phases) == 3 and saved.simulated


def test_epochs_alone_stand_in_the_report(tmp_path: Path) -> None:
    """A program that marks nothing but its epochs, as the documentation shows it."""
    made = build(tmp_path / "c", {"truth": truth()}, {"asr": 50.0})
    for place in made.glob("*-asr"):
        record = store.read(place / store.RUN, store.RunRecord)
        marks = tuple(
            PhaseRecord(
                name=f"train[{n}]", begin_ns=START + n * SECOND, end_ns=START + (n + 1) * SECOND
            )
            for n in range(3)
        )
        store.save(place / store.RUN, record.model_copy(update={"phases": marks}))
    (chapter,) = campaign_chapters(analysis.analyze(made))
    assert [row.cells[1] for row in chapter.table.rows] == ["train[0]", "train[1]", "train[2]"]


def test_what_rounding_leaves_of_an_uncertainty_is_none() -> None:
    assert spread(69.9999999999999858, 7.9e-15) == "70 ± 0"
