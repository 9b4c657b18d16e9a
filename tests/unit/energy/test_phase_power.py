"""Phases shorter than a meter's update have the power of their kind, or the reason why not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from calibrate import analysis, store
from calibrate.energy import native_columns
from calibrate.energy.phase_power import KindPower, NotTold, kind_powers
from calibrate.energy.stretch import StretchMeter
from calibrate.measurement import Measurement
from calibrate.probe.contract import Domain
from calibrate.reporting import campaign_chapters
from calibrate.store import PhaseRecord, ProbeLog
from calibrate.store.readings import Reading, Readings
from tests.helpers.campaigns import SECOND, START, build, truth

COUNTER = Domain("package-0", "package-0", "counter", "measured", "rapl")
POWER = Domain("package-0", "package-0", "power", "measured", "rapl")
REST_W = 8.0
#: Kinds with their watts and seconds; they follow one another, with rests between.
KINDS = {"step": (60.0, 0.03), "check": (30.0, 0.05)}


class Course:
    """A run of phases at random distances, and the joules used up to any instant."""

    def __init__(self, kinds: dict[str, tuple[float, float]], rests_s: np.ndarray) -> None:
        names = [list(kinds)[n % len(kinds)] for n in range(rests_s.size)]
        lengths = np.array([kinds[name][1] for name in names])
        watts = np.array([kinds[name][0] for name in names])
        begins = np.concatenate([[0.0], np.cumsum(lengths + rests_s)[:-1]])
        self.edges = np.ravel(np.column_stack([begins, begins + lengths]))
        power = np.full(self.edges.size - 1, REST_W)
        power[::2] = watts
        self._used = np.concatenate([[0.0], np.cumsum(power * np.diff(self.edges))])
        self.spans: dict[str, list[tuple[int, int]]] = {name: [] for name in kinds}
        for name, begin, length in zip(names, begins, lengths, strict=True):
            first = START + round(begin * SECOND)
            self.spans[name].append((first, first + round(length * SECOND)))

    def used_j(self, at_s: np.ndarray) -> np.ndarray:
        before = np.minimum(at_s, 0.0) * REST_W
        after = np.maximum(at_s - self.edges[-1], 0.0) * REST_W
        return np.asarray(np.interp(at_s, self.edges, self._used) + before + after)


def meter(
    course: Course, domain: Domain, update_s: float = 0.1, late_s: float = 0.0
) -> StretchMeter:
    at = np.arange(-1.0, course.edges[-1] + 1.0, update_s)
    values = course.used_j(at - late_s)
    if domain.kind == "power":
        at, values = at[1:], np.diff(values) / update_s
    readings = [
        Reading(START + round(t * SECOND), START + round(t * SECOND), {domain.name: float(value)})
        for t, value in zip(at, values, strict=True)
    ]
    log = ProbeLog("probe", {domain.name: domain}, readings=Readings.of(readings))
    return StretchMeter(log, native_columns(log.domains.values())[0])


def rests(n: int, seed: int = 3) -> np.ndarray:
    return 0.02 + np.random.default_rng(seed).exponential(0.12, n)


@pytest.mark.parametrize("late_s", [0.0, 0.07])
@pytest.mark.parametrize("domain", [COUNTER, POWER], ids=lambda domain: domain.kind)
def test_a_hundred_phases_of_30_ms_are_known_to_three_percent(
    domain: Domain, late_s: float
) -> None:
    course = Course({"step": KINDS["step"]}, rests(100))
    found = kind_powers(course.spans, meter(course, domain, late_s=late_s))["step"]
    assert isinstance(found, KindPower)
    assert found.watts == pytest.approx(60.0, rel=0.03)
    assert found.k * found.u_w <= 0.03 * 60


def test_kinds_have_a_power_each() -> None:
    course = Course(KINDS, rests(200))
    found = kind_powers(course.spans, meter(course, COUNTER))
    for kind, (watts, _) in KINDS.items():
        power = found[kind]
        assert isinstance(power, KindPower) and power.watts == pytest.approx(watts, rel=1e-3)


def test_a_phase_in_another_is_counted_to_both() -> None:
    """Every step lies in a batch of its own, whose rest is at rest power."""
    course = Course({"step": KINDS["step"]}, rests(100))
    batches = [(begin, begin + (end - begin) + 15_000_000) for begin, end in course.spans["step"]]
    found = kind_powers(course.spans | {"batch": batches}, meter(course, COUNTER))
    step, batch = found["step"], found["batch"]
    assert isinstance(step, KindPower) and isinstance(batch, KindPower)
    assert step.watts == pytest.approx(60.0, rel=1e-3)
    assert batch.watts == pytest.approx((60 * 0.03 + REST_W * 0.015) / 0.045, rel=1e-3)


def test_phases_in_step_with_the_readings_are_not_told_apart() -> None:
    course = Course({"step": KINDS["step"]}, np.full(100, 0.07))
    found = kind_powers(course.spans, meter(course, COUNTER))["step"]
    assert isinstance(found, NotTold) and "same share" in found.why


def test_a_few_short_phases_are_not_told_and_long_ones_are_left_out() -> None:
    few = Course({"step": KINDS["step"]}, rests(5))
    found = kind_powers(few.spans, meter(few, COUNTER))["step"]
    assert isinstance(found, NotTold) and "there are 5" in found.why
    long = Course({"fit": (60.0, 0.5)}, rests(20))
    assert kind_powers(long.spans, meter(long, COUNTER)) == {}
    slow = Course({"step": KINDS["step"]}, rests(20))
    found = kind_powers(slow.spans, meter(slow, COUNTER, update_s=0.5))["step"]
    assert isinstance(found, NotTold) and "intervals between readings" in found.why


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A campaign with a run of 100 phases of 30 ms, by a meter that is renewed every 0.1 s."""
    course = Course({"step": KINDS["step"]}, rests(100))
    seconds = float(course.edges[-1]) + 0.5
    made = build(
        tmp_path_factory.mktemp("short") / "c", {"truth": truth()}, {"asr": 50.0}, (seconds,)
    )
    (place,) = made.glob("*-asr")
    record = store.read(place / store.RUN, store.RunRecord)
    marks = tuple(
        PhaseRecord(name=f"step[{n}]", begin_ns=begin, end_ns=end, work=2.0, unit="image")
        for n, (begin, end) in enumerate(course.spans["step"])
    )
    store.save(place / store.RUN, record.model_copy(update={"phases": marks}))
    log = place / "truth.jsonl"
    lines = log.read_text().splitlines()
    at = np.arange(-1.0, seconds + 0.9, 0.1)
    readings = [
        json.dumps(
            {
                "doc": "reading",
                "before_ns": START + round(t * SECOND),
                "after_ns": START + round(t * SECOND),
                "values": {"package-0": joules},
            }
        )
        for t, joules in zip(at, 100 + course.used_j(at), strict=True)
    ]
    kept = [line for line in lines if '"doc": "reading"' not in line]
    log.write_text("\n".join([*kept[:2], *readings, *kept[2:]]) + "\n")
    return made


