"""Other people's measurements as campaigns: every format from a few lines of it."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
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

from calibrate import analysis, store
from calibrate.calibration import CorrectionWarning, Corrector
from calibrate.cli import main
from calibrate.diagnosis.across import NAME
from calibrate.energy import probe_columns, window_energy
from calibrate.errors import BadFile, CrosswattError, UnknownName
from calibrate.ingest import find_importer, importers
from calibrate.ingest.bson import documents
from calibrate.ingest.feed import Options, epoch_ns
from calibrate.ingest.long import Long, pivot
from tests.helpers import samples
from tests.helpers.samples import SAMPLES

UTC = ("--zone", "UTC")
DATA = Path(__file__).parents[4] / "shared" / "data"


def imported(folder: Path, form: str, *paths: Path | str, flags: Sequence[str] = UTC) -> int:
    return main(["import", form, *map(str, paths), "--out", str(folder), *flags])


def joules(run: store.Run, probe: str, column: str) -> float:
    window = run.record.begin_ns, run.record.end_ns
    log = run.logs[probe]
    [found] = [each for each in probe_columns(log.domains.values()) if each.name == column]
    energy = window_energy(log, found, window)
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
    assert {each.form for each in SAMPLES.values()} == importers().keys() - published - {"csv"}


@pytest.mark.parametrize("form", sorted({each.form for each in SAMPLES.values()}))
def test_no_format_takes_another_one_for_its_own(tmp_path: Path, form: str) -> None:
    options = Options(zone="UTC", unit="W", scope="gpu-0")
    others = [each for each in SAMPLES.values() if each.form != form]
    for sample in others:
        with pytest.raises((CrosswattError, ValueError, LookupError)):
            find_importer(form)([sample.write(tmp_path)], options)
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


#: A report of PowerAPI as pymongo 4.20.1 encodes it.
RECORDED_BSON = (
    "aa000000075f696400662f000000000000000000010974696d657374616d700000c198338f0100000273656e736f72"
    "000200000073000274617267657400050000007261706c00036d657461646174610049000000027363"
    "6f706500040000006370750002736f636b65740002000000300002666f726d756c6100020000007800"
    "10726174696f0001000000107072656469637400000000000001706f77657200000000000000494000"
)


def test_a_dump_is_read_as_a_driver_writes_it() -> None:
    recorded = bytes.fromhex(RECORDED_BSON)
    [first, *_] = samples.reports(lambda ms: (ms,))
    assert samples.bson(first) == recorded
    [found] = documents(io.BytesIO(recorded))
    assert found["timestamp"] == 1714557600000 and found["power"] == 50.0
    assert found["metadata"]["socket"] == "0" and found["_id"].hex() == first["_id"]["$oid"]


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"\x04\0\0\0", "a document of 4 bytes"), (b"\x10\0\0\0\x01x\0", "cut short"),
     (b"\x08\0\0\0\x7fx\0\0", "type 0x7f")],
)  # fmt: skip
def test_a_dump_that_is_none(data: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        list(documents(io.BytesIO(data)))


def test_stored_times_of_powerapi_are_of_its_clock(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = SAMPLES["powerapi mongoexport"].write(tmp_path)
    begun = {}
    for zone in ([], ["--zone", "Europe/Paris"]):
        out = tmp_path / f"out{len(zone)}"
        assert imported(out, "powerapi", path, flags=zone) == 0
        begun[len(zone)] = store.load_campaign(out).runs[0].record.begin_ns / 1e9
        assert ("UTC was taken" in capsys.readouterr().out) == (not zone)
    assert begun == {0: samples.T0, 2: samples.T0 - 7200}


def text_of(key: str) -> str:
    return SAMPLES[key].data.decode()


def refused(tmp_path: Path, form: str, text: str, flags: Sequence[str] = UTC) -> str:
    (tmp_path / "file").write_text(text)
    with pytest.raises(CrosswattError) as refusal:
        zone = flags[1] if flags else None
        find_importer(form)([tmp_path / "file"], Options(zone=zone))
    return str(refusal.value)


@pytest.mark.parametrize(
    ("form", "text", "words"),
    [
        ("nvidia-smi", "2024/05/01 10:00:00.000, 0, 200.00 W\n", "noheader leaves out"),
        ("nvidia-smi", "timestamp, power.draw [W]\n2024/05/01 10:00:00.000, 200.00 W\n",
         "which GPU a line is of"),
        ("turbostat", "PkgWatt\tRAMWatt\n50.00\t5.00\n", "no column Time_Of_Day_Seconds"),
        ("turbostat", "CPU: 0 flags 0x3\nTSC: 1a\n", "counters of --Dump are none"),
        ("scaphandre", samples.SCAPHANDRE_PAGE, "writes one before each line"),
        ("scaphandre", json.dumps({"status": "success", "data": {"resultType": "matrix", "result": [
            {"metric": {"instance": "n"}, "values": [[1714557600, "1"]]}]}}), "without rate()"),
        ("scaphandre", '{"status":"error","errorType":"bad_data","error":"invalid"}', "invalid"),
        ("dcgm", "#Entity   POWER\nGPU 0     200.000\n", "writes one before each line"),
        ("perun", "\x89HDF", "perun"),
        ("zeus", "start_time,window_name,elapsed_time,gpu0_energy\n", "no measurement"),
        ("carbontracker", "2024-05-01 10:00:00 - carbontracker version 2.4.7\n",
         "_carbontracker_output.log"),
        ("ipmi", "2024-05-01T10:00:00Z PS1 Input | 182.000 | Watts | ok | na | na\n",
         "what its sensors cover (PS1 Input)"),
        ("ipmi", "Instantaneous power reading: 240 Watts\n"
         "IPMI timestamp: 03/06/2025 07:40:35 UTC\n", "power reading of ipmitool's beside a time"),
        ("shelly", "timestamp,total_act_energy\n1654494480,22.7\n", "not two rows"),
        ("tapo", '{"power_mw": 20000}\n', "writes one before each line"),
        ("powerapi", "{}\n", "no power report"),
    ],
)  # fmt: skip
def test_what_a_file_lacks_is_said(tmp_path: Path, form: str, text: str, words: str) -> None:
    assert words in refused(tmp_path, form, text)


def test_hdf5_of_perun_is_refused_with_the_command_that_helps(tmp_path: Path) -> None:
    (tmp_path / "train.hdf5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(BadFile, match="perun export FILE FOLDER json"):
        find_importer("perun")([tmp_path / "train.hdf5"], Options())


def test_a_recorded_stream_that_was_cut_off(tmp_path: Path) -> None:
    """What Scaphandre 1.0.2 wrote; one that is killed does not write the array's end."""
    recorded = (Path(__file__).parents[2] / "data/scaphandre-1.0.2.json").read_text().rstrip()
    (tmp_path / "s.json").write_text(recorded.removesuffix("]"))
    assert imported(tmp_path / "out", "scaphandre", tmp_path / "s.json", flags=[]) == 0
    [run] = store.load_campaign(tmp_path / "out").runs
    told = json.loads(recorded)
    points = [(each["host"]["timestamp"], each["host"]["consumption"] / 1e6) for each in told[1:]]
    at_s, watts = map(np.array, zip(*points, strict=True))
    direct = float(np.sum(np.diff(at_s) * (watts[1:] + watts[:-1]) / 2))
    assert joules(run, "scaphandre", "host") == pytest.approx(direct, rel=1e-6)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("Pwr Consumption  | 182.000    | Watts      | ok    | na | na | na | 917.0 | 966.0 | na",
         "Pwr Consumption"),
        ("Pwr Consumption  | 182 Watts         | ok", "Pwr Consumption"),
        ("Pwr Consumption  | 77h | ok  |  7.1 | 182 Watts", "Pwr Consumption"),
        ("Inlet Temp       | 22.000     | degrees C  | ok    | na | -7.000 | 3.0 | 42.0 | na",
         None),
        ("PS2 Input        | na         | Watts      | na    | na | na | na | na | na | na", None),
        ("Pwr Consumption  | disabled          | ns", None),
    ],
)  # fmt: skip
def test_lines_of_ipmitools_sensors(tmp_path: Path, line: str, name: str | None) -> None:
    """The forms of ipmitool sensor, sdr and sdr elist."""
    (tmp_path / "log.txt").write_text(f"{samples.T0} {line}\n")
    options = Options(scope="node")
    if name is None:
        with pytest.raises(BadFile, match="no power reading"):
            find_importer("ipmi")([tmp_path / "log.txt"], options)
        return
    [feed] = find_importer("ipmi")([tmp_path / "log.txt"], options).feeds
    [chunk] = feed.chunks
    assert chunk.values[name].tolist() == [182.0] and feed.domains[0].scope == "node"


