"""What has changed between campaigns, and when."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from calibrate import store
from calibrate.analysis import analyze
from calibrate.cli import main
from calibrate.errors import CrosswattError
from calibrate.stats import (
    RepeatedValues,
    SerialCorrelation,
    change_between,
    change_of_level,
    en_number,
    ewma,
    trend,
)
from calibrate.store import CampaignRecord
from calibrate.studies import detect_drift, diff
from calibrate.studies.differences import difference
from tests.helpers.campaigns import LOADS, MACHINE, Fake, build, domain, truth
from tests.helpers.cases import shared_case

RNG = np.random.default_rng(9)
START = RNG.bit_generator.state


@pytest.fixture(autouse=True)
def same_numbers() -> None:
    """Give every test the same random numbers, in whatever order they run."""
    RNG.bit_generator.state = START


# ---- statistics ----


def test_en_numbers() -> None:
    assert en_number(1.0, 0.3, 1.5, 0.4) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="above zero"):
        en_number(1.0, 0.0, 1.0, 0.0)
    with pytest.raises(ValueError, match="finite"):
        en_number(math.nan, 1.0, 1.0, 1.0)


def test_a_trend_is_found_with_its_allowance() -> None:
    days = np.arange(20.0)
    found = trend(days, 0.003 * days + RNG.normal(0, 0.002, 20), next_days=100)
    assert found.per_day.low is not None and found.per_day.high is not None
    assert found.per_day.low < 0.003 < found.per_day.high and found.p_value < 1e-6
    assert found.allowance == pytest.approx(found.per_day.value * 100 / math.sqrt(3))
    assert trend(days, RNG.normal(0, 1, 20)).p_value > 0.001
    with pytest.raises(ValueError, match="at least 4"):
        trend([0.0, 1.0], [0.0, 1.0])
    with pytest.raises(ValueError, match="next_days"):
        trend(days, days, next_days=-1)


def test_a_chart_in_control_seldom_alarms_and_sees_a_shift() -> None:
    for n in (5, 20):
        for draw in (RNG.normal(0, 1, (400, n)), RNG.standard_t(5, (400, n))):
            alarms = sum(bool(ewma(row).out) for row in draw)
            assert alarms <= 0.01 * 400 + 4 * math.sqrt(0.0099 * 400)
    shifted = np.concatenate([RNG.normal(0, 1, 10), RNG.normal(3, 1, 10)])
    found = ewma(shifted, reach=2.7, baseline=10)
    assert found.out and 10 <= found.out[0] <= 14
    assert found.sd == pytest.approx(1.0, rel=0.6)
    # The first limits are those of one session's weight.
    assert found.high[0] - found.center == pytest.approx(2.7 * found.sd * 0.2)
    with pytest.raises(ValueError, match="at least 5"):
        ewma([1.0, 2.0])
    with pytest.raises(ValueError, match="below the resolution"):
        ewma([1.0] * 6)


def test_a_change_is_placed_and_sized() -> None:
    values = np.concatenate([RNG.normal(0, 0.01, 8), RNG.normal(0.1, 0.01, 7)])
    found = change_of_level(values)
    assert found.first == 8 and found.p_value < 0.01
    assert found.step.low is not None and found.step.high is not None
    assert found.step.low < 0.1 < found.step.high
    with pytest.raises(ValueError, match="at least 5"):
        change_of_level([1.0, 2.0])


def test_a_change_is_not_called_without_one() -> None:
    for n in (5, 12, 30):
        p = np.array([change_of_level(RNG.standard_t(5, n)).p_value for _ in range(400)])
        assert np.mean(p < 0.05) <= 0.05 + 4 * math.sqrt(0.0475 / 400)


def test_a_change_in_the_latest_session_is_found() -> None:
    """No shuffling of six sessions can show one at 1 %."""
    values = [0.1001, 0.0999, 0.1000, 0.1002, 0.0998, 0.1500]
    found = change_of_level(values)
    assert found.first == 5 and found.p_value < 0.01


def test_a_chart_that_alarms_has_a_small_probability() -> None:
    values = np.concatenate([RNG.normal(0, 1, 10), RNG.normal(6, 1, 10)])
    assert ewma(values).out and ewma(values).p_value < 0.01
    calm = ewma(RNG.normal(0, 1, 20))
    assert not calm.out and calm.p_value > 0.01


# ---- campaigns ----


def campaign(
    folder: Path,
    factor: float = 1.0,
    *,
    sd: float = 0.002,
    day: int = 0,
    release: str = "1.0",
    **machine: Any,
) -> Path:
    """Write a campaign whose probe shows this multiple of the truth."""
    meter = Fake(
        lambda w, s: w * s * factor * math.exp(sd * RNG.normal()),
        domain(),
        facts={"release": release},
    )
    build(folder, {"truth": truth(), "meter": meter})
    path = folder / store.CAMPAIGN
    record = store.read(path, CampaignRecord)
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)
    changed = MACHINE.model_copy(update=machine)
    update = {"machine": changed, "created": at.isoformat(timespec="seconds")}
    store.save(path, record.model_copy(update=update))
    return folder


def test_the_same_twice_is_the_same(tmp_path: Path) -> None:
    found = diff(campaign(tmp_path / "a"), campaign(tmp_path / "b"))
    (only,) = found.differences
    assert found.state == only.state == "same" and found.conditions == {}
    assert only.workloads == tuple(sorted(LOADS)) and (only.en or 0) < 1


def test_a_change_is_seen_and_what_coincides_is_named(tmp_path: Path) -> None:
    first = campaign(tmp_path / "a")
    second = campaign(tmp_path / "b", 1.05, kernel="6.2", release="2.0")
    found = diff(first, second)
    assert found.state == "changed" and found.differences[0].change == pytest.approx(0.05, abs=0.01)
    assert (found.differences[0].en or 0) > 1
    assert found.conditions == {"kernel": ("0", "6.2"), "meter: release": ("1.0", "2.0")}


def test_noise_leaves_it_open(tmp_path: Path) -> None:
    first, second = (campaign(tmp_path / name, sd=0.05) for name in "ab")
    assert diff(first, second).state == "inconclusive"


def test_differences_between_workloads_drop_out(tmp_path: Path) -> None:
    """A meter that misjudges workloads by 20 % each way, but always alike, has not changed."""
    wrong = dict(zip(LOADS.values(), (0.8, 1.2, 0.9, 1.1), strict=True))
    for name in "ab":
        meter = Fake(
            lambda w, s: w * s * wrong[w] * math.exp(0.001 * RNG.normal()), domain(), {"r": "1"}
        )
        build(tmp_path / name, {"truth": truth(), "meter": meter})
    assert diff(tmp_path / "a", tmp_path / "b").state == "same"


NODE = {"idle": 100.0, "a": 150.0, "b": 200.0, "c": 240.0, "d": 120.0}


def beside_a_wall(folder: Path, rest_w: float, slope: float = 1.2, day: int = 0) -> Path:
    """Write a campaign of a RAPL-like meter beside one of the node, which has this at rest."""
    part = Fake(lambda w, s: w * s * math.exp(0.001 * RNG.normal()), domain())
    whole = Fake(
        lambda w, s: (rest_w + slope * w + 0.5 * RNG.normal()) * s,
        domain("node", "wall"),
    )
    build(folder, {"wall": whole, "meter": part}, NODE, (5.0, 8.0, 6.0))
    path = folder / store.CAMPAIGN
    record = store.read(path, CampaignRecord)
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)
    store.save(path, record.model_copy(update={"created": at.isoformat(timespec="seconds")}))
    return folder


def test_a_node_that_lost_a_board_is_seen_beside_the_wall(tmp_path: Path) -> None:
    (tmp_path / "months").mkdir()
    first = beside_a_wall(tmp_path / "months" / "march", 967.0)
    second = beside_a_wall(tmp_path / "months" / "april", 817.0, day=30)
    (only,) = diff(first, second).differences
    assert only.state == "changed" and only.across and only.change is None
    assert only.change_w == pytest.approx(-150.0, abs=2.0)
    assert only.low_w is not None and only.high_w is not None
    assert only.low_w < -150.0 < only.high_w
    (course,) = detect_drift(tmp_path / "months").courses
    assert course.state == "changed" and course.out == ("april",)
    assert course.sessions[1].beyond_w == pytest.approx(817.0, abs=5.0)


def test_a_node_that_is_the_same_is_the_same_beside_the_wall(tmp_path: Path) -> None:
    found = diff(beside_a_wall(tmp_path / "a", 967.0), beside_a_wall(tmp_path / "b", 967.0))
    assert found.state == "same"


def test_another_slope_beside_the_wall_is_a_change(tmp_path: Path) -> None:
    """A supply that loses more at load and less at rest: the same power on average."""
    first = beside_a_wall(tmp_path / "a", 967.0, 1.2)
    (only,) = diff(first, beside_a_wall(tmp_path / "b", 886.0, 1.7)).differences
    assert only.state == "changed" and only.reason.startswith("the slope: ")


def test_a_step_beside_the_wall_is_placed_in_watts(tmp_path: Path) -> None:
    folder = tmp_path / "months"
    folder.mkdir()
    for day in range(8):
        beside_a_wall(folder / f"day-{day}", 817.0 if day >= 5 else 967.0, day=day)
    (course,) = detect_drift(folder).courses
    assert course.change is not None and course.change.first == 5
    assert course.change.step.value == pytest.approx(-150.0, abs=2.0)
    assert course.slope == pytest.approx(1.2, abs=0.05)


def test_watts_that_a_meter_adds_are_seen_though_the_ratios_scatter(tmp_path: Path) -> None:
    def meter(added_w: float) -> Fake:
        def joules(watts: float, seconds: float) -> float:
            return (watts + added_w) * seconds * math.exp(0.001 * float(RNG.normal()))

        return Fake(joules, domain())

    build(tmp_path / "a", {"truth": truth(), "meter": meter(0.0)})
    build(tmp_path / "b", {"truth": truth(), "meter": meter(2.0)})
    (only,) = diff(tmp_path / "a", tmp_path / "b").differences
    assert only.state == "changed" and only.change_w == pytest.approx(2.0, abs=0.3)


def add_column(folder: Path, probe: str, factor: float) -> None:
    """Give a probe's files a second column, which is a multiple of the first."""
    for path in folder.glob(f"*/{probe}.jsonl"):
        documents = [json.loads(line) for line in path.read_text().splitlines()]
        for each in documents:
            if each["doc"] == "probe":
                each["domains"].append(each["domains"][0] | {"name": "dram-0", "scope": "dram-0"})
            if each["doc"] == "reading":
                first = each["values"]["package-0"]
                each["values"]["dram-0"] = 1000 + (first - 1000) * factor
        path.write_text("".join(json.dumps(each) + "\n" for each in documents))


