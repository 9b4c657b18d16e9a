"""Several runs in one table: a run per row, by a column of labels, or by pauses."""

from __future__ import annotations

from pathlib import Path

import pytest

from calibrate import store
from calibrate.comparison import compare
from tests.helpers.imports import imported, joules

ROWS = '[time]\ncolumn="begin"\nzone="UTC"\n[run]\nlabel="task"\n{}\n'
ENERGY = '[[value]]\ncolumn="energy"\nunit="{}"\nkind="run"\nscope="node"\nprobe="{}"\n'
LONG = (
    '[time]\ncolumn="time"\nunit="s"\n[run]\n{}\n'
    '[[value]]\ncolumn="watts"\nunit="W"\nkind="power"\nscope="node"\nprobe="wall"\n'
)


def made(folder: Path, table: str, mapping: str, rc: int = 0) -> list[tuple[str, float, float]]:
    """Return workload, seconds and joules of the first probe of each run."""
    (folder / "t.csv").write_text(table)
    (folder / "m.toml").write_text(mapping)
    paths = folder / "t.csv", "--mapping", folder / "m.toml"
    found = imported(folder / "out", "csv", *paths, rc=rc)
    return [
        (run.record.workload, run.record.seconds, joules(run, next(iter(run.logs)), "node"))
        for run in found
    ]


@pytest.mark.parametrize(
    ("run", "table"),
    [
        ('duration="s"', "task,begin,s,energy\na,2025-01-01 10:00:00,60,0.1\n"
         "b,2025-01-01 10:05:00,30,0.2\n"),
        ('end="stop"', "task,begin,stop,energy\na,2025-01-01 10:00:00,2025-01-01 10:01:00,0.1\n"
         "b,2025-01-01 10:05:00,2025-01-01 10:05:30,0.2\n"),
        ('duration="s"\ntime_is="end"\nduration_unit="min"', "task,begin,s,energy\n"
         "b,2025-01-01 10:05:30,0.5,0.2\na,2025-01-01 10:01:00,1,0.1\n"),
    ],
)  # fmt: skip
def test_each_row_is_a_run(tmp_path: Path, run: str, table: str) -> None:
    found = made(tmp_path, table, ROWS.format(run) + ENERGY.format("kWh", "wall"))
    assert [each[:2] for each in found] == [("a", 60.0), ("b", 30.0)]
    assert [each[2] for each in found] == pytest.approx([360_000, 720_000])


def test_watts_of_a_run_are_its_mean(tmp_path: Path) -> None:
    table = "task,begin,s,energy\na,2025-01-01 10:00:00,60,100\n"
    found = made(tmp_path, table, ROWS.format('duration="s"') + ENERGY.format("W", "wall"))
    assert found == [("a", 60.0, 6000.0)]


def test_a_figure_that_is_missing_is_not_zero(tmp_path: Path) -> None:
    mapping = ROWS.format('duration="s"') + ENERGY.format("J", "wall")
    mapping += ENERGY.format("J", "rapl").replace('"energy"', '"rapl"')
    table = (
        "task,begin,s,energy,rapl\na,2025-01-01 10:00:00,60,10,7\n"
        "b,2025-01-01 10:05:00,60,10,\nc,2025-01-01 10:10:00,60,,7\n"
    )
    (tmp_path / "t.csv").write_text(table)
    (tmp_path / "m.toml").write_text(mapping)
    paths = tmp_path / "t.csv", "--mapping", tmp_path / "m.toml"
    found = imported(tmp_path / "out", "csv", *paths)
    assert [sorted(run.logs) for run in found] == [["rapl", "wall"], ["wall"], ["rapl"]]
    assert joules(found[2], "rapl", "node") == 7


def test_runs_at_once_and_without_a_length_are_kept_aside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = (
        "task,begin,s,energy\na,2025-01-01 10:00:00,60,10\nb,2025-01-01 10:00:30,60,10\n"
        "c,2025-01-01 10:10:00,0,10\n"
    )
    found = made(tmp_path, table, ROWS.format('duration="s"') + ENERGY.format("J", "wall"))
    assert [each[0] for each in found] == ["a"]
    assert "2 lines" in capsys.readouterr().out


