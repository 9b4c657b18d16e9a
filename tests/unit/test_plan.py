"""Plans: what is shipped works, what is wrong is refused by key, the order is reproducible."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from calibrate import plan
from calibrate.errors import BadFile, UnknownName


@pytest.mark.parametrize("name", plan.names())
def test_shipped_plans_are_whole(name: str) -> None:
    made = plan.load(name)
    loads = {step.name for step in made.workload}
    assert "idle" in loads
    if name in {"quick", "default", "thorough"}:  # others are for one purpose
        assert "asr" in loads and len(loads) >= 5


def test_every_repeat_holds_every_workload_once_in_an_order_of_its_own() -> None:
    made = plan.load("default")
    jobs = plan.jobs(made, seed=3)
    assert [job.number for job in jobs] == list(range(1, len(jobs) + 1))
    orders = []
    for repeat in range(1, made.repeats + 1):
        order = [job.workload for job in jobs if job.repeat == repeat]
        assert Counter(order) == Counter(step.name for step in made.workload)
        orders.append(order)
    assert len({tuple(order) for order in orders}) > 1


def test_the_seed_decides_the_order() -> None:
    made = plan.load("default")
    assert plan.jobs(made, 5) == plan.jobs(made, 5)
    assert plan.jobs(made, 5) != plan.jobs(made, 6)


def test_lengths_are_taken_in_turn() -> None:
    made = plan.load("default")
    seconds = {job.arguments[1] for job in plan.jobs(made, 1) if job.workload == "gemm"}
    [step] = [step for step in made.workload if step.name == "gemm"]
    assert seconds == {f"{value:g}" for value in step.seconds}


def test_a_command_runs_beside_idleness() -> None:
    made = plan.command(["sleep", "1"])
    commands = [job for job in plan.jobs(made, 1) if job.workload == "command"]
    assert all(job.arguments == ("sleep", "1") for job in commands)
    assert (made.strays, made.retries) == (0.1, 0)  # it is done as often as was asked for


def test_only_keeps_the_steps_of_the_plan_and_adds_others() -> None:
    made = plan.only(plan.load("quick"), ["gemm", "copy"])
    assert [step.name for step in made.workload] == ["gemm", "copy"]
    assert made.workload[0] in plan.load("quick").workload


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("title", r"not TOML"),
        ('title = "a"', "workload: Field required"),
        ('title = "a"\nworkload = []', "workload: Tuple should have at least 1"),
        ('title = "a"\n[[workload]]\nname = "idle"\nsecond = [1]', "workload.0.second: Extra"),
        ('title = "a"\nrepeats = 0\n[[workload]]\nname = "idle"', "repeats: Input should be"),
    ],
)
def test_a_bad_plan_is_refused_by_key(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(text)
    with pytest.raises(BadFile, match=words):
        plan.load(str(path))


def test_unknown_names_give_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean quick"):
        plan.load("quik")
    path = tmp_path / "plan.toml"
    path.write_text('title = "a"\n[[workload]]\nname = "gem"')
    with pytest.raises(UnknownName, match="did you mean gemm"):
        plan.load(str(path))
