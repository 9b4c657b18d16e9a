"""The list of faults is whole: keys, titles, causes, and the faults of the bench that make them."""

from __future__ import annotations

import re

import numpy as np
import pytest

from calibrate.bench import KINDS
from calibrate.diagnosis import (
    FAULTS,
    NO_FIGURE,
    Runs,
    diagnose,
    fault,
    irregular,
    late,
    losses,
    structures,
)
from calibrate.diagnosis.engine import _table
from calibrate.diagnosis.faults import in_runs, part_fault
from calibrate.diagnosis.models import CONSTANT_POWER, catalogue
from calibrate.errors import UnknownName
from calibrate.studies.foresight import METERS


def test_every_fault_has_a_key_and_a_title_of_its_own() -> None:
    keys = [each.key for each in FAULTS]
    titles = [each.title for each in FAULTS if each.title]
    assert len(set(keys)) == len(keys) and len(set(titles)) == len(titles)
    assert all(re.fullmatch(r"[\w./^-]+", key) for key in keys)  # documents join them by commas
    assert all(each.cause for each in FAULTS if each.title)
    assert all(each.title or each.reading for each in FAULTS)


def test_an_exact_factor_is_the_one_on_its_label() -> None:
    for each in FAULTS:
        if each.factor:
            over, _, under = (
                each.label.replace("2^14", "16384").replace("2^16", "65536").partition("/")
            )
            assert each.factor == pytest.approx(float(over) / float(under or 1)), each.key


def test_every_fault_of_the_bench_makes_a_fault_or_leaves_no_figure() -> None:
    made = {kind for each in FAULTS for kind in each.bench}
    assert made | set(NO_FIGURE) == set(KINDS)
    assert not made & set(NO_FIGURE)


def test_the_models_of_a_diagnosis_stand_for_faults_of_the_list() -> None:
    rng = np.random.default_rng(1)
    seconds, watts = rng.uniform(5, 50, 12), rng.uniform(20, 90, 12)
    joules = watts * seconds
    runs = Runs(
        1.02e-3 * joules, joules, seconds, [f"w{n % 4}" for n in range(12)], idle_w=10.0,
        wraps_at_j=50.0, parts_j={"dram": 0.2 * joules}, busy=watts / 90,
    )  # fmt: skip
    table, _ = _table(runs, np.ones(12, dtype=np.bool_))
    models = [
        *catalogue(),
        *structures.catalogue(table),
        *irregular.catalogue(),
        *late.catalogue(table),
    ]
    models += losses.catalogue(table)
    listed = {each.key for each in FAULTS} | {"dram-only", "dram-twice"}
    stood_for = {each.key for model in models for each in model.faults}
    assert stood_for <= listed
    assert {each.key for each in in_runs("unit", "count", "level", "pattern", "chance")} <= (
        stood_for
    )
    for model in models:  # what explains is a fault, but for the sound meter
        assert bool(model.faults) == (model.explains and model.name != "no fault found")
        if len(model.faults) == 1:
            assert model.name == model.faults[0].title


def test_every_meter_that_a_plan_simulates_has_faults_of_the_list() -> None:
    parts = {part_fault("dram", "twice").key, part_fault("package-0", "only").key}
    for wanted in METERS.values():
        assert all(key in parts or fault(key) for key in wanted[1])


def test_a_diagnosis_gives_the_keys_of_all_that_it_names() -> None:
    seconds = np.tile([5.0, 10.0, 20.0], 4)
    watts = np.repeat([20.0, 40.0, 60.0, 90.0], 3)
    labels = [f"w{power:.0f}" for power in watts]
    constant = diagnose(Runs(42 * seconds, watts * seconds, seconds, labels))
    assert (constant.name, constant.key) == (CONSTANT_POWER, "constant-power")
    assert constant.keys == (("constant-power",),)
    sound = diagnose(Runs(watts * seconds, watts * seconds, seconds, labels))
    assert (sound.key, sound.keys) == ("", ())
    both = diagnose(Runs(1e-3 * (watts + 30) * seconds, watts * seconds, seconds, labels))
    assert both.keys == (("scale-1e-3", "idle-offset"),) and both.key == ""


def test_an_unknown_key_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"scale-1e-3"):
        fault("scale-1e3-3")