def test_documents_frames_and_reports_have_the_power_of_their_kind(folder: Path) -> None:
    found = analysis.analyze(folder)
    frame = found.phases()
    assert set(frame["method"]) == {"least squares"} and (frame["why"] == "").all()
    assert frame["joules"].to_numpy() == pytest.approx(1.8, rel=1e-3)
    assert frame["per_image_j"].to_numpy() == pytest.approx(0.9, rel=1e-3)
    (phase, *_) = found.phase_document.phases
    assert 1.9 < phase.k < 2.1 and phase.k * phase.u_j < 0.03 * 1.8
    (chapter,) = campaign_chapters(found)
    assert chapter.table.rows[0].cells[3] == "1 *" and "95 %" in chapter.note


def test_a_measured_block_has_the_power_of_their_kind(folder: Path) -> None:
    (run,) = store.load_campaign(folder).runs
    measurement = Measurement.__new__(Measurement)
    measurement._run, measurement._states = run, {}
    phases = measurement.phases
    assert len(phases) == 100
    assert [phase.joules["truth"] for phase in phases] == pytest.approx([1.8] * 100, rel=1e-3)
    assert all((phase.expanded_u_j["truth"] or 1.0) < 0.05 for phase in phases)


def test_the_report_says_why_short_phases_have_no_power(folder: Path) -> None:
    found = analysis.analyze(folder)
    short = found.shown_phases[0].model_copy(
        update={"method": "edges", "why": "There are 5 of them."}
    )
    (chapter,) = campaign_chapters(replace(found, shown_phases=(short,)))
    assert "There are 5 of them." in " ".join(chapter.words)
