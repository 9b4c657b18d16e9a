"""Folders as they were published: what they hold is read or told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from calibrate import store
from calibrate.ingest.published import _dimms
from tests.helpers.cases import shared_case
from tests.helpers.imports import imported, joules

LEVELS = (
    "load_type,cpu_name,timestamp,cores_used,cpu_load,rapl_energy,estimated_energy,tapo_energy,"
    "duration\n"
)


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())


def test_a_plug_that_is_zero_in_every_level_was_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "compare_cpu_load_and_RAPL-x.csv"
    rows = (f"all,X,{1736850000 + 31 * n}.0,8,{10 * n},0.0001,0.00005,0,30.0\n" for n in range(4))
    log.write_text(LEVELS + "".join(rows))
    for run in imported(tmp_path / "out", "codecarbon-load", log):
        assert run.record.probes["tapo"].status == "unavailable"
        assert joules(run, "rapl", "package") == pytest.approx(360)
    assert "tapo is 0 in every level" in said(capsys)


@pytest.mark.parametrize(
    ("name", "sockets", "place"),
    [("DRAM Socket 1", [0, 1], "dram-1"), ("DRAM CH E", [0, 1], "dram"),
     ("DRAM CH E", [0], "dram-0"), ("Riser", None, "dram")],
)  # fmt: skip
def test_a_riser_is_of_a_socket_where_the_folder_says_so(
    name: str, sockets: list[int] | None, place: str
) -> None:
    config: dict[str, Any] = {"riser_names": [name]}
    if sockets is not None:
        config["sockets"] = sockets
    assert _dimms(config, 0) == place


def ccgrid(folder: Path) -> Path:
    """Write a folder in which PowerAPI, EnergyScope and another tool ran in turn."""
    folder.mkdir()
    experiments = []
    for turn, tool in enumerate(("PowerAPI", "EnergyScope", "Perf")):
        at = [f"2022-09-28 17:{10 * turn + n // 60:02d}:{n % 60:02d}.000" for n in range(120)]
        bench = {
            "name": "EP D", "sleep_before": 0, "threads": 0,
            "start_time": f"2022-09-28 17:{10 * turn:02d}:30.000001",
            "end_time": f"2022-09-28 17:{10 * turn + 1:02d}:30.000001",
        }  # fmt: skip
        experiments.append({"name": tool, "benchmarks": [bench]})
        name = tool.lower()
        rows = "".join(f"{n},{t},n1,wattmetre_power_watt,200\n" for n, t in enumerate(at))
        table = f",timestamp,device_id,metric_id,value\n{rows}"
        (folder / f"kwollect-{name}_{name}.csv").write_text(table)
        if tool == "PowerAPI":
            rows = "".join(f"{n},{t},rapl,70,cpu,0\n" for n, t in enumerate(at))
            text = f",timestamp,target,power,scope,socket\n{rows}"
            (folder / "powerapi_powerapi.csv").write_text(text)
        if tool == "EnergyScope":
            rows = "".join(f"{n},90,{t}\n" for n, t in enumerate(at))
            text = f",data.data.etotal(W),timestamp\n{rows}"
            (folder / "energyscope_energyscope.csv").write_text(text)
    told = {"jobs": {"bench": {"host": "n1"}}, "cpu": [], "experiments": experiments}
    (folder / "experiments.json").write_text(json.dumps(told))
    return folder


def test_a_tool_that_is_not_read_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = imported(tmp_path / "out", "ccgrid2023", ccgrid(tmp_path / "results"))
    assert joules(first, "powerapi", "package") == pytest.approx(70 * 60)
    assert joules(second, "energyscope", "machine") == pytest.approx(90 * 60)
    assert "Perf in results was left out" in said(capsys)


def test_the_cases_of_published_folders(tmp_path: Path) -> None:
    for run in imported(tmp_path / "p", "codecarbon-load", shared_case("analysis/07-plug-absent")):
        assert run.record.probes["tapo"].status == "unavailable"
    [run] = imported(tmp_path / "r", "icpe2024", shared_case("analysis/09-riser-names"))
    assert set(run.logs["daq"].domains) == {"dram"}
    imported(tmp_path / "t", "ccgrid2023", shared_case("analysis/10-tool-dropped"))
    sources = store.load_campaign(tmp_path / "t").record.sources
    assert {"wall", "powerapi", "energyscope"} == {source.name for source in sources}
