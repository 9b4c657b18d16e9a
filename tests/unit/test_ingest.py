"""Other people's measurements as campaigns: every format from a few lines of it."""

from __future__ import annotations

import bz2
import csv
import gzip
import json
import lzma
import re
import warnings
import zipfile
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from calibrate import analysis, cli, correct, ingest, scopes, series, store
from calibrate.errors import BadFile, CrosswattError, UnknownName
from calibrate.ingest.feed import Long, Options, epoch_ns, pivot
from tests.samples import SAMPLES

UTC = ("--zone", "UTC")
DATA = Path(__file__).parents[3] / "shared" / "data"
def imported(folder: Path, form: str, *paths: Path | str, flags: Sequence[str] = UTC) -> int:
    return cli.main(["import", form, *map(str, paths), "--out", str(folder), *flags])


def joules(run: store.Run, probe: str, column: str) -> float:
    window = run.record.begin_ns, run.record.end_ns
    log = run.logs[probe]
    [found] = [each for each in series.columns(log.domains.values()) if each.name == column]
    energy = series.energy(log, found, window)
    assert energy
    return energy.joules


@pytest.mark.parametrize("key", SAMPLES)
def test_every_format_becomes_a_campaign(tmp_path: Path, key: str) -> None:
    sample = SAMPLES[key]
    out = tmp_path / "campaign"
    flags = [*UTC, *sample.flags]
    assert imported(out, sample.form, sample.write(tmp_path), flags=flags) == 0
    run = store.load_campaign(out).runs[0]
    found = {each: joules(run, *each) for each in sample.joules}
    assert found == pytest.approx(sample.joules, rel=1e-6)
    told = json.loads((out / "provenance.json").read_text())
    assert told["format"] == sample.form and len(told["files"][0]["sha256"]) == 64
    assert told["rejected_lines"] == 0
    assert not list(tmp_path.glob("*.part"))


def test_every_format_has_a_sample() -> None:
    published = {"ccgrid2023", "icpe2024", "codecarbon-load"}
    assert {each.form for each in SAMPLES.values()} == ingest.formats().keys() - published - {"csv"}


