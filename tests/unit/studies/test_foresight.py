"""What a plan's runs can tell: more with more lengths and loads, and never what never happens."""

from __future__ import annotations

from pathlib import Path

import pytest

from calibrate.campaign import Plan, Step, load_plan
from calibrate.cli import main
from calibrate.studies import foresee
from calibrate.studies.foresight import load


def verdicts(made: Plan, *faults: str) -> dict[str, str]:
    return {each.fault: each.verdict for each in foresee(made, 5, 0, faults)}


def test_a_plan_of_many_lengths_names_what_one_of_a_single_run_cannot() -> None:
    faults = "kW for W", "tail lost", "idle added"
    assert set(verdicts(load_plan("default"), *faults).values()) == {"named"}
    one = Plan(title="one", repeats=1, workload=(Step(name="gemm"),))
    assert set(verdicts(one, "tail lost", "idle added").values()) == {"not told"}


def test_a_wrap_is_seen_only_by_runs_that_wrap() -> None:
    both = ("wrap lost", "wrap readings dropped")
    assert verdicts(load_plan("quick"), *both) == dict.fromkeys(both, "not told")
    assert verdicts(load_plan("soak"), "wrap lost") == {"wrap lost": "named"}


def test_what_cannot_be_told_says_what_it_is_taken_for() -> None:
    [told] = foresee(load_plan("default"), 5, 0, ["PUE"])
    assert told.verdict == "among others" and "constant gain" in told.instead


def test_the_same_seed_tells_the_same() -> None:
    made = load_plan("quick")
    assert list(foresee(made, 2, 7, ["lag"])) == list(foresee(made, 2, 7, ["lag"]))


@pytest.mark.parametrize(
    ("step", "share"),
    [
        (Step(name="idle"), 0.0),
        (Step(name="gemm"), 1.0),
        (Step(name="gemm", arguments=("--duty", "0.25")), 0.25),
        (Step(name="integer", arguments=("--cores", "1")), 0.375),
    ],
)
def test_loads_follow_the_arguments(step: Step, share: float) -> None:
    assert load(step) == share


def test_the_command_says_what_runs_and_how_long(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "quick", "--simulations", "1"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "quick: 10 runs, about" in said and "--period 0.8 4.8, 5.6" in said
    assert "SIMULATED campaigns for each fault" in said
    assert "kW for W" in said and "not told: wrap lost (taken for: no fault found)" in said


def test_a_folder_that_is_no_campaign_is_no_plan(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", str(tmp_path)]) == 64
    assert "is no campaign" in " ".join(capsys.readouterr().err.split())


def test_a_plan_knows_how_long_it_takes() -> None:
    made = Plan(
        title="p", repeats=3, idle_before_s=1.0, idle_after_s=0.5,
        workload=(Step(name="idle", seconds=(5.0, 7.0)),),
    )  # fmt: skip
    assert [(repeat, s) for repeat, _, s in made.in_turn()] == [(1, 5.0), (2, 7.0), (3, 5.0)]
    assert made.seconds == 17.0 + 3 * 1.5