def with_dram(folder: Path, factor: float, day: int = 0) -> Path:
    """Write a campaign whose meter is right but for this factor in its second column."""
    campaign(folder, sd=0.001, day=day)
    add_column(folder, "truth", 0.1)
    add_column(folder, "meter", 0.1 * factor)
    return folder


def test_every_column_is_compared(tmp_path: Path) -> None:
    (tmp_path / "months").mkdir()
    first = with_dram(tmp_path / "months" / "a", 1.0)
    second = with_dram(tmp_path / "months" / "b", 0.5, day=1)
    found = {each.column: each for each in diff(first, second).differences}
    assert found["package-0"].state == "same" and found["dram-0"].state == "changed"
    assert found["dram-0"].change == pytest.approx(-0.5, abs=0.01)
    states = {each.column: each.state for each in detect_drift(tmp_path / "months").courses}
    assert states["package-0"] == "same" and states["dram-0"] == "changed"


def test_a_column_that_counts_nothing_any_more_has_changed(tmp_path: Path) -> None:
    (tmp_path / "months").mkdir()
    first = with_dram(tmp_path / "months" / "a", 1.0)
    second = with_dram(tmp_path / "months" / "b", 0.0, day=1)
    found = {each.column: each for each in diff(first, second).differences}
    assert found["dram-0"].state == "changed"
    assert found["dram-0"].reason == "no energy counted in the second"
    assert found["dram-0"].change is None
    courses = {each.column: each for each in detect_drift(tmp_path / "months").courses}
    assert courses["dram-0"].reason == "no energy counted in b"
    found = {each.column: each for each in diff(second, second).differences}
    assert found["dram-0"].reason == "no energy counted in either"