@pytest.mark.parametrize("form", sorted({each.form for each in SAMPLES.values()}))
def test_no_format_takes_another_one_for_its_own(tmp_path: Path, form: str) -> None:
    options = Options(zone="UTC", unit="W", scope="gpu-0")
    others = [each for each in SAMPLES.values() if each.form != form]
    for sample in others:
        with pytest.raises((CrosswattError, ValueError, LookupError)):
            ingest.find(form)([sample.write(tmp_path)], options)
    assert imported(tmp_path / "out", form, others[0].write(tmp_path)) == 64
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("key", [key for key, each in SAMPLES.items() if each.local])
def test_a_zone_is_asked_for_and_never_guessed(
    tmp_path: Path, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sample = SAMPLES[key]
    path = sample.write(tmp_path)
    assert imported(tmp_path / "out", sample.form, path, flags=sample.flags) == 64
    said = " ".join(capsys.readouterr().err.split())
    assert re.search(r"--zone Europe/Paris makes it 2024-0(5-01 08:0|4-30 22:0)", said)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("key", [key for key, each in SAMPLES.items() if not each.local])
def test_a_zone_is_not_asked_for_where_the_file_has_it(tmp_path: Path, key: str) -> None:
    sample = SAMPLES[key]
    path = sample.write(tmp_path)
    assert imported(tmp_path / "out", sample.form, path, flags=sample.flags) == 0


def test_a_unit_is_asked_for_and_never_guessed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = SAMPLES["home-assistant"].write(tmp_path)
    assert imported(tmp_path / "out", "home-assistant", path, flags=[]) == 64
    assert "--unit W: 200 W, --unit mW: 0.2 W" in " ".join(capsys.readouterr().err.split())


PACKERS: dict[str, Callable[[Path, bytes], object]] = {
    ".gz": lambda path, data: path.write_bytes(gzip.compress(data)),
    ".xz": lambda path, data: path.write_bytes(lzma.compress(data)),
    ".bz2": lambda path, data: path.write_bytes(bz2.compress(data)),
    ".zip": lambda path, data: zipfile.ZipFile(path, "w").writestr("eb.csv", data),
}


@pytest.mark.parametrize("ending", PACKERS)
def test_packed_files_are_read_directly(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"eb.csv{ending}"
    PACKERS[ending](path, SAMPLES["energibridge"].data)
    assert imported(tmp_path / "out", "energibridge", path) == 0


def test_a_damaged_archive_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "eb.csv.gz"
    path.write_bytes(gzip.compress(b"Delta,Time\n1,1\n" * 1000)[:40])
    with pytest.raises(BadFile, match="cannot be read"):
        ingest.find("energibridge")([path], Options())


def test_bad_lines_are_counted_kept_and_limited(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "eb.csv"
    path.write_text(f"{SAMPLES['energibridge'].text}" + "1,2\n200,1714557612000,5.0,many\n")
    assert imported(tmp_path / "out", "energibridge", path) == 0
    assert "2 lines made no sense" in capsys.readouterr().out
    kept = (tmp_path / "out" / "rejected.txt").read_text().splitlines()
    assert kept[0] == "2 cells instead of 4\t1,2" and "no number" in kept[1]
    flags = ["--max-bad", "1"]
    assert imported(tmp_path / "no", "energibridge", path, flags=flags) == 64
    assert "More than 1 lines make no sense" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "no").exists()


def test_an_unknown_format_gets_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean codecarbon"):
        ingest.find("codecarbn")


def test_a_folder_with_something_in_it_is_not_touched(tmp_path: Path) -> None:
    path = SAMPLES["energibridge"].write(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("kept")
    assert imported(tmp_path / "out", "energibridge", path) == 64
    assert [each.name for each in (tmp_path / "out").iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1714557600", 1714557600_000_000_000),
        ("1714557600.25", 1714557600_250_000_000),
        ("2024-05-01T10:00:00.123456789Z", 1714557600_123_456_789),
        ("2024-05-01 12:00:00+02:00", 1714557600_000_000_000),
        ("2024-05-01 10:00:00", 1714557600_000_000_000),
    ],
)
def test_instants(text: str, ns: int) -> None:
    assert epoch_ns(text, Options(zone="UTC")) == ns


def test_a_zone_that_is_none() -> None:
    with pytest.raises(CrosswattError, match="no time zone"):
        epoch_ns("2024-05-01 10:00:00", Options(zone="Mars/Olympus"))


def test_a_long_table_becomes_columns() -> None:
    chunk = pivot([2, 1, 2], ["b", "a", "a"], [5.0, 6.0, 7.0])
    assert chunk.at_ns.tolist() == [1, 2]
    assert chunk.values["a"].tolist() == [6.0, 7.0]
    assert np.isnan(chunk.values["b"][0]) and chunk.values["b"][1] == 5.0


def test_columns_that_were_cut_short_are_refused(tmp_path: Path) -> None:
    path = SAMPLES["energibridge"].write(tmp_path)
    out = tmp_path / "out"
    assert imported(out, "energibridge", path) == 0
    [columns] = out.rglob("*.columns")
    columns.write_bytes(columns.read_bytes()[:-8])
    with pytest.raises(BadFile, match="has not the 11 readings"):
        store.load_campaign(out)


MAPPING = """
[time]
column = "when"
unit = "{unit}"
{zone}

[[value]]
column = "wall_w"
unit = "W"
kind = "power"
scope = "node"
probe = "wall"
family = "wall"

[[value]]
column = "pkg_wh"
unit = "Wh"
kind = "counter"
scope = "package-0"
probe = "rapl"
family = "rapl"

[[value]]
column = "gpu_kj"
unit = "kJ"
kind = "delta"
scope = "gpu-0"
probe = "gpu"
where = {{ state = "on" }}
"""


def sheet(times: list[str], delimiter: str = ",") -> str:
    lines = [["when", "wall_w", "pkg_wh", "gpu_kj", "state"]]
    for n, time in enumerate(times):
        lines.append([time, "200.0", f"{n * 50 / 3600:.9f}", "0.3", "on" if n % 2 else "off"])
    return "\n".join(delimiter.join(line) for line in lines) + "\n"


def mapped(tmp_path: Path, text: str, unit: str = "iso", zone: str = "", **more: str) -> Path:
    (tmp_path / "mine.csv").write_text(text)
    (tmp_path / "map.toml").write_text(MAPPING.format(unit=unit, zone=zone))
    out = tmp_path / "out"
    flags = ["--mapping", str(tmp_path / "map.toml")]
    flags += [word for key, value in more.items() for word in (f"--{key}", value)]
    assert imported(out, "csv", tmp_path / "mine.csv", flags=flags) == 0
    return out


@pytest.mark.parametrize(
    ("times", "unit", "zone"),
    [
        ([f"2024-05-01T10:00:{n:02d}Z" for n in range(11)], "iso", ""),
        ([f"2024-05-01 10:00:{n:02d}.500" for n in range(11)], "iso", 'zone = "UTC"'),
        ([f"2024-05-01 12:00:{n:02d}+02:00" for n in range(11)], "iso", ""),
        ([f"{1714557600 + n}.0" for n in range(11)], "s", ""),
        ([f"{1714557600000 + 1000 * n}" for n in range(11)], "ms", ""),
    ],
)
def test_any_csv_by_a_mapping(tmp_path: Path, times: list[str], unit: str, zone: str) -> None:
    pytest.importorskip("pyarrow", reason="pip install 'crosswatt[import]'")
    out = mapped(tmp_path, sheet(times, ";" if unit == "s" else ","), unit, zone)
    [run] = store.load_campaign(out).runs
    assert abs(run.record.begin_ns / 1e9 - 1714557600) < 2
    seconds = run.record.seconds
    assert joules(run, "wall", "node") == pytest.approx(200 * seconds)
    assert joules(run, "rapl", "package-0") == pytest.approx(50 * seconds, rel=1e-5)
    # 300 J in every second line, the first of which only begins the sum.
    assert joules(run, "gpu", "gpu-0") == pytest.approx(150 * seconds, rel=1e-6)


def test_lines_that_make_no_sense_in_a_mapped_csv(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="pip install 'crosswatt[import]'")
    lines = sheet([f"2024-05-01T10:00:{n:02d}Z" for n in range(11)]).splitlines()
    lines[3] = lines[3].replace("200.0", "many")
    lines.insert(5, "2024-05-01T10:00:03Z,1")
    lines.insert(7, "yesterday,200.0,1,1,on")
    out = mapped(tmp_path, "\n".join(lines) + "\n")
    kept = (out / "rejected.txt").read_text()
    assert "no number\tmany" in kept and "2 cells, not 5" in kept and "no time\tyesterday" in kept
    [run] = store.load_campaign(out).runs
    assert joules(run, "wall", "node") == pytest.approx(200 * run.record.seconds)


def test_a_csv_without_a_mapping_gets_one_to_begin_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.csv").write_text("timestamp,power_watts\n1,2\n")
    assert imported(tmp_path / "out", "csv", tmp_path / "mine.csv", flags=[]) == 64
    said = capsys.readouterr().err
    assert 'column = "timestamp"' in said and 'column = "power_watts"' in said


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('unit = "Wh"', 'unit = "BTU"', "'BTU' is no unit"),
        ('kind = "counter"', 'kind = "power"', "Wh is no unit of a power"),
        ('scope = "package-0"', 'scope = "box"', "'box' is not a scope"),
        ('column = "wall_w"', 'column = "wal_w"', "it has no column 'wal_w' (when, wall_w"),
        ('probe = "rapl"', 'probes = "rapl"', "value.1.probe"),
    ],
)
def test_a_mapping_that_makes_no_sense_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, words: str
) -> None:
    pytest.importorskip("pyarrow", reason="pip install 'crosswatt[import]'")
    (tmp_path / "mine.csv").write_text(sheet([f"2024-05-01T10:00:0{n}Z" for n in range(3)]))
    text = MAPPING.format(unit="iso", zone="").replace(old, new)
    (tmp_path / "map.toml").write_text(text)
    flags = ["--mapping", str(tmp_path / "map.toml")]
    assert imported(tmp_path / "out", "csv", tmp_path / "mine.csv", flags=flags) == 64
    assert words in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()


