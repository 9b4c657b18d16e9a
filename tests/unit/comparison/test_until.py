"""Stopping when it is known well enough, and planning for it."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from calibrate import analysis, reporting, store
from calibrate.campaign import (
    Plan,
    Source,
    Timeouts,
    campaign,
    describe_machine,
    perform_campaign,
)
from calibrate.cli import main
from calibrate.cli.progress import factor_words
from calibrate.comparison import Goal, forecast, least_known, parse_goal, seconds_of_repeat
from calibrate.comparison.until import whole_repeats
from calibrate.errors import CrosswattError
from calibrate.probe.contract import Domain
from calibrate.store import CampaignRecord, Job, KnownFactor, ProbeState, RunRecord
from tests.helpers.campaigns import MACHINE, Fake, build, domain, truth

RNG = np.random.default_rng(5)
START = RNG.bit_generator.state
TWO = {"idle": 20.0, "gemm": 60.0}


@pytest.fixture(autouse=True)
def same_numbers() -> None:
    """Give every test the same random numbers, in whatever order they run."""
    RNG.bit_generator.state = START


def noisy(sd: float, factor: float = 1.0) -> Fake:
    """Return a probe whose joules scatter from run to run."""
    return Fake(lambda w, s: w * s * factor * math.exp(sd * RNG.normal()), domain())


def test_wanted_uncertainties() -> None:
    assert parse_goal("1%") == parse_goal(" 0.01 ") == 0.01
    for text in ("0", "100%", "-1%", "one", "nan%", ""):
        with pytest.raises(CrosswattError, match="write 1% or"):
            parse_goal(text)


def test_repeats_are_whole() -> None:
    repeats = {1: {"a": 1.0, "b": 3.0}, 2: {"a": 1.0}, 3: {"b": 5.0, "a": 1.0, "rare": 100.0}}
    assert whole_repeats(repeats) == [2.0, 3.0]
    assert whole_repeats({}) == []


def goal_of(folder: Path, target: float) -> Goal:
    found = store.load_campaign(folder)
    goal = Goal(target)
    goal.add(found, found.runs)
    return goal


def test_a_goal_is_reached_with_enough_repeats(tmp_path: Path) -> None:
    fakes = {"truth": truth(), "quiet": noisy(0.002, 0.5), "loud": noisy(0.05)}
    many = build(tmp_path / "many", fakes, TWO, [5.0] * 20)
    quiet, loud = goal_of(many, 0.02).factors()
    assert (quiet.probe, quiet.repeats, quiet.reached) == ("quiet", 20, True)
    assert quiet.factor == pytest.approx(2.0, rel=0.01)
    assert loud.half_width is not None and loud.half_width > 0.02 and not loud.reached
    assert not goal_of(many, 0.02).reached and goal_of(many, 0.2).reached
    few = build(tmp_path / "few", fakes, TWO, [5.0] * 3)
    assert all(each.half_width is None for each in goal_of(few, 0.5).factors())


def test_the_worst_column_decides(tmp_path: Path) -> None:
    """The main column is known at once; a GPU's is not, and one that is dead holds nothing up."""

    def share(of: float, sd: float = 0.0) -> Callable[[float, float], float]:
        return lambda w, s: of * w * s * math.exp(sd * RNG.normal())

    rest = [Fake(share(0.5), domain("gpu-0", "truth")), Fake(share(0.1), domain("uncore", "truth"))]
    reference = Fake(share(1.0), domain("package-0", "truth"), more=tuple(rest))
    columns = [Fake(share(0.5, 0.05), domain("gpu-0")), Fake(share(0.0), domain("uncore"))]
    meter = Fake(share(1.0), domain(), more=tuple(columns))
    folder = build(tmp_path / "c", {"truth": reference, "meter": meter}, TWO, [5.0] * 20)
    found = {each.column: each for each in goal_of(folder, 0.02).factors()}
    assert found["package-0"].reached and not found["gpu-0"].reached and "uncore" not in found
    assert not goal_of(folder, 0.02).settled and goal_of(folder, 0.2).reached
    assert [each.column for each in least_known(found.values())] == ["gpu-0"]
    pairs = analysis.analyze(folder).comparison.pairs
    assert {each.column for each in forecast(pairs, 0.02, 14.0)} >= {"package-0", "gpu-0"}


def test_a_ratio_that_never_moves_is_known_after_some_repeats(tmp_path: Path) -> None:
    fakes = {"truth": truth(), "exact": Fake(lambda w, s: w * s, domain())}
    for repeats, reached in ((7, False), (8, True)):
        folder = build(tmp_path / f"{repeats}", fakes, TWO, [5.0] * repeats)
        assert goal_of(folder, 0.01).reached is reached


