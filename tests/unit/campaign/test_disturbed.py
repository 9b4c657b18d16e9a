"""A run whose load was disturbed is rejected and repeated, and nothing of it is lost."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from calibrate import analysis, reporting, store
from calibrate.campaign import (
    Plan,
    Source,
    Timeouts,
    campaign,
    create_campaign,
    describe_machine,
    load_plan,
    perform_campaign,
)
from calibrate.campaign.disturbed import disturbed_runs
from calibrate.cli.progress import Plain
from calibrate.comparison import Goal
from calibrate.errors import CrosswattError
from calibrate.store import CampaignRecord, Job, KnownFactor, PhaseRecord, RunRecord

SECOND = 1_000_000_000
STEADY = Source("steady", Path(__file__).parents[2] / "adapters" / "steady.py")


def record(*rates: float, length: str = "5", seconds: float = 2.0, **changed: object) -> RunRecord:
    """Return a run with a phase for each rate, of equal lengths."""
    ns = round(seconds * SECOND)
    phases = tuple(
        PhaseRecord(name="load", begin_ns=n * ns, end_ns=(n + 1) * ns, work=r * seconds, unit="op")
        for n, r in enumerate(rates)
    )
    about: dict[str, object] = {"workload": "gemm", "arguments": ("--seconds", length)}
    about |= {"number": 1, "exit_code": 0, "phases": phases, "probes": {}}
    about |= dict.fromkeys(("recording_ns", "begin_ns", "end_ns", "stopped_ns", "epoch_ns"), 0)
    return RunRecord.model_validate(about | changed)


def judged(*rates: float, tolerance: float = 0.1) -> set[str]:
    return set(disturbed_runs({str(n): record(r) for n, r in enumerate(rates)}, tolerance))


def test_the_odd_one_out_strays() -> None:
    assert judged(100, 101, 80, 99) == {"2"}
    assert judged(100, 101, 130, 99) == {"2"}
    assert judged(100, 101, 95, 99) == set()
    assert judged(100, 101, 95, 99, tolerance=0.03) == {"2"}


def test_of_two_the_slower_one_strays_and_one_alone_is_not_judged() -> None:
    assert judged(100, 80) == judged(120, 100) == {"1"}
    assert judged(80, 100) == {"0"}
    assert judged(80) == judged() == set()


@given(
    usual=st.lists(st.floats(0.98, 1.02), min_size=3, max_size=8),
    level=st.floats(1e-3, 1e15),
    taken=st.floats(0.15, 0.99),
    place=st.integers(0, 8),
)
def test_one_disturbed_run_among_steady_ones_is_found_at_any_scale(
    usual: list[float], level: float, taken: float, place: int
) -> None:
    rates = [level * each for each in usual]
    place = min(place, len(rates))
    rates.insert(place, level * (1 - taken))
    assert judged(*rates) == {str(place)}


def test_siblings_do_the_same_but_for_the_length() -> None:
    one = record(100)
    for other in (
        record(50, workload="integer"),
        record(50, arguments=("--seconds", "5", "--cores", "1")),
        record(50, probes={"rapl": {"status": "ok"}}),
        record(50, exit_code=1),
    ):
        assert disturbed_runs({"a": one, "b": other}, 0.1) == {}
    assert set(disturbed_runs({"a": one, "b": record(50, length="9")}, 0.1)) == {"b"}


def test_equal_phases_of_one_run_are_compared() -> None:
    [why] = disturbed_runs({"a": record(100, 101, 60, 99)}, 0.1).values()
    assert why == "load, stretch 3 of 4: 60 op/s is 40 % under the median of this run"
    assert disturbed_runs({"a": record(100, 101, 95, 99)}, 0.1) == {}


def test_short_phases_are_joined_before_they_are_judged() -> None:
    """Of a burst of 50 ms the scheduler may take half; of twenty together a fortieth."""
    bursts = [100.0] * 60
    bursts[7] = 50.0
    assert disturbed_runs({"a": record(*bursts, seconds=0.05)}, 0.1) == {}
    bursts[:20] = [50.0] * 20
    assert "1 of 3" in disturbed_runs({"a": record(*bursts, seconds=0.05)}, 0.1)["a"]
    short = {"a": record(100, seconds=0.5), "b": record(50, seconds=0.5)}
    assert disturbed_runs(short, 0.1) == {}


def test_rest_and_phases_without_work_are_not_judged() -> None:
    unit: Mapping[str, object] = {"name": "low", "begin_ns": 0, "end_ns": 3 * SECOND}
    rest = [record(phases=[{**unit, "work": 0.0, "unit": "op"}]) for _ in range(3)]
    none = [record(phases=[unit]) for _ in range(3)]
    assert disturbed_runs({str(n): each for n, each in enumerate(rest + none)}, 0.1) == {}


# ---- campaigns ----

#: A load that says how fast it was: what a file tells for each run in turn, and then 100.
SCRIPT = """
import sys, time
from pathlib import Path
from calibrate.loads import Phase, Stage, parser
given = parser(__doc__).parse_args()
told = Path(__file__).with_name("rates.txt")
stage = Stage(given.marks)
stage.ready()
rate, _, rest = told.read_text().partition(" ")
told.write_text(rest)
end = time.monotonic_ns()
stage.phase(Phase("load", end - 2_000_000_000, end, 2 * float(rate or 100), "op"))
"""


class Watching:
    """Remembers what was repeated."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.again: list[str] = []

    def planned(self, campaign: CampaignRecord) -> None: ...

    def probes(self, states: object) -> None: ...

    def started(self, job: Job, folder: Path) -> None:
        self.done.append(job.folder)

    def stage(self, name: str) -> None: ...

    def finished(self, record: RunRecord) -> None: ...

    def strayed(self, job: Job, why: str) -> None:
        self.again.append(job.folder)

    def known(self, factors: tuple[KnownFactor, ...], target: float) -> None: ...


