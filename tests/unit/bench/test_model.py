"""Machine models: the shipped ones, and files of the user's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from calibrate.bench import load, names
from calibrate.bench.counter import counters
from calibrate.bench.power import at_rest, rates
from calibrate.errors import BadFile, UnknownName

SMALL = """
title = "small"
vendor = "intel"
energy_unit_j = 0.00006103515625
[[packages]]
idle_w = 10
active_w = 20
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "own.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", names())
def test_a_shipped_model_loads_and_says_what_it_follows(name: str) -> None:
    model = load(name)
    assert "simulated" in model.title
    assert any("assumed" in line for line in model.follows)


def test_the_machines_have_their_zones() -> None:
    scopes = {name: list(counters(load(name))) for name in names()}
    assert scopes == {
        "amd": ["package-0", "core-0"],
        "container": ["package-0", "core-0"],
        "desktop": ["package-0", "core-0", "uncore-0", "psys"],
        "epyc": ["package-0", "core-0", "package-1", "core-1"],
        "gpu-node": ["package-0", "dram-0", "package-1", "dram-1"],
        "laptop": ["package-0", "core-0", "uncore-0", "psys"],
        "server": ["package-0", "dram-0", "package-1", "dram-1"],
        "vm": ["package-0"],
        "workstation": ["package-0", "core-0"],
    }


def test_ranges_are_those_that_real_kernels_show() -> None:
    shown = {name: counters(load(name)) for name in names()}
    assert shown["desktop"]["package-0"].max_energy_range_uj == 262_143_328_850
    assert shown["server"]["dram-0"].max_energy_range_uj == 65_712_999_613
    assert shown["amd"]["package-0"].max_energy_range_uj == 65_532_610_987
    assert all(each.turn == 2**32 for zones in shown.values() for each in zones.values())


@pytest.mark.parametrize("name", names())
def test_no_shipped_counter_wraps_within_five_minutes_of_full_load(name: str) -> None:
    model = load(name)
    watts = rates(model, replace(at_rest(model), use=(1.0,) * len(model.packages)))
    for scope, counter in counters(model).items():
        joules = 300 * (watts[scope].base_w + sum(watts[scope].busy_w))
        assert counter.start + joules / counter.unit_j < counter.turn, scope


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(UnknownName, match="desktop"):
        load("desktpo")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SMALL + "colour = 1\n", r"packages\.0\.colour: extra"),
        (SMALL.replace("idle_w = 10\n", ""), r"packages\.0\.idle_w: field required"),
        (SMALL.replace("idle_w = 10", "idle_w = -1"), r"packages\.0\.idle_w: .*greater than"),
        (SMALL.replace("idle_w = 10", "idle_w = nan"), r"packages\.0\.idle_w"),
        (SMALL.replace('"intel"', '"arm"'), r"vendor: .*'intel' or 'amd'"),
        (SMALL.replace("0.00006103515625", "2"), "energy_unit_j: .*less than or equal to 1"),
        (
            SMALL + "[node]\nboard_w = 1\nsupply_w = 9\nefficiency = [[0.5, 0.9], [0.2, 0.8]]\n",
            "node: efficiency: the load shares must rise",
        ),
        (
            SMALL + "[[hwmon]]\nname = 'x'\nsensors = [{ kind = 'power', scope = 'gpu-0' }]\n",
            "the file: hwmon.0: there is no 'gpu-0'",
        ),
        (
            SMALL + "[[hwmon]]\nname = 'x'\nsensors = [{ kind = 'temp', scope = 'package-0' }]\n",
            "hwmon.0: a temperature needs a table thermal",
        ),
        (
            SMALL + "[node]\nboard_w = 1\nsupply_w = 9\n[[hwmon]]\nname = 'x'\n"
            "sensors = [{ kind = 'temp', scope = 'node' }]\nefficiency = 1\n",
            "node.efficiency: field required",
        ),
        (SMALL + "dies = 9\n", r"packages\.0\.dies: .*less than or equal to 8"),
        (SMALL.replace("title", "sources = ['perf']\ntitle"), r"sources\.0: .*'powercap' or 'msr'"),
        (SMALL + "[noise]\nrelative = 3\n", "noise.relative: .*less than"),
        (SMALL + "core = { idle_w = 1, active_w = 21 }\n", r"packages\.0: .*more active_w"),
        (SMALL + "start_uj = 5000\nmax_energy_range_uj = 4000\n", r"packages\.0: start_uj lies"),
        ("title = \n", "is not TOML .*line 1"),
        ('title = "none"\n', "vendor: field required"),
    ],
)
def test_a_bad_file_names_key_and_reason(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BadFile, match=message) as caught:
        load(write(tmp_path, text))
    assert "own.toml" in str(caught.value)


def test_a_missing_file_is_a_bad_file(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="there is no such file"):
        load(tmp_path / "none.toml")


def test_the_packaged_models_are_the_files_in_the_folder() -> None:
    folder = Path(__file__).parents[3] / "calibrate" / "bench" / "models"
    assert names() == sorted(path.stem for path in folder.glob("*.toml"))