def test_sensors_of_redfish_have_their_own_time(tmp_path: Path) -> None:
    told = [
        {"@odata.type": "#Sensor.v1_7_0.Sensor", "Id": "TotalPower", "ReadingType": "Power",
         "ReadingUnits": "W", "Reading": 300.5 + n, "ReadingTime": samples.iso(n)}
        for n in range(2)
    ]  # fmt: skip
    told += [{"@odata.type": "#Sensor.v1_7_0.Sensor", "Id": "Inlet", "ReadingUnits": "Cel",
              "ReadingType": "Temperature", "Reading": 22.0}]  # fmt: skip
    (tmp_path / "log.json").write_text("".join(json.dumps(each, indent=2) + "\n" for each in told))
    [feed] = find_importer("redfish")([tmp_path / "log.json"], Options()).feeds
    [chunk] = feed.chunks
    assert chunk.values["TotalPower"].tolist() == [300.5, 301.5]
    assert chunk.at_ns.tolist() == [samples.T0 * 10**9, (samples.T0 + 1) * 10**9]


def test_answers_to_repeated_questions_are_lines(tmp_path: Path) -> None:
    """/api/v1/query, asked again and again: an answer a line, of the type vector."""
    answers = [
        {"status": "success", "data": {"resultType": "vector", "result": [
            {"metric": {"__name__": "DCGM_FI_DEV_POWER_USAGE", "gpu": "1", "Hostname": "n"},
             "value": [samples.T0 + n, "250.5"]}]}}
        for n in range(3)
    ]  # fmt: skip
    lines = [json.dumps(each) for each in answers]
    lines += ['{"status": "error", "error": "not ready"}', '{"status": "succ']
    (tmp_path / "answers.jsonl").write_text("\n".join(lines))
    kept: list[str] = []
    options = Options(reject=lambda line, why: kept.append(why))
    [feed] = find_importer("dcgm")([tmp_path / "answers.jsonl"], options).feeds
    [chunk] = feed.chunks
    assert chunk.values["gpu-1-average"].tolist() == [250.5] * 3
    assert kept[1] == "no answer of Prometheus with series not ready" and len(kept) == 2


