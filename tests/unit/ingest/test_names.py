"""A name that comes twice is refused or numbered; one figure never overwrites another."""

from __future__ import annotations

from pathlib import Path

import pytest

from calibrate.errors import BadFile
from calibrate.ingest.feed import Options
from calibrate.ingest.sheet import rows
from calibrate.probe.wall.ptd import parse
from tests.helpers.cases import shared_case
from tests.helpers.imports import imported, joules

TOTAL = "Time,03-04-2025 09:00:00.250,Watts,{},Volts,-1,Amps,-1,PF,-1,Mark,run_a"
ANALYSER = ",Analyzer{},Time,03-04-2025 09:00:00.250,Watts,{},Volts,231,Amps,1,PF,1,Mark,run_a"
VALUE = '[[value]]\ncolumn="{}"\nunit="W"\nkind="power"\nscope="node"\nprobe="wall"\n'


def test_a_table_with_a_column_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("time,watts,watts\n1,2,3\n")
    with pytest.raises(BadFile, match="more than one column 'watts'"):
        list(rows(path, Options(), ("time",)))


@pytest.mark.parametrize(
    ("header", "columns", "words"),
    [("time,a,a", ("a",), "more than one column 'a'"), ("time,a,b", ("a", "b"), "'node'")],
)
def test_a_mapping_in_which_a_name_comes_twice_is_refused(
    tmp_path: Path,
    header: str,
    columns: tuple[str, ...],
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    log, mapping = tmp_path / "t.csv", tmp_path / "m.toml"
    log.write_text(f"{header}\n2025-01-01T00:00:00Z,1,2\n2025-01-01T00:00:01Z,1,2\n")
    mapping.write_text('[time]\ncolumn="time"\n' + "".join(map(VALUE.format, columns)))
    assert imported(tmp_path / "out", "csv", log, "--mapping", mapping, rc=64) == []
    assert words in " ".join(capsys.readouterr().err.split())


def test_a_line_of_several_analysers_is_their_total() -> None:
    line = TOTAL.format(610) + ANALYSER.format(1, 300) + ANALYSER.format(2, 310)
    assert parse(line).watts == 610


@pytest.mark.parametrize(("first", "words"), [(-11, "in reverse"), (200, "make 510 W")])
def test_analysers_that_do_not_make_the_total_are_refused(first: int, words: str) -> None:
    line = TOTAL.format(610) + ANALYSER.format(1, first) + ANALYSER.format(2, 310)
    with pytest.raises(ValueError, match=words):
        parse(line)


def test_the_case_of_two_analysers(tmp_path: Path) -> None:
    folder = shared_case("imports/01-ptd-two-analysers")
    log = folder / "two-analysers.txt"
    [run] = imported(tmp_path / "out", "ptd", log, "--zone", "UTC")
    assert joules(run, "wall", "node") / run.record.seconds == pytest.approx(613)
    flags = "--zone", "UTC"
    assert not imported(tmp_path / "no", "ptd", folder / "one-reversed.txt", *flags, rc=64)
