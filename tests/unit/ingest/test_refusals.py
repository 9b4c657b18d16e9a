"""What cannot be read: the first line that is, why, and what it costs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from calibrate import store
from calibrate.cli import main
from calibrate.ingest.sheet import pointed
from tests.helpers.cases import shared_case
from tests.helpers.imports import imported, joules

SMI = "timestamp, index, power.draw [W]\n"
LOG = """2025-01-10 {hour}:00:00 - CarbonTracker: GPU with device(s) NVIDIA X.
2025-01-10 {hour}:00:00 - CarbonTracker:\x20
Actual consumption for 1 epoch(s):
\tTime:\t0:{minutes}:00
\tEnergy:\t0.020000000000 kWh
"""


def said(capsys: pytest.CaptureFixture[str]) -> str:
    shown = capsys.readouterr()
    return " ".join((shown.out + shown.err).split())


@pytest.mark.parametrize(
    ("text", "figure"),
    [("100,5", "100.5"), ("1.234,5", "1234.5"), ("-0,5e3", "-0.5e3"), ("1.5", "1.5"),
     ("2024-05-05", "2024-05-05"), ("1,2,3", "1,2,3")],
)  # fmt: skip
def test_a_decimal_comma_becomes_a_point(text: str, figure: str) -> None:
    assert pointed(text) == figure


@pytest.mark.parametrize("word", ["[Not Supported]", "[N/A]", "[GPU is lost]", "[Unknown Error]"])
def test_a_card_without_a_figure_costs_no_other_card(
    tmp_path: Path, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "smi.csv"
    log.write_text(
        SMI
        + "".join(
            f"2025/05/06 08:{n // 60:02d}:{n % 60:02d}.000, 0, 200.00 W\n"
            f"2025/05/06 08:{n // 60:02d}:{n % 60:02d}.000, 1, {word}\n"
            for n in range(1100)
        )
    )
    [run] = imported(tmp_path / "out", "nvidia-smi", log, "--zone", "UTC")
    assert joules(run, "nvidia-smi", "gpu-0") == pytest.approx(200 * 1099)
    assert f"gpu-1 tells no power in 1100 lines, from 2025-05-06 08:00:00.000 on: {word}" in said(
        capsys
    )


def test_a_log_of_no_second_costs_that_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = []
    for hour, minutes in ((10, 10), (11, "00"), (12, 10)):
        path = tmp_path / f"{hour}_carbontracker_output.log"
        path.write_text(LOG.format(hour=hour, minutes=minutes))
        paths.append(path)
    found = imported(tmp_path / "out", "carbontracker", *paths, "--zone", "UTC")
    assert [run.record.seconds for run in found] == [600, 600]
    assert "11_carbontracker_output.log" in said(capsys)


def test_one_bad_file_of_many_is_left_out_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    bad.write_text("a,b\n1,2\n")
    lines = (f"2025/05/06 08:00:{n:02d}.000, 0, 200.00 W\n" for n in range(10))
    good.write_text(SMI + "".join(lines))
    [run] = imported(tmp_path / "out", "nvidia-smi", bad, good, "--zone", "UTC")
    assert joules(run, "nvidia-smi", "gpu-0") == pytest.approx(1800)
    assert "Left out:" in (shown := said(capsys)) and "bad.csv" in shown


def test_one_bad_table_of_many_is_left_out_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad, good, mapping = (tmp_path / name for name in ("bad.csv", "good.csv", "m.toml"))
    bad.write_text("a,b\n1,2\n")
    rows = (f"2025-01-01T10:00:{n:02d}Z,100\n" for n in range(11))
    good.write_text("time,watts\n" + "".join(rows))
    mapping.write_text(
        '[time]\ncolumn="time"\n'
        '[[value]]\ncolumn="watts"\nunit="W"\nkind="power"\nscope="node"\nprobe="wall"\n'
    )
    [run] = imported(tmp_path / "out", "csv", bad, good, "--mapping", mapping)
    assert joules(run, "wall", "node") == pytest.approx(1000)
    assert "Left out:" in said(capsys)


def test_semicolons_and_decimal_commas_are_read(tmp_path: Path) -> None:
    perf, sheet, mapping = (tmp_path / name for name in ("perf.csv", "sheet.csv", "m.toml"))
    perf.write_text(
        "".join(f" {n},000100;50,50;Joules;power/energy-pkg/;1;100,00;;\n" for n in range(1, 11))
    )
    [run] = imported(tmp_path / "a", "perf-stat", perf)
    assert joules(run, "perf-stat", "package") == pytest.approx(505)
    sheet.write_text(
        "time;watts\n" + "".join(f"2025-01-01 10:00:{n:02d};1.234,5\n" for n in range(11))
    )
    mapping.write_text(
        '[time]\ncolumn="time"\nzone="UTC"\n'
        '[[value]]\ncolumn="watts"\nunit="W"\nkind="power"\nscope="node"\nprobe="wall"\n'
    )
    [run] = imported(tmp_path / "b", "csv", sheet, "--mapping", mapping)
    assert joules(run, "wall", "node") == pytest.approx(12345)


def test_a_figure_that_may_be_a_thousand_times_another_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet, mapping = tmp_path / "sheet.csv", tmp_path / "m.toml"
    sheet.write_text(
        "time;watts\n2025-01-01 10:00:00;1.234,5\n2025-01-01 10:00:01;1.234\n"
        "2025-01-01 10:00:02;1.234,5\n"
    )
    mapping.write_text(
        '[time]\ncolumn="time"\nzone="UTC"\n'
        '[[value]]\ncolumn="watts"\nunit="W"\nkind="power"\nscope="node"\nprobe="wall"\n'
    )
    [run] = imported(tmp_path / "out", "csv", sheet, "--mapping", mapping)
    assert joules(run, "wall", "node") == pytest.approx(2469)
    assert "1234 or 1.234" in said(capsys)


def test_commas_that_are_both_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "perf.csv"
    log.write_text("1,000180571,35,11,Joules,power/energy-pkg/,1000213218,100,00,,\n" * 2)
    assert imported(tmp_path / "out", "perf-stat", log, rc=64) == []
    shown = said(capsys)
    assert "decimal comma" in shown and "1,000180571,35,11" in shown


def test_a_reading_that_a_controller_calls_deactivated_is_refused_with_its_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "dcmi.txt"
    log.write_text(
        "2025-04-06T10:00:00+00:00\n    Instantaneous power reading:    360 Watts\n"
        "    Power reading state is:         deactivated\n"
    )
    assert imported(tmp_path / "out", "ipmi", log, rc=64) == []
    assert "deactivated" in said(capsys)


def test_the_cases_of_refusals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    smi = shared_case("imports/10-not-supported-gpu")
    for name in ("lost.csv", "not-supported.csv"):
        [run] = imported(tmp_path / name, "nvidia-smi", smi / name, "--zone", "UTC")
        assert joules(run, "nvidia-smi", "gpu-0") == pytest.approx(240_399.5)
    comma = shared_case("imports/11-decimal-comma")
    [run] = imported(tmp_path / "ps", "perf-stat", comma / "perf-semicolon.csv")
    assert joules(run, "perf-stat", "package") == pytest.approx(2124.3, rel=1e-3)
    flags = "--mapping", comma / "sheet.toml"
    [run] = imported(tmp_path / "sh", "csv", comma / "sheet.csv", *flags)
    assert joules(run, "wall", "node") == pytest.approx(122_210.55)
    imported(tmp_path / "ha", "home-assistant", comma / "history-comma.csv", "--unit", "W")
    assert store.load_campaign(tmp_path / "ha").runs[0].record.seconds == 2970
    assert not imported(tmp_path / "pc", "perf-stat", comma / "perf-comma.csv", rc=64)
    flags = "--mapping", comma / "ada.toml"
    assert not imported(tmp_path / "ad", "csv", comma / "ada-dates.csv", *flags, rc=64)
    assert "2024- 11- 2  19: 15: 0. 0" in capsys.readouterr().err.replace("\n", " ")
    logs = sorted(shared_case("imports/16-one-short-log-ends-all").glob("*.log"))
    found = imported(tmp_path / "ct", "carbontracker", *logs, "--zone", "UTC")
    assert len(found) == 2


def test_a_decimal_comma_in_quotes_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "history.csv"
    log.write_text("entity_id,state,last_changed\n" + 'plug,"100,5",2024-05-05T22:00:00.000Z\n' * 2)
    assert imported(tmp_path / "out", "home-assistant", log, "--unit", "W", rc=64) == []
    assert "decimal comma" in said(capsys)


def test_a_mapping_without_end_is_refused_before_it_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.csv").write_text("a,b\n1,2\n")
    (tmp_path / "map.toml").touch()
    os.truncate(tmp_path / "map.toml", 1 << 40)  # a file of holes
    words = ["import", "csv", str(tmp_path / "mine.csv"), "--mapping", str(tmp_path / "map.toml")]
    assert main([*words, "--out", str(tmp_path / "made")]) == 64
    assert "larger than 256 KiB" in capsys.readouterr().err
    assert not (tmp_path / "made").exists()