def published(name: str) -> Path:
    if not (DATA / name).is_dir():
        pytest.skip("the collection of other people's measurements is not here")
    return DATA / name


def test_published_power_meters_beside_the_nodes_wattmeter(tmp_path: Path) -> None:
    """CCGrid 2023: node = 1.17 x tool + 974 W by least squares over all, and no slip of unit."""
    folders = sorted(published("ccgrid2023").iterdir())
    out = tmp_path / "all"
    assert imported(out, "ccgrid2023", *folders, flags=[]) == 0
    found = analysis.analyze(out, "wall", across=True)
    for probe in ("powerapi", "scaphandre"):
        diagnosis = found.diagnoses[probe, "machine"]
        assert diagnosis.name == scopes.NAME
        [pair] = [p for p in found.comparison.pairs if (p.probe, p.column) == (probe, "machine")]
        assert pair.scope == "machine of node"
        slope, offset = map(float, re.findall(r"= ([\d.]+) \(.*?\+ (\d+)", diagnosis.reasons[0])[0])
        assert slope == pytest.approx(1.17, abs=0.15)
        assert offset == pytest.approx(974, abs=25)
        [correction] = [
            c for c in found.calibration.corrections if (c.probe, c.column) == (probe, "machine")
        ]
        assert correction.worst_held_out is not None and correction.worst_held_out < 0.03