def test_series_of_several_machines_are_refused(tmp_path: Path) -> None:
    two = text_of("scaphandre query_range").replace("n:8080", "m:8080", 1)
    assert "several machines (m:8080, n:8080)" in refused(tmp_path, "scaphandre", two)


def test_many_processes_are_left_out_and_it_is_said(tmp_path: Path) -> None:
    page = "".join(
        f'scaph_process_power_consumption_microwatts{{pid="{n}",exe="x"}} 12\n' for n in range(40)
    )
    text = text_of("scaphandre pages").replace("# TYPE", page + "# TYPE")
    (tmp_path / "pages.txt").write_text(text)
    found = find_importer("scaphandre")([tmp_path / "pages.txt"], Options())
    assert [feed.name for feed in found.feeds] == ["scaphandre"]
    assert found.notes[0].startswith("40 processes were left out")


def test_samples_with_times_of_their_own(tmp_path: Path) -> None:
    """A line of Prometheus' text format may end in milliseconds since 1970."""
    lines = [f"scaph_host_power_microwatts 5e7 {1000 * (samples.T0 + n)}\n" for n in range(3)]
    (tmp_path / "pages.txt").write_text("".join(lines) + "scaph_host_power_microwatts NaN 1\n")
    [feed] = find_importer("scaphandre")([tmp_path / "pages.txt"], Options()).feeds
    [chunk] = feed.chunks
    assert chunk.at_ns.tolist() == [(samples.T0 + n) * 10**9 for n in range(3)]
    assert chunk.values["host"].tolist() == [50.0] * 3


