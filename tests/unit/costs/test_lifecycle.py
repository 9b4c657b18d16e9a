"""When use outweighs training: exact numbers from runs made by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from calibrate import analysis, catalog, store
from calibrate.campaign import load_plan
from calibrate.campaign.plan import Stages
from calibrate.costs import find_intensity
from calibrate.energy import Joules
from calibrate.errors import BadFile
from calibrate.reporting.chapters.lifecycle import lifecycle_chapter
from calibrate.store import PhaseRecord
from tests.helpers.campaigns import SECOND, START, Fake, bills_of, build, domain, truth

#: (name, begin, end, work, unit); every load uses so many watts.
Mark = tuple[str, float, float, float | None, str | None]
WATTS = {"model": 100.0, "asr": 50.0}
OWN: list[Mark] = [
    ("init", 0, 1, None, None),
    ("train[1]", 1, 2, 60, "audio-s"),
    ("train[2]", 2, 3, 60, "audio-s"),
    ("infer", 3, 5, 400, "audio-s"),
]


def made(
    folder: Path, marks: dict[str, Sequence[Mark]], lifecycle: dict[str, Any] | None = None
) -> Path:
    """A campaign of two runs of 5 s of every load, with these phases."""
    half = Fake(lambda w, s: 0.5 * w * s, domain())
    loads = {name: WATTS[name] for name in marks}
    build(folder, {"truth": truth(), "half": half}, loads, (5.0, 5.0))
    for name, phases in marks.items():
        for place in folder.glob(f"*-{name}"):
            record = store.read(place / store.RUN, store.RunRecord)
            kept = tuple(
                PhaseRecord(
                    name=n, begin_ns=START + round(a * SECOND), end_ns=START + round(b * SECOND),
                    work=work, unit=unit,
                )
                for n, a, b, work, unit in phases
            )  # fmt: skip
            store.save(place / store.RUN, record.model_copy(update={"phases": kept}))
    if lifecycle:
        data = json.loads((folder / store.CAMPAIGN).read_text())
        data["plan"]["lifecycle"] = lifecycle
        (folder / store.CAMPAIGN).write_text(json.dumps(data))
    return folder


def test_a_workload_with_all_phases_is_a_model(tmp_path: Path) -> None:
    found = {b.probe: b for b in bills_of(made(tmp_path / "c", {"model": OWN}))}
    true, half = found["truth"], found["half"]
    assert true.once.joules == pytest.approx(300.0)
    assert true.use.joules == pytest.approx(0.5)  # 200 J for 400 audio-s
    assert half.once.joules == pytest.approx(150.0)
    assert true.uses[0] == pytest.approx(600.0)
    assert half.uses[0] == pytest.approx(600.0)  # an error of both cancels
    assert true.after(100, 10).joules == pytest.approx(300 + 1000 * 0.5)


def test_a_plan_says_which_phases_are_what(tmp_path: Path) -> None:
    marks: dict[str, Sequence[Mark]] = {
        "model": [("prepare", 0, 1, None, None), ("train[1]", 1, 5, 60, "audio-s")],
        "asr": [("infer", 0, 4, 100, "audio-s"), ("load", 4, 5, None, None)],
    }
    stages = {"prepare": ["model:prepare"], "train": ["model:train"], "infer": ["asr:infer"],
              "use": 5.0, "uses_per_day": [10.0]}  # fmt: skip
    folder = made(tmp_path / "c", marks, stages)
    [true] = [b for b in bills_of(folder) if b.probe == "truth"]
    assert true.once.joules == pytest.approx(500.0)
    assert true.use.joules == pytest.approx(10.0)  # 200 J for 100 audio-s, five of them
    assert true.uses[0] == pytest.approx(50.0)
    chapter = lifecycle_chapter(analysis.analyze(folder))
    assert chapter is not None
    assert "10 uses a day reach that in 5 days" in chapter.words[0]


def test_a_fit_that_was_repeated_counts_once(tmp_path: Path) -> None:
    marks: list[Mark] = [("fit", 0, 4, 8, "fit"), ("predict", 4, 5, 1000, "prediction")]
    folder = made(tmp_path / "c", {"model": marks})
    [true] = [b for b in bills_of(folder) if b.probe == "truth"]
    assert true.once.joules == pytest.approx(50.0)
    assert true.use.joules == pytest.approx(0.1)


def test_parts_of_different_runs_add_up(tmp_path: Path) -> None:
    """One run was initialised, the other trained: what is known of each is taken."""
    folder = made(tmp_path / "c", {"model": OWN})
    for place, left_out in zip(sorted(folder.glob("*-model")), ("train", "init"), strict=True):
        record = store.read(place / store.RUN, store.RunRecord)
        kept = tuple(p for p in record.phases if not p.name.startswith(left_out))
        store.save(place / store.RUN, record.model_copy(update={"phases": kept}))
    [true] = [b for b in bills_of(folder) if b.probe == "truth"]
    assert true.once.joules == pytest.approx(300.0)


@pytest.mark.parametrize("train", [("model:train", "model"), ("model:train", "model:train")])
def test_what_is_named_twice_is_refused(train: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="model:train is named twice; leave one of them out"):
        Stages(train=train, infer=("model:infer",))


def test_one_meter_may_err_alike_in_all_that_is_added_up() -> None:
    both = Joules(10.0, 3.0) + Joules(20.0, 4.0)
    assert both == Joules(30.0, 7.0)
    assert both.times(2.0) == Joules(60.0, 14.0)


def test_a_count_has_the_uncertainty_of_both(tmp_path: Path) -> None:
    [bill, *_] = bills_of(made(tmp_path / "c", {"model": OWN}))
    count, u = bill.uses
    parts = bill.once.u_j / bill.once.joules, bill.use.u_j / bill.use.joules
    assert u == pytest.approx(count * math.hypot(*parts))


def test_a_report_says_what_it_lacks_for_what_the_plan_asked(tmp_path: Path) -> None:
    stages = {"train": ["model:train"], "infer": ["model:predct"]}
    chapter = lifecycle_chapter(analysis.analyze(made(tmp_path / "c", {"model": OWN}, stages)))
    assert chapter is not None and not chapter.table.rows
    assert "names model:train, model:predct" in chapter.words[0]
    assert "Marked were: model:init, model:train, model:infer" in chapter.words[0]


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ('infer = ["mll:predict"]', "no workload of this plan is called mll. Write WORKLOAD:PHASE"),
        ('infer = ["idle:train"]', "idle:train is named twice"),
        ('infer = ["idle:infer"]\nuses_per_day = [-1.0]', "greater than 0"),
        ('infer = ["idle:infer"]\nuses_per_day = []', "the list is empty"),
        ('infer = ["idle:infer"]\ndays = inf', "finite number"),
    ],
)
def test_a_lifecycle_that_cannot_be_is_refused_beforehand(
    tmp_path: Path, key: str, said: str
) -> None:
    path = tmp_path / "p.toml"
    path.write_text(
        f'title = "p"\n[[workload]]\nname = "idle"\n[lifecycle]\ntrain = ["idle:train"]\n{key}\n'
    )
    with pytest.raises(BadFile, match=said):
        load_plan(str(path))


def test_without_use_or_training_there_is_no_chapter(tmp_path: Path) -> None:
    assert lifecycle_chapter(analysis.analyze(made(tmp_path / "a", {"model": OWN[:3]}))) is None
    assert lifecycle_chapter(analysis.analyze(made(tmp_path / "b", {"model": OWN[3:]}))) is None


def test_reports_show_it_with_co2e_where_that_was_asked_for(tmp_path: Path) -> None:
    folder = made(tmp_path / "c", {"model": OWN})
    intensity = find_intensity("500+-50", date(2026, 1, 1))
    found = analysis.analyze(folder, carbon=intensity)
    html = catalog.load(catalog.find("reports", "html")).render(found)
    assert "Lifecycle" in html and "g CO2e" in html and "days until equal" in html
    chapter = lifecycle_chapter(found)
    assert chapter is not None
    cells = chapter.table.rows[0].cells
    assert cells[2] == "83 ± 16 mWh, 41.7 ± 9.0 mg CO2e"  # 300 J; seldom read: ± 20 %
    plain = lifecycle_chapter(analysis.analyze(folder))
    assert plain is not None and "CO2e" not in plain.table.rows[0].cells[2]


def test_a_plan_with_a_lifecycle_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text(
        'title = "p"\n[[workload]]\nname = "idle"\n[lifecycle]\ntrain = []\ninfer = ["idle"]\n'
    )
    with pytest.raises(BadFile, match=r"lifecycle\.train"):
        load_plan(str(path))
