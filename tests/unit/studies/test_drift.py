"""What has changed between campaigns, and when."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibrate import store
from calibrate.cli import main
from calibrate.errors import CrosswattError
from calibrate.stats import change_of_level, en_number, ewma, trend
from calibrate.store import CampaignRecord
from calibrate.studies import detect_drift, diff
from tests.helpers.campaigns import LOADS, MACHINE, Fake, build, domain, truth

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
    assert course.state == "inconclusive" and course.reason == "2 sessions; a chart takes 5"


DIFF = """\
SIMULATED MACHINE. Change of probe / reference from a to b
probe  column     change  90 % interval     En  verdict{0}
meter  package-0  +5 %    +5 % to +5 %      -   changed (all runs are identical)
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