def test_looks_at_one_run_of_codecarbon_are_one_run(tmp_path: Path) -> None:
    """What `flush` has written on the way is part of what `stop` wrote."""
    stop = {"timestamp": "2024-05-01T10:01:00", "project_name": "train", "run_id": "a",
            "duration": 60.0, "cpu_energy": 0.001, "tracking_mode": "machine"}  # fmt: skip
    flush = stop | {"timestamp": "2024-05-01T10:00:20", "duration": 20.0, "cpu_energy": 0.0004}
    (tmp_path / "emissions.csv").write_text(samples.emissions("3.3.2", flush, stop))
    assert imported(tmp_path / "out", "codecarbon", tmp_path / "emissions.csv") == 0
    [run] = store.load_campaign(tmp_path / "out").runs
    assert run.record.seconds == 60 and joules(run, "codecarbon", "cpu") == pytest.approx(3600)


def test_tasks_of_codecarbon_are_runs_each(tmp_path: Path) -> None:
    """They share one run_id, and each figure is its own; stamps are of whole seconds."""
    (tmp_path / "tasks.csv").write_text(
        "task_name,timestamp,project_name,run_id,duration,cpu_energy,energy_consumed\n"
        "load,2024-05-01T10:00:10,p,a,10.0,0.0001,0.0001\n"
        "train,2024-05-01T10:00:39,p,a,29.9,0.0002,0.0002\n"
    )
    assert imported(tmp_path / "out", "codecarbon", tmp_path / "tasks.csv") == 0
    runs = store.load_campaign(tmp_path / "out").runs
    assert [run.record.workload for run in runs] == ["load", "train"]
    assert [run.record.seconds for run in runs] == pytest.approx([10, 29.9])
    assert [joules(run, "codecarbon", "cpu") for run in runs] == pytest.approx([360, 720])


def test_rounds_of_perun_are_runs(tmp_path: Path) -> None:
    path = SAMPLES["perun"].write(tmp_path)
    assert imported(tmp_path / "out", "perun", path) == 0
    runs = store.load_campaign(tmp_path / "out").runs
    assert [run.record.repeat for run in runs] == [1, 2]
    assert [joules(run, "perun", "package-0") for run in runs] == pytest.approx([500, 600])


def test_windows_of_zeus_within_others_are_left_out_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert imported(tmp_path / "out", "zeus", SAMPLES["zeus"].write(tmp_path)) == 0
    assert "1 measurements overlap others" in capsys.readouterr().out
    assert [run.record.workload for run in store.load_campaign(tmp_path / "out").runs] == [
        "epoch", "epoch",
    ]  # fmt: skip


def test_energy_entities_of_home_assistant_are_counters(tmp_path: Path) -> None:
    """The history of an energy sensor, as --unit says: kWh that grow."""
    lines = [f"sensor.total,{10 + n / 10:.1f},2024-05-01T10:00:{n:02d}.000Z\n" for n in range(11)]
    (tmp_path / "history.csv").write_text("entity_id,state,last_changed\n" + "".join(lines))
    flags = ["--unit", "kWh"]
    out = tmp_path / "out"
    assert imported(out, "home-assistant", tmp_path / "history.csv", flags=flags) == 0
    [run] = store.load_campaign(out).runs
    assert joules(run, "wall", "sensor.total energy") == pytest.approx(3.6e6)


def test_a_page_that_the_controller_does_not_stand_by_is_left_out(tmp_path: Path) -> None:
    text = (
        text_of("ipmi")
        .replace(" 240 Watts", " 999 Watts", 1)
        .replace(" activated", " deactivated", 1)
    )
    (tmp_path / "dcmi.txt").write_text(text)
    [feed] = find_importer("ipmi")([tmp_path / "dcmi.txt"], Options(zone="UTC")).feeds
    [chunk] = feed.chunks
    assert chunk.values["node"].tolist() == [240.0] * 10


def test_shellys_gaps_use_nothing(tmp_path: Path) -> None:
    """A row that is missing is a minute in which its counter stands still, and not a slope."""
    lines = text_of("shelly").splitlines(keepends=True)
    del lines[5]
    (tmp_path / "emdata.csv").write_text("".join(lines))
    assert imported(tmp_path / "out", "shelly", tmp_path / "emdata.csv", flags=[]) == 0
    [run] = store.load_campaign(tmp_path / "out").runs
    assert joules(run, "wall", "a energy") == pytest.approx(9 * 3600)
    gap_ns = (samples.T0 + 4 * 60) * 10**9
    [column] = [c for c in probe_columns(run.logs["wall"].domains.values()) if c.name == "a energy"]
    found = window_energy(run.logs["wall"], column, (gap_ns, gap_ns + 60 * 10**9))
    assert found and found.joules == pytest.approx(0, abs=1e-6)


