"""A folder from somebody else is data: nothing in it leads outside, waits, or has no end."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from calibrate import cli, store
from calibrate.errors import BadFile, CrosswattError
from calibrate.store import files
from tests.helpers.campaigns import Fake, build, domain, truth

Damage = Callable[[Path, Path], object]


def load_whole(folder: Path) -> store.Campaign:
    """Load a campaign, and refuse a run that is left out."""
    campaign = store.load_campaign(folder)
    for run in campaign.damaged:
        store.load_run(run.folder)
    return campaign


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    half = Fake(lambda watts, seconds: 0.5 * watts * seconds, domain("package-0"))
    loads = {"idle": 20.0, "gemm": 60.0}
    return build(tmp_path / "campaign", {"truth": truth(), "half": half}, loads, (2.0,))


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    path = tmp_path / "victim"
    path.write_text("precious\n")
    return path


@pytest.mark.parametrize(
    "replace",
    [
        lambda path, victim: path.symlink_to(victim),
        lambda path, victim: path.symlink_to("/dev/zero"),
        lambda path, _: os.mkfifo(path),
        lambda path, _: path.mkdir(),
    ],
    ids=["link", "link to a device", "pipe", "folder"],
)
@pytest.mark.parametrize(
    "name", ["campaign.json", "probes.json", "001-idle/run.json", "001-idle/half.jsonl"]
)
def test_what_is_no_file_is_refused_and_not_waited_for(
    folder: Path, victim: Path, name: str, replace: Damage
) -> None:
    path = folder / name
    path.unlink(missing_ok=True)
    replace(path, victim)
    with pytest.raises(BadFile, match=path.name):
        load_whole(folder)


def test_a_folder_of_a_run_that_is_a_link_is_refused(folder: Path, tmp_path: Path) -> None:
    shutil.move(folder / "001-idle", tmp_path / "elsewhere")
    (folder / "001-idle").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadFile, match="001-idle: it is a link"):
        load_whole(folder)


@pytest.mark.parametrize(
    "name",
    ["..", ".", "", "/etc", "a/b", "a\\b", "../x", ".hidden", "a\nb", "a\x1b[m", "x" * 300],
)
def test_a_name_that_leads_elsewhere_is_refused_where_it_is_read(folder: Path, name: str) -> None:
    def damage(path: Path, change: Callable[[dict[str, object]], object]) -> None:
        document = json.loads(path.read_text())
        change(document)
        path.write_text(json.dumps(document))

    campaign = (folder / "campaign.json").read_text()
    damage(folder / "campaign.json", lambda d: d["jobs"][0].update(folder=name))  # type: ignore[index]
    with pytest.raises(BadFile, match=r"jobs\.0\.folder"):
        load_whole(folder)
    (folder / "campaign.json").write_text(campaign)
    damage(folder / "campaign.json", lambda d: d["sources"][0].update(name=name))  # type: ignore[index]
    with pytest.raises(BadFile, match=r"sources\.0\.name"):
        load_whole(folder)
    (folder / "campaign.json").write_text(campaign)
    damage(folder / "001-idle/run.json", lambda d: d["probes"].update({name: {"status": "ok"}}))  # type: ignore[attr-defined]
    with pytest.raises(BadFile, match="cannot be the name of a file"):
        load_whole(folder)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[" * 100_000, "nested too deep"),
        ('{"schema": ' + "9" * 5000 + "}", "digits"),
        ('{"schema": NaN}', "NaN is not a number"),
        ('{"schema": 1, "created": "yesterday"', "not JSON"),
        ("\ufeff{}", "not JSON"),
    ],
)
def test_json_without_measure_is_a_sentence(folder: Path, text: str, why: str) -> None:
    (folder / "campaign.json").write_text(text)
    with pytest.raises(BadFile, match=why):
        load_whole(folder)


def test_a_document_and_a_line_have_a_largest_size(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (folder / "001-idle/half.jsonl").open("a") as file:
        file.write(" " * files.LINE_BYTES + "\n")
    with pytest.raises(BadFile, match="line 10: the line is longer than 1 MiB"):
        load_whole(folder)
    with (folder / "campaign.json").open("a") as file:
        file.write(" " * files.DOCUMENT_BYTES)
    with pytest.raises(BadFile, match="larger than 16 MiB"):
        load_whole(folder)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"facts": {"a": {"b": 1}}}, "facts"),
        ({"period_s": "1"}, "period_s"),
        ({"domains": [{"name": "x", "scope": "package", "resolution_j": -1.0}]}, "negative"),
        ({"domains": [{"name": "x", "scope": "package"}] * 2}, "two domains have one name"),
        ({"domains": [3]}, "domains"),
        ({"domains": [{"name": "x", "scope": "package"}] * 5000}, "domains"),
    ],
)
def test_a_probes_description_is_checked_with_its_line(
    folder: Path, change: dict[str, object], why: str
) -> None:
    path = folder / "001-idle/half.jsonl"
    first, *rest = path.read_text().splitlines(keepends=True)
    path.write_text(json.dumps({**json.loads(first), **change}) + "\n" + "".join(rest))
    with pytest.raises(BadFile, match=f"line 1: .*{why}"):
        load_whole(folder)


@pytest.mark.parametrize("value", ["1e999", "NaN", "1e40", "true", '"5"', "null", "[]"])
def test_a_reading_has_numbers(folder: Path, value: str) -> None:
    path = folder / "001-idle/half.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    lines[2] = (
        f'{{"doc": "reading", "before_ns": 1, "after_ns": 2, "values": {{"package-0": {value}}}}}\n'
    )
    path.write_text("".join(lines))
    with pytest.raises(BadFile, match="line 3"):
        load_whole(folder)


# ---- writing ----


def test_a_link_at_the_place_of_a_document_is_replaced(folder: Path, victim: Path) -> None:
    (folder / "comparison.json").symlink_to(victim)
    store.write(folder / "comparison.json", "{}\n")
    assert victim.read_text() == "precious\n"
    assert (folder / "comparison.json").read_text() == "{}\n"
    assert not (folder / "comparison.json").is_symlink()


def test_links_with_names_of_temporary_files_are_not_written_through(
    folder: Path, victim: Path
) -> None:
    for pid in range(os.getpid(), os.getpid() + 50):
        (folder / f".comparison.json.{pid}").symlink_to(victim)
    assert cli.main(["analyze", str(folder)]) in {0, 2}
    assert victim.read_text() == "precious\n"


def test_a_failed_write_leaves_the_old_file_and_nothing_beside_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (folder / "campaign.json").read_text()
    names = sorted(path.name for path in folder.iterdir())

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        store.write(folder / "campaign.json", "new")
    assert (folder / "campaign.json").read_text() == before
    assert sorted(path.name for path in folder.iterdir()) == names


def test_a_copy_takes_no_links_and_no_working_folder_of_others(
    folder: Path, victim: Path, tmp_path: Path
) -> None:
    precious = tmp_path / "new.part"
    precious.mkdir()
    (precious / "thesis.txt").write_text("my only copy")
    with store.changed_copy(folder, tmp_path / "new"):
        pass
    assert (precious / "thesis.txt").read_text() == "my only copy"
    assert store.load_campaign(tmp_path / "new").record == store.load_campaign(folder).record
    (folder / "001-idle/notes.txt").symlink_to(victim)
    with (
        pytest.raises(BadFile, match=r"notes\.txt: it is a link"),
        store.changed_copy(folder, tmp_path / "other"),
    ):
        pass
    assert not (tmp_path / "other").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"campaign", "victim", "new", "new.part"}


def test_an_import_does_not_remove_a_folder_that_is_not_its_own(tmp_path: Path) -> None:
    part = tmp_path / "imported.part"
    part.mkdir()
    (part / "thesis.txt").write_text("my only copy")
    table = tmp_path / "a.csv"
    table.write_text("timestamp,x\n")
    assert cli.main(["import", "codecarbon", str(table), "--out", str(tmp_path / "imported")]) == 64
    assert (part / "thesis.txt").read_text() == "my only copy"


def test_a_half_written_last_line_is_cut_off_and_a_link_is_not_written_through(
    tmp_path: Path, victim: Path
) -> None:
    log = tmp_path / "probe.jsonl"
    log.write_bytes(b'{"doc": "begin", "before_ns": 1, "after_ns": 1}\n{"doc": "rea')
    state = store.ProbeState(status="killed", reason="it hung")
    store.close_log(log, state, 7)
    assert store.load_log(log).stop["lost_bytes"] == 12
    log.unlink()
    log.symlink_to(victim)
    with pytest.raises((BadFile, OSError)):
        store.close_log(log, state, 7)
    assert victim.read_text() == "precious\n"


def test_what_nobody_foresaw_ends_with_a_code_of_its_own(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("in the middle")

    monkeypatch.setattr("calibrate.store.folder.load_run", broken)
    assert cli.main(["analyze", str(folder)]) == 70
    said = " ".join(capsys.readouterr().err.split())
    assert "ZeroDivisionError: in the middle" in said and "Please report it" in said


def test_a_working_folder_needs_a_free_name(tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to(tmp_path / "nowhere")
    with pytest.raises(CrosswattError, match="exists"):
        store.make_working_folder(tmp_path / "out")
    with pytest.raises(CrosswattError, match="no folder can be made"):
        store.make_working_folder(tmp_path / "missing" / "out")