def made(folder: Path, rates: Sequence[float], repeats: int, **keys: object) -> Path:
    """Write a campaign of a load that will be as fast as it is told."""
    (folder / "loads").mkdir()
    (folder / "loads" / "told.py").write_text(SCRIPT)
    (folder / "loads" / "rates.txt").write_text(" ".join(map(str, rates)))
    wanted = Plan.model_validate({
        "title": "told", "repeats": repeats, "idle_before_s": 0, "idle_after_s": 0,
        "workload": [{"name": "told"}], **keys,
    })  # fmt: skip
    create_campaign(folder / "c", wanted, [STEADY], 1, None, [folder / "loads"])
    return folder / "c"


def rates_of(folder: Path) -> list[float]:
    runs = store.load_campaign(folder).runs
    return [(run.record.phases[0].work or 0.0) / 2 for run in runs]


def test_a_disturbed_run_is_repeated_and_kept_aside(tmp_path: Path) -> None:
    folder = made(tmp_path, [100, 70, 101, 99], repeats=3)
    watching = Watching()
    perform_campaign(folder, watching)
    assert watching.again == ["002-told"]
    assert watching.done == ["001-told", "002-told", "002-told", "003-told"]
    assert rates_of(folder) == [100, 101, 99]
    [aside] = store.load_campaign(folder).set_aside
    assert (aside.folder.name, aside.run) == ("002-told.stray-1", "002-told")
    assert aside.why.reason == "load: 70 op/s is 30 % under the median of 2 runs alike"
    assert aside.record.phases[0].work == 140
    assert (aside.folder / "steady.jsonl").exists()
    # Going on with what is finished does nothing.
    again = Watching()
    perform_campaign(folder, again)
    assert again.done == []


def test_the_first_run_is_judged_when_it_has_siblings(tmp_path: Path) -> None:
    folder = made(tmp_path, [70, 100, 101, 99], repeats=3)
    watching = Watching()
    perform_campaign(folder, watching)
    assert watching.again == ["001-told"]
    assert rates_of(folder) == [101, 100, 99]


def test_a_repetition_is_announced(tmp_path: Path) -> None:
    said = io.StringIO()
    folder = made(tmp_path, [100, 70], repeats=2)
    perform_campaign(folder, Plain(Console(file=said, width=200), Path("c")))
    assert "[2/2] told is repeated: load: 70 op/s is 30 % under the median" in said.getvalue()


def test_retries_are_bounded_and_what_still_strays_is_said(tmp_path: Path) -> None:
    folder = made(tmp_path, [100, 100, 50, 60, 55], repeats=3)
    watching = Watching()
    perform_campaign(folder, watching)
    assert watching.again == ["003-told", "003-told"]
    assert rates_of(folder) == [100, 100, 55]
    names = [each.folder.name for each in store.load_campaign(folder).set_aside]
    assert names == ["003-told.stray-1", "003-told.stray-2"]