def test_nothing_to_know_is_never_reached(tmp_path: Path) -> None:
    folder = build(tmp_path / "c", {"truth": truth()}, TWO, [5.0] * 9)
    assert not goal_of(folder, 0.5).reached


class Quiet:
    """Watches, and remembers what it is told of the factors."""

    def __init__(self) -> None:
        self.told: list[tuple[KnownFactor, ...]] = []
        self.runs = 0

    def planned(self, campaign: CampaignRecord) -> None: ...

    def probes(self, states: object) -> None: ...

    def started(self, job: Job, folder: Path) -> None: ...

    def stage(self, name: str) -> None: ...

    def finished(self, record: RunRecord) -> None:
        self.runs += 1

    def strayed(self, job: Job, why: str) -> None: ...

    def known(self, factors: tuple[KnownFactor, ...], target: float) -> None:
        self.told.append(factors)


def test_a_campaign_stops_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The runs are made by hand; what decides is what `run --until` uses."""
    fakes = {"truth": truth(), "meter": noisy(0.01)}
    ready = build(tmp_path / "ready", fakes, TWO, [5.0] * 30)
    record = store.read(ready / store.CAMPAIGN, CampaignRecord)
    plan = Plan.model_validate({"title": "t", "workload": [{"name": name} for name in TWO]})
    folder = tmp_path / "campaign"
    folder.mkdir()
    wanted = {"until": 0.02, "plan": plan.model_dump(mode="json")}
    store.save(folder / store.CAMPAIGN, record.model_copy(update=wanted))

    def perform_one(
        job: Job, sources: Sequence[Source], place: Path, *_: object, **__: object
    ) -> RunRecord:
        shutil.copytree(ready / job.folder, place, dirs_exist_ok=True)
        return store.load_run(place).record

    monkeypatch.setattr(campaign, "perform_run", perform_one)
    monkeypatch.setattr(campaign, "check_workloads", lambda *_: None)
    monkeypatch.setattr(campaign, "describe_machine", lambda *_: MACHINE)
    states = {name: (ProbeState(status="ok"), store.ProbeLog(name)) for name in fakes}
    monkeypatch.setattr(campaign, "describe_probes", lambda *_, **__: states)
    watcher = Quiet()
    perform_campaign(folder, watcher, Timeouts(), Goal(0.02))
    stop = store.load_campaign(folder).stop
    assert stop is not None and 6 < stop.repeats < 25 and stop.target == 0.02
    assert watcher.runs == 2 * stop.repeats == 2 * len(watcher.told)
    assert [f.reached for (f,) in watcher.told] == [False] * (stop.repeats - 1) + [True]
    perform_campaign(folder, watcher, Timeouts(), Goal(0.02))
    assert watcher.runs == 2 * stop.repeats
    # Stopped before its last repeats is as good as interrupted and continued there.
    (folder / store.STOP).unlink()
    again = Quiet()
    perform_campaign(folder, again, Timeouts(), Goal(0.02))
    assert again.runs == 0 and again.told == watcher.told


def test_a_forecast_comes_true(tmp_path: Path) -> None:
    pilot = build(tmp_path / "pilot", {"truth": truth(), "meter": noisy(0.02)}, TWO, [5.0] * 15)
    found = analysis.analyze(pilot)
    assert seconds_of_repeat(found.campaign) == pytest.approx(2 * 7.0)
    (said,) = forecast(found.comparison.pairs, 0.02, 14.0)
    assert said.sequence is not None and said.repeats is not None and said.sd_upper is not None
    assert said.sd == pytest.approx(0.02 / math.sqrt(2), rel=0.5)
    assert said.campaign_s == 14.0 * said.sequence and said.repeats < said.sequence
    long = build(
        tmp_path / "long", {"truth": truth(), "meter": noisy(0.02)}, TWO, [5.0] * 2 * said.sequence
    )
    assert goal_of(long, 0.02).reached


def test_a_coarse_counter_needs_long_runs(tmp_path: Path) -> None:
    coarse = Domain("package-0", "package-0", "counter", "measured", "rapl", resolution_j=10)
    fakes = {"truth": truth(), "meter": Fake(lambda w, s: w * s, coarse)}
    found = analysis.analyze(build(tmp_path / "c", fakes, TWO, [5.0] * 3))
    (said,) = forecast(found.comparison.pairs, 0.01, 14.0)
    # 10/sqrt(6) J shall be a third of 1 % of 20 W times the seconds.
    assert said.workload == "idle"
    assert said.seconds == pytest.approx(10 / math.sqrt(6) / (20 * 0.01 / 3))


def test_the_plan_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fakes = {"truth": truth(), "meter": noisy(0.02), "once": Fake(lambda w, s: -1.0, domain())}
    folder = build(tmp_path / "pilot", fakes, TWO, [5.0] * 5)
    assert main(["plan", str(folder), "--until", "2%"]) == 0
    text = capsys.readouterr().out
    assert "SIMULATED MACHINE. To know every factor to 2 %" in text
    assert "0 whole repeat(s) in the pilot" in text and "any length" in text


def rising(per_repeat: float, noise: float = 0.001) -> Fake:
    """Return a probe that reads more from repeat to repeat of two workloads."""
    calls = iter(range(10_000))
    return Fake(
        lambda w, s: w * s * math.exp(per_repeat * (next(calls) // 2) + noise * RNG.normal()),
        domain(),
    )


def test_a_meter_that_drifts_is_said_to_and_ends_measuring(tmp_path: Path) -> None:
    fakes = {"truth": truth(), "rising": rising(0.005)}
    folder = build(tmp_path / "c", fakes, TWO, [5.0] * 12)
    goal = goal_of(folder, 0.01)
    (found,) = goal.factors()
    assert found.drifts and not found.reached and goal.settled and not goal.reached
    assert found.change == pytest.approx(math.expm1(0.005 * 11), rel=0.1)
    # The same change does not matter to who wants less.
    assert not goal_of(folder, 0.2).factors()[0].drifts
    (said,) = forecast(analysis.analyze(folder).comparison.pairs, 0.01, 14.0)
    assert said.sequence is None and said.reason.startswith("it drifts, by +5")


def test_a_single_repeat_that_strays_is_left_out_and_listed(tmp_path: Path) -> None:
    calls = iter(range(1000))
    odd = Fake(lambda w, s: w * s * math.exp(0.001 * RNG.normal() + (next(calls) == 10)), domain())
    folder = build(tmp_path / "c", {"truth": truth(), "odd": odd}, TWO, [5.0] * 12)
    (found,) = goal_of(folder, 0.01).factors()
    assert found.strays == (6,) and found.reached and found.repeats == 12
    assert found.factor == pytest.approx(1.0, abs=0.002)
    assert factor_words(found).endswith("(without repeat 6, which strays)")


def test_correlated_repeats_take_more(tmp_path: Path) -> None:
    values = [RNG.normal()]
    for _ in range(39):
        values.append(0.9 * values[-1] + math.sqrt(1 - 0.9**2) * RNG.normal())
    calls = iter(range(1000))
    slow = Fake(lambda w, s: w * s * math.exp(0.01 * values[next(calls) // 2]), domain())
    fakes = {"truth": truth(), "slow": slow, "quick": noisy(0.014)}
    folder = build(tmp_path / "c", fakes, TWO, [5.0] * 40)
    slow_found, quick_found = goal_of(folder, 0.008).factors()
    assert slow_found.effective is not None and slow_found.effective < 12
    assert not slow_found.reached and quick_found.reached
    assert "40 repeats tell as much as" in factor_words(slow_found)
    slow_said, quick_said = forecast(analysis.analyze(folder).comparison.pairs, 0.008, 14.0)
    assert slow_said.lag1 > 0.5 and quick_said.lag1 == 0.0
    assert slow_said.sequence is not None and quick_said.sequence is not None
    assert slow_said.sequence > 3 * quick_said.sequence


@pytest.mark.parametrize(("per_repeat", "code"), [(0.005, 2), (0.0, 0)])
def test_the_exit_code_says_whether_the_goal_was_reached(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], per_repeat: float, code: int
) -> None:
    fakes = {"truth": truth(), "meter": rising(per_repeat)}
    folder = build(tmp_path / "c", fakes, TWO, [5.0] * 12)
    saved = store.read(folder / store.CAMPAIGN, CampaignRecord)
    here = {"until": 0.01, "machine": describe_machine()}
    store.save(folder / store.CAMPAIGN, saved.model_copy(update=here))
    goal = goal_of(folder, 0.01)
    stop = store.StopRecord(
        reason="known" if goal.reached else "drift", target=0.01, repeats=12, factors=goal.factors()
    )
    store.save(folder / store.STOP, stop)
    assert main(["run", "--trust", "--resume", str(folder)]) == code
    said = " ".join(capsys.readouterr().err.split())
    missed = "Not every factor is known to 1 % after 12 repeats: meter (package-0) drifts (+5"
    assert (missed in said) == (code == 2)
    assert ("The meter drifts: repeats do not help." in said) == (code == 2)
    asked = reporting.digest(analysis.analyze(folder)).facts
    assert ("repeats do not help where a meter drifts: meter" in str(asked)) == (code == 2)
