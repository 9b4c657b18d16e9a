"""Plans: what is shipped works, what is wrong is refused by key, the order is reproducible."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from calibrate.campaign import command_plan, load_plan, load_quick_plan, only_workloads
from calibrate.campaign.plan import plan_jobs, plan_names
from calibrate.errors import BadFile, CrosswattError, UnknownName


@pytest.mark.parametrize("name", plan_names())
def test_shipped_plans_are_whole(name: str) -> None:
    made = load_plan(name)
    loads = {step.name for step in made.workload}
    assert "idle" in loads
    if name in {"quick", "default", "thorough"}:  # others are for one purpose
        assert "asr" in loads and len(loads) >= 5


def test_every_repeat_holds_every_workload_once_in_an_order_of_its_own() -> None:
    made = load_plan("default")
    jobs = plan_jobs(made, seed=3)
    assert [job.number for job in jobs] == list(range(1, len(jobs) + 1))
    orders = []
    for repeat in range(1, made.repeats + 1):
        order = [job.workload for job in jobs if job.repeat == repeat]
        assert Counter(order) == Counter(step.name for step in made.workload)
        orders.append(order)
    assert len({tuple(order) for order in orders}) > 1


def test_the_seed_decides_the_order() -> None:
    made = load_plan("default")
    assert plan_jobs(made, 5) == plan_jobs(made, 5)
    assert plan_jobs(made, 5) != plan_jobs(made, 6)


def test_lengths_are_taken_in_turn() -> None:
    made = load_plan("default")
    seconds = {job.arguments[1] for job in plan_jobs(made, 1) if job.workload == "gemm"}
    [step] = [step for step in made.workload if step.name == "gemm"]
    assert seconds == {f"{value:g}" for value in step.seconds}


def test_a_command_runs_beside_idleness() -> None:
    made = command_plan(["sleep", "1"])
    commands = [job for job in plan_jobs(made, 1) if job.workload == "command"]
    assert all(job.arguments == ("sleep", "1") for job in commands)
    assert (made.strays, made.retries) == (0.1, 0)  # it is done as often as was asked for


def test_only_keeps_the_steps_of_the_plan_and_adds_others() -> None:
    made = only_workloads(load_plan("quick"), ["gemm", "copy"])
    assert [step.name for step in made.workload] == ["gemm", "copy"]
    assert made.workload[0] in load_plan("quick").workload


LABELLED = """
title = "mine"
repeats = 2
[[workload]]
name = "idle"
[[workload]]
name = "integer"
label = "one-core"
arguments = ["--cores", "1"]
[[workload]]
name = "integer"
label = "all-cores"
"""


def test_a_label_is_what_runs_are_called(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(LABELLED)
    jobs = plan_jobs(load_plan(str(path)), seed=1)
    assert Counter(job.workload for job in jobs) == {"idle": 2, "one-core": 2, "all-cores": 2}
    for job in jobs:
        assert job.folder == f"{job.number:03d}-{job.workload}"
        assert Path(job.script or "").stem == ("idle" if job.workload == "idle" else "integer")
        assert ("--cores" in job.arguments) == (job.workload == "one-core")


def test_what_a_run_is_about_to_take_decides_nothing(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    text = 'title = "a"\nrepeats = 1\n[[workload]]\nname = "asr"\nseconds = [2.0]\n'
    path.write_text(text)
    short = load_plan(str(path))
    path.write_text(f"{text}about_s = 60.0")
    made = load_plan(str(path))
    assert [length for _, _, length in made.in_turn()] == [60.0]
    assert made.seconds == short.seconds + 58
    assert plan_jobs(made, 1) == plan_jobs(short, 1)


def test_only_takes_labels_and_names(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(LABELLED)
    made = load_plan(str(path))
    cut = only_workloads(made, ["one-core", "idle", "copy"])
    assert [step.called for step in cut.workload] == ["one-core", "idle", "copy"]
    assert only_workloads(made, ["integer"]).workload == made.workload[2:]
    with pytest.raises(UnknownName, match="did you mean"):
        only_workloads(made, ["one-cor"])


def test_every_study_is_whole_in_both_forms() -> None:
    for made in (load_plan("ml-study"), load_quick_plan("ml-study")):
        called = [step.called for step in made.workload]
        assert len(called) == len(set(called)) == 17
        assert Counter(step.name for step in made.workload) == {"ml": 16, "idle": 1}
    synthetic = ["--synthetic" in step.arguments for step in load_quick_plan("ml-study").workload]
    assert synthetic.count(True) == 16


def test_the_quick_form_lies_beside_a_plan(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(LABELLED)
    with pytest.raises(CrosswattError, match=r"no mine-quick\.toml beside it.*: .*ml-study"):
        load_quick_plan(str(path))
    path.with_name("mine-quick.toml").write_text('title = "short"\n[[workload]]\nname = "idle"')
    assert load_quick_plan(str(path)).title == "short"
    with pytest.raises(UnknownName, match="did you mean ml-study"):
        load_quick_plan("ml-studi")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            'title = "a"\n[[workload]]\nname = "gemm"\nlabel = "idle"',
            "workload.0.label: idle is a workload's own name",
        ),
        ('title = "a"\n[[workload]]\nname = "gemm"\nlabel = "../a"', "workload.0.label: String"),
        ("title", r"not TOML"),
        ('title = "a"', "workload: it is missing"),
        ('title = "a"\nworkload = []', "workload: the list is empty"),
        (
            'title = "a"\n[[workload]]\nname = "idle"\nsecond = [1]',
            "workload.0.second: there is no such key",
        ),
        ('title = "a"\n[[workload]]\nname = "idle"\nseconds = [-1.0]', "greater than 0"),
        ('title = "a"\n[[workload]]\nname = "idle"\nseconds = [inf]', "finite number"),
        ('title = "a"\n[[workload]]\nname = "idle"\nseconds = 2.0', "a list, in brackets"),
        ('title = "a"\nrepeats = 0\n[[workload]]\nname = "idle"', "repeats: Input should be"),
    ],
)
def test_a_bad_plan_is_refused_by_key(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(text)
    with pytest.raises(BadFile, match=words):
        load_plan(str(path))


def test_unknown_names_give_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean quick"):
        load_plan("quik")
    path = tmp_path / "plan.toml"
    path.write_text('title = "a"\n[[workload]]\nname = "gem"')
    with pytest.raises(UnknownName, match="did you mean gemm"):
        load_plan(str(path))