def test_measuring_on_takes_the_repeated_run_for_the_rejected_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With --until, a run of an earlier repeat may be done again: it is taken in anew."""
    taken: list[list[str]] = []

    def add(goal: Goal, at: store.Campaign, runs: Sequence[store.Run]) -> None:
        taken.append([f"{r.folder.name} {(r.record.phases[0].work or 0) / 2:g}" for r in runs])

    monkeypatch.setattr(Goal, "add", add)
    folder = made(tmp_path, [70, 100, 101, 99], repeats=3)
    saved = store.read(folder / store.CAMPAIGN, CampaignRecord)
    store.save(folder / store.CAMPAIGN, saved.model_copy(update={"until": 0.01}))
    perform_campaign(folder, Watching(), goal=Goal(0.01))
    assert taken == [
        ["001-told 70"],
        ["001-told 101", "002-told 100"],
        ["003-told 99"],
    ]


def test_a_long_run_is_given_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, float] = {}

    def perform(
        job: Job, sources: object, place: Path, pause: object, limits: Timeouts, *_: object
    ) -> RunRecord:
        given[job.arguments[1]] = limits.workload_s
        return record()

    monkeypatch.setattr(campaign, "perform_run", perform)
    steps = [{"name": "told", "seconds": [5, 6000]}]
    perform_campaign(made(tmp_path, [], repeats=2, workload=steps), Watching())
    assert given == {"5": 3600, "6000": 12000}


@pytest.mark.parametrize("keys", [{"strays": 0}, {"retries": 0}, {"strays": 0.4}])
def test_a_plan_may_take_runs_as_they_are(tmp_path: Path, keys: dict[str, object]) -> None:
    folder = made(tmp_path, [100, 70, 100], repeats=3, **keys)
    watching = Watching()
    perform_campaign(folder, watching)
    assert (watching.again, rates_of(folder)) == ([], [100, 70, 100])


def test_an_interruption_before_the_repetition_is_continued_there(tmp_path: Path) -> None:
    folder = made(tmp_path, [100, 70, 100], repeats=2)
    first = Watching()

    def interrupt(job: Job, why: str) -> None:
        first.strayed = lambda job, why: None  # type: ignore[method-assign]
        (tmp_path / "loads" / "told.py").rename(tmp_path / "loads" / "away.py")

    first.strayed = interrupt  # type: ignore[method-assign]
    with pytest.raises(CrosswattError, match="did not get ready"):
        perform_campaign(folder, first)
    (tmp_path / "loads" / "away.py").rename(tmp_path / "loads" / "told.py")
    again = Watching()
    perform_campaign(folder, again)
    assert again.done == ["002-told"]
    assert rates_of(folder) == [100, 100]
    assert [each.run for each in store.load_campaign(folder).set_aside] == ["002-told"]


def test_the_report_lists_what_was_rejected(tmp_path: Path) -> None:
    """On a folder whose runs have a reference: the rows stand under 'Not measured'."""
    from tests.helpers.campaigns import Fake, build, domain, truth

    folder = build(tmp_path / "c", {"truth": truth(), "meter": Fake(lambda w, s: w * s, domain())})
    path = folder / store.CAMPAIGN
    saved = store.read(path, CampaignRecord)
    for number, rate in ((2, 50.0), (6, 100.0)):  # gemm of both repeats
        place = folder / saved.jobs[number - 1].folder / store.RUN
        done = store.read(place, RunRecord)
        store.save(place, done.model_copy(update={"phases": record(rate).phases}))
    store.save(path, saved.model_copy(update={"plan": {**saved.plan, "strays": 0.1}}))
    rows = [row.cells for row in reporting.digest(analysis.analyze(folder)).left.rows]
    assert rows[0][:2] == (
        "run 002-gemm",
        "compared, though it strays: load: 50 op/s is 50 % under the median of 2 runs alike",
    )
    job = saved.jobs[1]
    store.set_aside(folder, job, store.StrayRecord(reason="load: half", tolerance=0.1))
    rows = [row.cells for row in reporting.digest(analysis.analyze(folder)).left.rows]
    assert rows[0][:2] == ("run 002-gemm.stray-1", "rejected and repeated, load: half")


def test_plans_judge_by_default_and_observations_do_not() -> None:
    assert load_plan("default").strays == 0.1
    assert load_plan("observe").strays == 0
    assert describe_machine()  # the campaigns above ran on this machine
