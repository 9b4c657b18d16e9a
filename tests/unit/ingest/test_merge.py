"""A log joins a campaign that it covers in part: what can be compared stays, the rest is told."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from calibrate import analysis, store
from calibrate.cli import main
from calibrate.errors import CrosswattError
from calibrate.ingest import merge_log
from tests.helpers.imports import imported, joules

MAPPING = (
    '[time]\ncolumn="time"\nunit="s"\n'
    '[[value]]\ncolumn="figure"\nunit="{}"\nkind="{}"\nscope="node"\nprobe="{}"\n'
)


def log(folder: Path, probe: str, seconds: Iterable[int], unit: str = "W") -> store.Campaign:
    """Import a log of 100 W, or of 100 J of every second."""
    table, mapping = folder / f"{probe}.csv", folder / f"{probe}.toml"
    rows = (f"{1_750_000_000 + second},100\n" for second in seconds)
    table.write_text("time,figure\n" + "".join(rows))
    mapping.write_text(MAPPING.format(unit, "power" if unit == "W" else "delta", probe))
    imported(folder / probe, "csv", table, "--mapping", mapping)
    return store.load_campaign(folder / probe)


def test_a_run_that_the_log_lacks_keeps_what_it_has(tmp_path: Path) -> None:
    meter = log(tmp_path, "meter", [*range(60), *range(200, 260)], "J")
    wall = log(tmp_path, "wall", range(61))
    made = merge_log(meter, wall, tmp_path / "both")
    assert made.runs == ("001-measured",)
    assert made.notes == ("002-measured: wall has nothing of this time.",)
    first, second = store.load_campaign(tmp_path / "both").runs
    assert joules(first, "wall", "node") == joules(first, "meter", "node") == 5900
    assert second.record.probes["wall"].status == "unavailable"
    assert analysis.analyze(tmp_path / "both", reference="wall").comparison.pairs
    for command in ("analyze", "report", "align"):
        assert main([command, str(tmp_path / "both"), "--reference", "wall"]) in {0, 64}


def test_a_log_of_a_part_cuts_an_imported_run_to_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log(tmp_path, "node", range(3601))
    log(tmp_path, "wall", range(60, 122))
    folders = [str(tmp_path / name) for name in ("node", "wall")]
    assert main(["merge", *folders, "--out", str(tmp_path / "both")]) == 0
    assert "cut to the 61 of 3600 s" in " ".join(capsys.readouterr().out.split())
    [run] = store.load_campaign(tmp_path / "both").runs
    assert joules(run, "wall", "node") == joules(run, "node", "node") == 6100


def test_what_lies_in_a_gap_of_the_log_is_not_compared(tmp_path: Path) -> None:
    wall = log(tmp_path, "wall", range(190))
    meter = log(tmp_path, "meter", [*range(30), *range(100, 190)], "J")
    merge_log(wall, meter, tmp_path / "both")
    [run] = store.load_campaign(tmp_path / "both").runs
    assert run.record.seconds == 89
    assert joules(run, "meter", "node") == joules(run, "wall", "node")


def test_a_campaign_without_runs_shares_no_time(tmp_path: Path) -> None:
    meter = log(tmp_path, "meter", range(60), "J")
    wall = log(tmp_path, "wall", range(60))
    record = meter.record.model_copy(update={"jobs": ()})
    store.save(meter.folder / store.CAMPAIGN, record)
    with pytest.raises(CrosswattError, match="the campaign ran never"):
        merge_log(store.load_campaign(meter.folder), wall, tmp_path / "both")