def test_damaged_documents_cost_no_others(tmp_path: Path) -> None:
    lines = text_of("powerapi mongoexport").splitlines()
    lines[7] = lines[7][:40]
    (tmp_path / "reports.json").write_text("\n".join(lines))
    kept: list[str] = []
    options = Options(reject=lambda line, why: kept.append(why))
    [feed] = find_importer("powerapi")([tmp_path / "reports.json"], options).feeds
    [chunk] = feed.chunks
    assert sum(int(np.isfinite(c).sum()) for c in chunk.values.values()) == 43 and kept


def test_a_long_table_comes_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks end between instants; a column that a block lacks is left out of it."""
    monkeypatch.setattr(Long, "BLOCK", 3)
    long = Long()
    for at_ns, name, value in [(5, "a", 1.0), (1, "a", 2.0), (3, "b", 3.0), (3, "a", 4.0),
                               (4, "a", 5.0), (3, "a", 6.0)]:  # fmt: skip
        long.put(at_ns, name, value)
    first, second = long
    assert first.at_ns.tolist() == [1] and first.values.keys() == {"a"}
    assert second.at_ns.tolist() == [3, 4, 5] and second.values["a"].tolist() == [6.0, 5.0, 1.0]
    assert second.values["b"][0] == 3.0 and np.isnan(second.values["b"][1:]).all()
    assert long.whole().at_ns.tolist() == [1, 3, 4, 5]


def test_a_long_table_refuses_what_is_none() -> None:
    long = Long()
    long.add(1, "a", 2.0)
    long.add(2, "a", 3.0)
    with pytest.raises(ValueError, match="backwards by 1 J"):
        long.add(3, "a", -1.0)
    with pytest.raises(ValueError, match="no instant"):
        long.put(2**63, "a", 1.0)
    assert long.whole().values["a"].tolist() == [2.0, 5.0]
    with pytest.raises(CrosswattError, match="more than 1000 different columns"):
        for n in range(1001):
            long.put(1, f"c{n}", 1.0)


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
        find_importer("energibridge")([path], Options())


def test_bad_lines_are_counted_kept_and_limited(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "eb.csv"
    path.write_text(text_of("energibridge") + "1,2\n200,1714557612000,5.0,many\n")
    assert imported(tmp_path / "out", "energibridge", path) == 0
    assert "2 lines could not be parsed" in capsys.readouterr().out
    kept = (tmp_path / "out" / "rejected.txt").read_text().splitlines()
    assert kept[0] == "2 cells instead of 4\t1,2" and "no number" in kept[1]
    flags = ["--max-bad", "1"]
    assert imported(tmp_path / "no", "energibridge", path, flags=flags) == 64
    assert "More than 1 lines make no sense" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "no").exists()


def test_an_unknown_format_gets_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean codecarbon"):
        find_importer("codecarbn")


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
    [damaged] = store.load_campaign(out).damaged
    assert "has not the 11 readings" in damaged.reason


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
    assert "no number\tmany" in kept and "2 cells, not 5" in kept and "no time (" in kept
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
        assert diagnosis.name == NAME
        [pair] = [p for p in found.comparison.pairs if (p.probe, p.column) == (probe, "machine")]
        assert pair.scopes == "machine of node" and pair.across
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
    corrections = Corrector(first.calibration)
    for pair in second.comparison.pairs:
        if pair.column == "machine":
            for row in pair.rows:
                with warnings.catch_warnings():  # it has expired, and a load is a watt above
                    warnings.simplefilter("ignore", CorrectionWarning)
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


def test_published_load_model_is_fit_by_no_factor(tmp_path: Path) -> None:
    for machine in sorted(published("codecarbon-load").iterdir()):
        out = tmp_path / machine.name
        assert imported(out, "codecarbon-load", machine, flags=[]) == 0
        found = analysis.analyze(out, "rapl")
        [model] = [c for c in found.calibration.corrections if c.probe == "codecarbon"]
        # A line at the best, for a quarter of a reading only; one machine is described by nothing.
        assert model.verdict in {"gain and offset", "not calibratable"}
        assert model.fitness is not None and not model.fitness.met
        assert model.worst_held_out is not None and model.worst_held_out > 0.2