def test_energy_of_published_columns_is_that_of_a_direct_integration(tmp_path: Path) -> None:
    folder = next(p for p in sorted(published("ccgrid2023").iterdir()) if "17_35_17" in p.name)
    assert imported(tmp_path / "out", "ccgrid2023", folder, flags=[]) == 0
    table: dict[str, list[tuple[float, float]]] = {}
    for file in folder.glob("kwollect-*.csv"):
        for line in csv.DictReader(file.read_text().splitlines()):
            at = datetime.fromisoformat(line["timestamp"]).replace(tzinfo=ZoneInfo("Europe/Paris"))
            table.setdefault(line["metric_id"], []).append((at.timestamp(), float(line["value"])))
    at_s, watts = map(np.array, zip(*sorted(table["wattmetre_power_watt"]), strict=True))
    for run in store.load_campaign(tmp_path / "out").runs:
        begin, end = run.record.begin_ns / 1e9, run.record.end_ns / 1e9
        inside = at_s[(at_s > begin) & (at_s < end)]
        grid = np.concatenate([[begin], inside, [end]])
        level = np.interp(grid, at_s, watts)
        direct = float(np.sum(np.diff(grid) * (level[1:] + level[:-1]) / 2))
        assert joules(run, "wall", "node") == pytest.approx(direct, rel=5e-3)


def test_a_calibration_of_one_published_campaign_predicts_the_next(tmp_path: Path) -> None:
    places = []
    for part in ("17_35_17", "18_05_29"):
        folder = next(p for p in published("ccgrid2023").iterdir() if part in p.name)
        assert imported(tmp_path / part, "ccgrid2023", folder, flags=[]) == 0
        places.append(analysis.analyze(tmp_path / part, "wall", across=True))
    first, second = places
    corrections = correct.Corrections(first.calibration)
    for pair in second.comparison.pairs:
        if pair.column == "machine":
            for row in pair.rows:
                with warnings.catch_warnings():  # it has expired, and a load is a watt above
                    warnings.simplefilter("ignore", correct.CorrectionWarning)
                    made = corrections.correct(
                        row.probe_j, seconds=row.seconds, probe=pair.probe, column=pair.column
                    )
                assert made.joules == pytest.approx(row.reference_j, rel=0.03)


def test_published_dimms_beside_rapl(tmp_path: Path) -> None:
    """ICPE 2024: RAPL's DRAM domain has an offset at idle, and the sockets differ."""
    [folder] = (published("icpe2024") / "broadwell").iterdir()
    assert imported(tmp_path / "out", "icpe2024", folder, flags=[]) == 0
    found = analysis.analyze(tmp_path / "out", "daq")
    rows = {p.column: p.rows for p in found.comparison.pairs if p.column.startswith("dram-")}
    assert set(rows) == {"dram-0", "dram-1"}
    off_w = {
        (column, row.workload): (row.probe_j - row.reference_j) / row.seconds
        for column, each in rows.items()
        for row in each
    }
    assert all(abs(off_w[column, "idle"]) > 0.05 for column in rows)
    assert abs(off_w["dram-0", "idle"] - off_w["dram-1", "idle"]) > 0.02


def test_published_load_model_is_calibratable_by_no_factor(tmp_path: Path) -> None:
    for machine in sorted(published("codecarbon-load").iterdir()):
        out = tmp_path / machine.name
        assert imported(out, "codecarbon-load", machine, flags=[]) == 0
        found = analysis.analyze(out, "rapl")
        [model] = [c for c in found.calibration.corrections if c.probe == "codecarbon"]
        assert model.verdict == "not calibratable"
        assert "worst" in model.reason or "held out" in model.reason