def test_drift_leaves_out_what_is_no_comparison_and_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "months"
    folder.mkdir()
    for day, name in enumerate("abc"):
        campaign(folder / name, day=day)
    build(folder / "alone", {"truth": truth()})
    build(folder / "other", {"meter": Fake(lambda w, s: w * s, domain())})
    campaign(folder / "undated", day=-20_000)
    found = detect_drift(folder)
    assert found.left["alone"] == "truth is alone in it"
    assert found.left["undated"] == "its date is not known"
    assert "can serve as the reference" in found.left["other"]
    assert [each.folder for each in found.courses[0].sessions] == ["a", "b", "c"]


def test_runs_of_one_repeat_are_not_independent() -> None:
    """Eight workloads that all shift together from repeat to repeat are no eight witnesses."""
    names, repeats = [f"w{i}" for i in range(8)] * 3, np.repeat([1, 2, 3], 8)
    held = 0
    for _ in range(300):
        both = [
            RepeatedValues(
                RNG.normal(0, 0.02, 3)[repeats - 1] + RNG.normal(0, 0.002, 24), names, list(repeats)
            )
            for _ in range(2)
        ]
        held += change_between(both[0], both[1]).change.covers(0.0)
    assert held / 300 >= 0.95 - 4 * math.sqrt(0.0475 / 300)