def long_log(seconds: list[int], label: str = "") -> str:
    rows = (f"{1_750_000_000 + n},100,{label and label[n % len(label)]}\n" for n in seconds)
    return "time,watts,phase\n" + "".join(rows)


def test_a_column_of_labels_divides_a_log(tmp_path: Path) -> None:
    found = made(tmp_path, long_log([*range(12)], "aaaa  bbbb  "), LONG.format('label="phase"'))
    assert found == [("a", 3.0, 300.0), ("b", 3.0, 300.0)]


def test_pauses_divide_a_log(tmp_path: Path) -> None:
    log = long_log([*range(10), *range(100, 110)])
    found = made(tmp_path, log, LONG.format("pause_s=30"))
    assert found == [("measured", 9.0, 900.0), ("measured", 9.0, 900.0)]


@pytest.mark.parametrize(
    "mapping",
    [
        ROWS.format("") + ENERGY.format("J", "wall"),
        LONG.format('duration="s"'),
        ROWS.format('duration="s"\nend="e"') + ENERGY.format("J", "wall"),
    ],
)
def test_a_mapping_that_does_not_say_what_a_run_is_is_refused(
    tmp_path: Path, mapping: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert made(tmp_path, "task,begin,s,energy\n", mapping, rc=64) == []
    assert "[run]" in " ".join(capsys.readouterr().err.split())


STATED = ENERGY.format("kWh", "wall") + 'step = "0.001 kWh"\nclass = "1 %"\n'


def test_the_step_and_the_class_of_a_meter_enter_the_comparison(tmp_path: Path) -> None:
    table = "task,begin,s,energy,other\n" + "".join(
        f"{task},2025-01-01 1{hour}:00:00,600,{kwh:.3f},{kwh * 3.6e6}\n"
        for hour, (task, kwh) in enumerate([("a", 0.02), ("b", 0.03), ("c", 0.05)])
    )
    probe = ENERGY.format("J", "rapl").replace('"energy"', '"other"')
    made(tmp_path, table, ROWS.format('duration="s"') + STATED + probe)
    [pair] = compare(store.load_campaign(tmp_path / "out"), "wall").pairs
    assert pair.reference_resolution_j == pytest.approx(3600)
    assert pair.u_reference == pytest.approx(0.01 / 3**0.5)
    assert [row.u_reference_j for row in pair.rows] == pytest.approx([3600 / 6**0.5] * 3)


@pytest.mark.parametrize(
    ("stated", "why"),
    [
        ('step = "3600"', "'3600' is no energy with a unit"),
        ("step = 3600", "3600 is no energy with a unit"),
        ('step = "0 J"', "'0 J' is not above zero"),
        ('step = "-1 Wh"', "'-1 Wh' is not above zero"),
        ('step = "1 W"', "'1 W' is no energy with a unit"),
        ('class = "1"', "'1' is not in percent"),
        ("class = 0.01", "0.01 is not in percent"),
        ('class = "200 %"', "'200 %' is not above 0 % and at most 50 %"),
    ],
)
def test_a_step_or_a_class_that_is_none_is_refused_with_a_sentence(
    tmp_path: Path, stated: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    table = "task,begin,s,energy\na,2025-01-01 10:00:00,60,0.1\n"
    (tmp_path / "t.csv").write_text(table)
    mapping = ROWS.format('duration="s"') + ENERGY.format("kWh", "wall") + stated
    (tmp_path / "m.toml").write_text(mapping)
    imported(tmp_path / "out", "csv", tmp_path / "t.csv", "--mapping", tmp_path / "m.toml", rc=64)
    assert why in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()


def test_a_power_has_no_step_in_joules(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "t.csv").write_text("time,watts\n1735725600,100\n1735725601,100\n")
    (tmp_path / "m.toml").write_text(LONG.format('label = "time"') + 'step = "1 J"\n')
    imported(tmp_path / "out", "csv", tmp_path / "t.csv", "--mapping", tmp_path / "m.toml", rc=64)
    assert "state its class alone" in " ".join(capsys.readouterr().err.split())
