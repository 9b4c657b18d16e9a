"""Files that were appended to, rows that stand twice, and times that go back."""

from __future__ import annotations

from pathlib import Path

import pytest

from calibrate.cli import main
from calibrate.ingest.feed import Options
from calibrate.ingest.long import Long
from calibrate.ingest.sheet import rows
from tests.helpers.cases import shared_case
from tests.helpers.imports import imported, joules

ALUMET = "metric;timestamp;value;resource_kind;resource_id;consumer_kind;consumer_id;domain\n"
MAPPING = """[time]
column = "time"
[[value]]
column = "joules"
unit = "J"
kind = "delta"
scope = "node"
probe = "meter"
"""


def alumet(second: int, value: float) -> str:
    at = f"2025-05-01T10:00:{second:02d}Z"
    return f"rapl_consumed_energy_J;{at};{value};cpu_package;0;local_machine;;package\n"


def perf(second: int, value: float) -> str:
    return f"     {second}.0001,{value},Joules,power/energy-pkg/,1,100.00,,\n"


def said(capsys: pytest.CaptureFixture[str]) -> str:
    shown = capsys.readouterr()
    return " ".join((shown.out + shown.err).split())


def test_an_interval_that_stands_twice_counts_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "a.csv"
    log.write_text(ALUMET + "".join(2 * alumet(second, 50.0) for second in range(11)))
    [run] = imported(tmp_path / "out", "alumet", log)
    assert joules(run, "alumet", "package-0") == 500
    assert "11 lines" in said(capsys)


def test_a_mapped_interval_that_stands_twice_counts_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log, mapping = tmp_path / "a.csv", tmp_path / "m.toml"
    mapping.write_text(MAPPING)
    row = "2025-05-01T10:00:{:02d}Z,50\n"
    log.write_text("time,joules\n" + "".join(2 * row.format(second) for second in range(11)))
    [run] = imported(tmp_path / "out", "csv", log, "--mapping", mapping)
    assert joules(run, "meter", "node") == 500
    assert "this interval twice" in said(capsys)


def test_a_header_in_the_middle_of_a_mapped_table_is_no_bad_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log, mapping = tmp_path / "a.csv", tmp_path / "m.toml"
    mapping.write_text(MAPPING)
    lines = [f"2025-05-01T10:00:{second:02d}Z,50\n" for second in range(11)]
    log.write_text("time,joules\n" + "".join(lines[:6]) + "time,joules\n" + "".join(lines[6:]))
    [run] = imported(tmp_path / "out", "csv", log, "--mapping", mapping)
    assert joules(run, "meter", "node") == 500
    assert "could not be" not in said(capsys)


def test_a_later_header_names_the_columns_after_it(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("time,a\n1,2\ntime,b,a\n3,4,5\n")
    found = list(rows(path, Options(), ("time", "a")))
    assert found == [{"time": "1", "a": "2"}, {"time": "3", "b": "4", "a": "5"}]


@pytest.mark.parametrize("second_header", ["", "# started on Mon Jun  2 11:00:00 2025\n\n"])
def test_a_session_that_was_appended_is_a_run_of_its_own(
    tmp_path: Path, second_header: str
) -> None:
    log = tmp_path / "perf.csv"
    log.write_text(
        "# started on Mon Jun  2 10:00:00 2025\n\n"
        + "".join(perf(second, 35.0) for second in range(1, 11))
        + second_header
        + "".join(perf(second, 70.0) for second in range(1, 11))
    )
    first, second = imported(tmp_path / "out", "perf-stat", log)
    assert joules(first, "perf-stat", "package") == pytest.approx(350)
    assert joules(second, "perf-stat", "package") == pytest.approx(700)


def test_perf_stands_at_its_own_start_where_a_zone_is_named(tmp_path: Path) -> None:
    log = tmp_path / "perf.csv"
    log.write_text("# started on Mon Jun  2 10:00:00 2025\n\n" + perf(1, 35) + perf(2, 35))
    [run] = imported(tmp_path / "out", "perf-stat", log, "--zone", "Europe/Paris")
    assert run.record.begin_ns == 1_748_851_200_000_000_000


def test_times_that_go_back_are_counted_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "smi.csv"
    lines = [f"2025/05/06 08:00:{second:02d}.000, 0, 200.00 W\n" for second in range(10)]
    log.write_text("timestamp, index, power.draw [W]\n" + "".join([*lines[5:], *lines[:5]]))
    [run] = imported(tmp_path / "out", "nvidia-smi", log, "--zone", "UTC")
    assert run.record.seconds == 9
    shown = said(capsys)
    assert "go back once (first from 2025-05-06 08:00:09 UTC to 2025-05-06 08:00:00 UTC)" in shown


def test_figures_of_one_instant_that_differ_are_told() -> None:
    table = Long()
    for value in (1.0, 1.0, 2.0):
        table.put(5, "a", value)
    assert table.notes() == [
        "1 figures differ from another one of the same column and instant; the last counts"
    ]


def test_a_register_that_never_counts_is_no_column(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "run.csv"
    log.write_text(
        "Delta,Time,DRAM_ENERGY (J),PACKAGE_ENERGY (J)\n"
        + "".join(f"200,{1740515175000 + 200 * n},0,{100 + 2 * n}\n" for n in range(11))
    )
    [run] = imported(tmp_path / "out", "energibridge", log)
    assert list(run.logs["energibridge"].domains) == ["package-0"]
    assert "dram-0 never counted" in said(capsys)


def test_the_cases_of_rows_and_sessions(tmp_path: Path) -> None:
    twice = shared_case("imports/08-interval-rows-twice")
    [run] = imported(tmp_path / "a", "csv", twice / "twice-kwh.csv", "--mapping", twice / "d.toml")
    assert joules(run, "wall", "node") / run.record.seconds == pytest.approx(100)
    [run] = imported(tmp_path / "b", "alumet", twice / "twice.csv")
    assert joules(run, "alumet", "package-0") / run.record.seconds == pytest.approx(50)
    log = shared_case("imports/09-appended-log/perf-append.csv")
    found = imported(tmp_path / "c", "perf-stat", log)
    assert [joules(run, "perf-stat", "package") for run in found] == pytest.approx([2100, 4200])
    case = shared_case("imports/18-dead-dram-counter/run.csv")
    [run] = imported(tmp_path / "d", "energibridge", case)
    assert "dram-0" not in run.logs["energibridge"].domains


def test_a_log_without_a_date_has_none_in_the_report(tmp_path: Path) -> None:
    log = tmp_path / "perf.csv"
    log.write_text("".join(perf(second, 35.0) for second in range(1, 11)))
    imported(tmp_path / "out", "perf-stat", log)
    report = tmp_path / "report.md"
    words = ["report", str(tmp_path / "out"), "--reference", "perf-stat", "--out", str(report)]
    assert main([*words, "--format", "markdown"]) == 0
    assert "1970" not in report.read_text()