def test_repeats_that_correlate_widen_the_interval(tmp_path: Path) -> None:
    pairs = [analyze(campaign(tmp_path / name)).comparison.pairs[0] for name in "ab"]
    alone = difference(pairs[0], pairs[1], 0.01, 0.05)
    serial = SerialCorrelation(lag1=0.8, p_value=0.001, n=8, n_effective=2.0, sd=0.002)
    wide = [pair.model_copy(update={"serial": serial}) for pair in pairs]
    found = difference(wide[0], wide[1], 0.01, 0.05)
    assert found.change == alone.change and found.reason == "repeats are not independent"
    assert (found.high or 0) - (found.low or 0) > 1.2 * ((alone.high or 0) - (alone.low or 0))


def test_what_cannot_be_compared_has_no_interval() -> None:
    one = RepeatedValues([0.1], ["a"], [1])
    found = change_between(one, RepeatedValues([0.2], ["a"], [1]))
    assert found.change.value == pytest.approx(0.1) and found.change.u is None
    with pytest.raises(ValueError, match="no workload in common"):
        change_between(one, RepeatedValues([0.2], ["b"], [1]))


def test_the_case_of_the_node_that_lost_a_board(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Logs of CodeCarbon's form and a wall meter's counter, imported, merged and compared."""
    script = shared_case("analysis/11-offset-drift-not-seen.py").read_text()
    names: dict[str, Any] = {}
    exec(script.partition('make("march"')[0], names)  # noqa: S102 - it writes the case's files
    names["subprocess"] = SimpleNamespace(run=lambda words, **_: main(words[3:]))
    names["sh"] = lambda *_: None
    monkeypatch.chdir(tmp_path)
    names["make"]("march", 967, 1)
    names["make"]("april", 817, 6)
    capsys.readouterr()
    assert main(["diff", "march", "april"]) == 1
    assert "-150 W (-15" in capsys.readouterr().out
    assert main(["drift", "."]) == 1
    printed = capsys.readouterr().out
    assert "965.4 W" in printed and "815.4 W" in printed
    assert "Left out: march-w: wall is alone in it" in printed


def test_two_machines_are_refused(tmp_path: Path) -> None:
    first, second = campaign(tmp_path / "a"), campaign(tmp_path / "b", cpu="another")
    with pytest.raises(CrosswattError, match=r"two machines \(cpu differ\)"):
        diff(first, second)
    assert diff(first, second, anyway=True).conditions["cpu"] == ("none", "another")


def test_a_probe_that_is_gone_is_not_zero(tmp_path: Path) -> None:
    first = campaign(tmp_path / "a")
    both = {"truth": truth(), "meter": Fake(lambda w, s: w * s, domain()),
            "more": Fake(lambda w, s: w * s, domain())}  # fmt: skip
    build(tmp_path / "b", both)
    lost = next(d for d in diff(first, tmp_path / "b").differences if d.probe == "more")
    assert lost.state == "inconclusive" and lost.change is None and lost.reason == "only in b"
    build(tmp_path / "c", {"truth": truth(), "more": both["more"]})
    with pytest.raises(CrosswattError, match="no probe in common"):
        diff(first, tmp_path / "c")


def series(folder: Path, at: int, step: float) -> Path:
    """Write twelve campaigns, a day apart, with a step and a new release."""
    folder.mkdir()
    for day in range(12):
        later = day >= at
        factor = (1 + step if later else 1.0) * math.exp(0.003 * RNG.normal())
        campaign(folder / f"day-{day:02d}", factor, day=day, release="2.0" if later else "1.0")
    return folder


def test_a_step_over_time_is_placed_and_explained(tmp_path: Path) -> None:
    (course,) = detect_drift(series(tmp_path / "months", 7, 0.05)).courses
    assert course.state == "changed" and course.change is not None
    assert course.change.first == 7 and course.change.p_value < 0.01
    assert course.sessions[7].coincides == {"meter: release": ("1.0", "2.0")}
    json.dumps(course.model_dump(mode="json"), allow_nan=False)


def test_no_step_is_no_change(tmp_path: Path) -> None:
    (course,) = detect_drift(series(tmp_path / "months", 7, 0.0)).courses
    assert course.state == "same" and course.change is None and course.out == ()


def test_too_few_campaigns_are_said(tmp_path: Path) -> None:
    folder = tmp_path / "few"
    folder.mkdir()
    campaign(folder / "a")
    with pytest.raises(CrosswattError, match="at least two"):
        detect_drift(folder)
    campaign(folder / "b", day=1)
    (course,) = detect_drift(folder).courses
    assert course.state == "same" and course.chart is None
    assert course.reason == "2 campaigns, each beside the first; a chart takes 5"


DIFF = """\
1 column of 1 changed: meter package-0 by +5 % (+5 % to +5 %).
SIMULATED MACHINE. Change of probe / reference from a to b
probe  column     change, 95 %         at the same load, 95 %     En  verdict{0}
meter  package-0  +5 % (+5 % to +5 %)  +2.12 W (+0.766 to +3.48)  -   changed (identical runs)
Differs between them (what coincides, not what caused it):
  kernel: 0 -> 6.2
"""


def test_what_diff_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = campaign(tmp_path / "a", sd=0.0)
    second = campaign(tmp_path / "b", 1.05, sd=0.0, kernel="6.2")
    assert main(["diff", str(first), str(second)]) == 1
    printed = capsys.readouterr().out.splitlines()
    want = DIFF.format("").splitlines()
    assert [line.split() for line in printed] == [line.split() for line in want]
    assert main(["diff", str(first), str(first), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["differences"][0]["state"] == "same"


def test_what_drift_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = series(tmp_path / "months", 7, 0.05)
    assert main(["drift", str(folder)]) == 1
    text = capsys.readouterr().out
    assert "SIMULATED MACHINE. meter package-0: changed" in text
    line = next(line for line in text.splitlines() if line.startswith("day-07"))
    assert line.endswith("changed here") and "2026-01-08 00:00:00" in line
    assert "With it changed:\n  meter: release: 1.0 -> 2.0" in text
