"""Where CPU time comes from."""

from __future__ import annotations

from pathlib import Path

import pytest

from calibrate.bench.activity import (
    CpuStat,
    ProcStat,
    Script,
    blocks,
    divide,
    keep_growing,
    online_cpus,
)
from calibrate.errors import CrosswattError
from tests.helpers.bench import Busy


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
    ticks = Busy(2)
    stat = CpuStat(str(path), ticks)
    assert sum(stat.busy_ns()) == 0
    path.write_text("usage_usec 3000\nuser_usec 1\n")
    ticks.now = [5_000 + 1_500_000, 5_000 + 500_000]
    assert list(stat.busy_ns()) == [1_500_000, 500_000]
    path.write_text("usage_usec 2000\n")
    assert sum(stat.busy_ns()) == 2_000_000


def test_a_written_load_is_followed_to_the_nanosecond() -> None:
    clock = [7]
    script = Script("0.9x1.5,0.2x0.5", 2, lambda: clock[0])
    clock[0] += 1_500_000_000
    assert list(script.busy_ns()) == [1_350_000_000] * 2
    clock[0] += 250_000_000
    assert list(script.busy_ns()) == [1_400_000_000] * 2
    clock[0] += 250_000_000 + 10 * 2_000_000_000
    assert list(script.busy_ns()) == [11 * 1_450_000_000] * 2


@pytest.mark.parametrize("text", ["", "0.5", "0.5x", "1.5x1", "0.5x0", "ax1", "0.5x1;0.2x1"])
def test_a_load_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(CrosswattError, match="is not a load"):
        Script(text, 1)
