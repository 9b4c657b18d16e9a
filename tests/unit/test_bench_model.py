"""The simulated machine without its file system: models, activity, counters, files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from calibrate.bench.activity import CpuStat, ProcStat, blocks, divide, keep_growing, online_cpus
from calibrate.bench.energy import counter_uj, counters, energy_j
from calibrate.bench.model import load, names
from calibrate.bench.server import Files
from calibrate.bench.snapshot import Snapshots
from calibrate.bench.tree import File, Link, Node, build
from calibrate.errors import BadFile, UnknownName

SMALL = """
title = "small"
vendor = "intel"
energy_unit_j = 0.00006103515625
[[packages]]
idle_w = 10
active_w = 20
"""


class Busy:
    """Activity by hand."""

    source = "test"
    resolution_ns = 1

    def __init__(self, cpus: int = 2) -> None:
        self.now = [5_000] * cpus

    def busy_ns(self) -> list[int]:
        return list(self.now)


def write(folder: Path, text: str) -> Path:
    path = folder / "own.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", names())
def test_a_shipped_model_loads_and_says_what_it_follows(name: str) -> None:
    model = load(name)
    assert "simulated" in model.title
    assert any("assumed" in line for line in model.follows)


def test_the_three_machines_have_their_zones() -> None:
    scopes = {name: [each.scope for each in counters(load(name))] for name in names()}
    assert scopes == {
        "amd": ["package-0", "core-0"],
        "desktop": ["package-0", "core-0", "uncore-0"],
        "server": ["package-0", "dram-0", "package-1", "dram-1"],
    }


def test_ranges_are_those_that_real_kernels_show() -> None:
    shown = {name: counters(load(name)) for name in names()}
    assert shown["desktop"][0].max_energy_range_uj == 262_143_328_850
    assert shown["server"][1].max_energy_range_uj == 65_712_999_613
    assert shown["amd"][0].max_energy_range_uj == 65_532_610_987
    assert all(each.turn == 2**32 for zones in shown.values() for each in zones)


@pytest.mark.parametrize("name", names())
def test_no_shipped_counter_wraps_within_an_hour_at_full_load(name: str) -> None:
    for counter in counters(load(name)):
        joules = energy_j(counter, 3_600 * 10**9, [3_600 * 10**9])
        assert counter.start + joules / counter.unit_j < counter.turn, counter.scope


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
        (SMALL.replace("energy_unit_j = 0.00006103515625", ""), "energy_unit_j: field required"),
        (SMALL + "core = { idle_w = 1, active_w = 21 }\n", r"packages\.0: .*more active_w"),
        (SMALL + "start_uj = 5000\nmax_energy_range_uj = 4000\n", r"packages\.0: start_uj lies"),
        ("title = \n", "is not TOML: .*line 1"),
        ('title = "none"\n', "vendor: field required"),
    ],
)
def test_a_bad_file_names_key_and_reason(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BadFile, match=message) as caught:
        load(write(tmp_path, text))
    assert "own.toml" in str(caught.value)


def test_a_missing_file_is_a_bad_file(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="No such file"):
        load(tmp_path / "none.toml")


def test_a_fully_busy_host_is_a_fully_busy_machine(tmp_path: Path) -> None:
    counter = counters(load(write(tmp_path, SMALL)))[0]
    second = 10**9
    assert energy_j(counter, second, [0, 0, 0]) == 10
    assert energy_j(counter, second, [second] * 3) == 30
    assert energy_j(counter, second, [second, 0]) == 20


def test_the_drivers_truncated_unit_makes_the_counter_low_by_a_known_share() -> None:
    amd = counters(load("amd"))[0]
    rise_uj = counter_uj(amd, 1000.0) - counter_uj(amd, 0.0)
    assert rise_uj / 1e9 == pytest.approx(15_258 / 15_258.789_062_5, rel=1e-7)


def test_truth_keeps_its_precision_over_days() -> None:
    counter = counters(load("desktop"))[0]
    days_ns = 30 * 86_400 * 10**9
    step_j = energy_j(counter, days_ns + 10**6, [0]) - energy_j(counter, days_ns, [0])
    assert step_j == pytest.approx(6e-3, rel=1e-5)  # of 16 MJ: 4e-15


@pytest.mark.parametrize(
    ("cpus", "packages", "expected"),
    [
        (4, 2, [range(2), range(2, 4)]),
        (5, 2, [range(2), range(2, 5)]),
        (1, 2, [range(1), range(1)]),
        (3, 1, [range(3)]),
    ],
)
def test_cpus_are_divided_in_blocks(cpus: int, packages: int, expected: list[range]) -> None:
    assert blocks(cpus, packages) == expected


def test_growing_guard() -> None:
    assert keep_growing([5, 5], [4, 6]) == [5, 6]


def test_division_follows_the_ticks_and_loses_nothing() -> None:
    assert divide(10, [0, 0], [30, 10]) == [8, 2]
    assert divide(7, [30, 0], [30, 10]) == [0, 7]
    assert divide(3, [9, 9], [0, 0]) == [2, 1]


def test_online_cpus_in_the_kernels_notation(tmp_path: Path) -> None:
    path = tmp_path / "online"
    path.write_text("0-2,5\n")
    assert online_cpus(str(path)) == [0, 1, 2, 5]
    assert online_cpus(str(tmp_path / "none"))


def test_proc_stat_counts_work_but_neither_waiting_nor_stolen_time(tmp_path: Path) -> None:
    path = tmp_path / "stat"
    path.write_text(
        "cpu 9 9 9 9 9 9 9 9 0 0\ncpu0 1 2 3 99 99 4 5 99 0 0\ncpu1 0 0 0 1 1 0 0 1 0 0\n"
    )
    stat = ProcStat([0, 1], str(path))
    assert list(stat.busy_ns()) == [15 * 10_000_000, 0]


def test_cgroup_two_divides_its_total(tmp_path: Path) -> None:
    path = tmp_path / "cpu.stat"
    path.write_text("usage_usec 1000\nuser_usec 1\n")
    ticks = Busy()
    stat = CpuStat(str(path), ticks)
    assert sum(stat.busy_ns()) == 0
    path.write_text("usage_usec 3000\nuser_usec 1\n")
    ticks.now = [5_000 + 1_500_000, 5_000 + 500_000]
    assert list(stat.busy_ns()) == [1_500_000, 500_000]
    path.write_text("usage_usec 2000\n")
    assert sum(stat.busy_ns()) == 2_000_000


def machine(name: str = "server") -> tuple[dict[str, Node], list[int], Busy]:
    model, clock, activity = load(name), [0], Busy(4)
    snapshots = Snapshots(model, activity, lambda: clock[0])
    return build(model, activity, snapshots), clock, activity


def test_the_tree_has_the_kernels_layout_and_its_links_lead_somewhere() -> None:
    nodes, _, _ = machine()
    top = "/devices/virtual/powercap/intel-rapl"
    assert f"{top}/intel-rapl:1/intel-rapl:1:0/energy_uj" in nodes
    assert nodes["/class/powercap/intel-rapl:1:0"] == Link(
        "../../devices/virtual/powercap/intel-rapl/intel-rapl:1/intel-rapl:1:0"
    )
    for path, node in nodes.items():
        if isinstance(node, Link):
            stack = path.split("/")[:-1]
            for part in node.target.split("/"):
                stack = stack[:-1] if part == ".." else [*stack, part]
            assert "/".join(stack) in nodes, (path, node.target)


def test_model_json_says_that_it_is_simulated() -> None:
    nodes, _, _ = machine()
    node = nodes["/model.json"]
    assert isinstance(node, File)
    about = json.loads(node.content())
    assert about["simulated"] is True
    assert about["activity"] == {"source": "test", "resolution_ns": 1}


def test_every_file_shows_the_same_snapshot_within_an_update() -> None:
    nodes, clock, activity = machine("desktop")
    files, path = Files(nodes), "/class/powercap"
    path = "/devices/virtual/powercap/intel-rapl/intel-rapl:0/energy_uj"
    clock[0] = 10 * 976_000
    first = files.read(path, 4096, 0, 0)
    truth = files.read("/truth", 4096, 0, 0)
    clock[0] += 975_999
    activity.now = [value + 10**9 for value in activity.now]
    assert files.read(path, 4096, 0, 0) == first
    assert files.read("/truth", 4096, 0, 0) == truth
    clock[0] += 1
    assert files.read(path, 4096, 0, 0) != first


def test_a_file_read_in_pieces_is_one_value(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes, clock, _ = machine("desktop")
    files = Files(nodes)
    monkeypatch.setattr("calibrate.bench.server._reader", lambda: 1)
    path = "/devices/virtual/powercap/intel-rapl/intel-rapl:0/energy_uj"
    whole = files.read(path, 4096, 0, 0)
    pieces = b""
    while piece := files.read(path, 1, len(pieces), 0):
        pieces += piece
        clock[0] += 200_000_000 if pieces else 0
    assert pieces == whole
    assert files.read(path, 4096, len(whole), 0) == b""


def test_the_packaged_models_are_the_files_in_the_folder() -> None:
    folder = Path(__file__).parents[2] / "calibrate" / "bench" / "models"
    assert names() == sorted(path.stem for path in folder.glob("*.toml"))
