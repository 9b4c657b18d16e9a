"""What a log allows to say of a window: energies, codes, columns, refusals."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from calibrate import store
from calibrate.calibration import Calibration, Correction
from calibrate.cli import main
from calibrate.errors import CrosswattError, UnknownName
from calibrate.logcheck import Answer, Code, Question, check_log
from calibrate.stats import Estimate
from tests.helpers.cases import shared_case, shared_data
from tests.helpers.powerlogs import BUSY_W, IDLE_W, JOB_S, dcgm_page, gpu_log


def check(path: Path, begin: str | None = None, end: str | None = None, **more: object) -> Answer:
    zone = more.pop("zone", None)
    form = more.pop("form", None)
    mapping = more.pop("mapping", None)
    question = Question(begin, end, **more)  # type: ignore[arg-type]
    return check_log([path], question, form, zone=zone, mapping=mapping)  # type: ignore[arg-type]


def codes(found: Answer) -> set[Code]:
    return {reason.code for reason in found.reasons}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return gpu_log(tmp_path / "gpu.csv")


def test_gpus_are_summed_once_and_u_holds_the_energy(log: Path) -> None:
    found = check(log, "+30s", "+270s", per={"tokens": 1e6, "images": 50.0})
    true = 2 * (BUSY_W * 180 + IDLE_W * 60)
    assert found.joules is not None and found.expanded_j is not None and found.k is not None
    assert abs(found.joules - true) <= found.expanded_j < 0.02 * true
    assert 1.6 < found.k < 2.5
    assert found.state == "pass"
    assert [each.name for each in found.measured] == ["gpu-0-instant + gpu-1-instant"]
    assert [each.unit for each in found.rates] == ["tokens", "images"]
    assert found.rates[0].joules == pytest.approx(found.joules / 1e6)
    assert "does not contain the meter's own error" in found.gain


def test_a_window_that_is_the_job_has_the_power_of_the_job_up_to_its_ends(log: Path) -> None:
    found = check(log, f"+{JOB_S[0]}s", f"+{JOB_S[1]}s")
    true = 2 * BUSY_W * 180
    assert found.joules is not None and found.expanded_j is not None
    assert abs(found.joules - true) <= found.expanded_j


def test_one_column_alone(log: Path) -> None:
    found = check(log, "+30s", "+270s", columns=["gpu-1-instant"])
    assert found.joules == pytest.approx(BUSY_W * 180 + IDLE_W * 60, rel=0.01)
    assert found.left == (("nvidia-smi.gpu-0-instant", "it was not named"),)
    with pytest.raises(UnknownName, match="gpu-1-instant"):
        check(log, "+30s", "+270s", columns=["gpu-9"])


def test_times_with_a_zone_epochs_and_offsets_are_the_same(log: Path) -> None:
    by_offset = check(log, "+30s", "+270s", zone="UTC")
    iso = check(log, "2026-11-30T13:00:30.100+01:00", "2026-11-30T12:04:30.100Z", zone="UTC")
    epoch = check(log, "1796040030.1", "+4.5min", zone="UTC")
    local = check(log, "2026-11-30 12:00:30.100", "+270000 ms", zone="UTC")
    assert len({each.joules for each in (by_offset, iso, epoch, local)}) == 1
    assert by_offset.begin == "2026-11-30T12:00:30.100Z"
    assert any("read as a time of the log's zone, UTC" in note for note in local.notes)
    assert check(log, "+30s", "+270s").begin == "+30s"


@pytest.mark.parametrize(
    ("begin", "end", "zone", "why"),
    [
        ("2026-11-30T12:00:30", "+270s", None, "have no zone"),
        ("yesterday", "+270s", "UTC", "is no time; write ISO 8601"),
        ("+ten", "+270s", "UTC", "is no offset"),
        ("+100s", "+100s", "UTC", "--to has to be later than --from"),
        ("2026-11-30T12:00:30Z", "+1e9s", "UTC", "is no offset"),
        ("2026-11-30T12:00:30Z", "+999999999999h", "UTC", "longer than ten years"),
        ("9" * 60, "+270s", "UTC", "is no time"),
    ],
)
def test_a_time_that_is_none_is_refused(
    log: Path, begin: str, end: str, zone: str | None, why: str
) -> None:
    with pytest.raises(CrosswattError, match=why):
        check(log, begin, end, zone=zone)


def test_a_window_that_is_too_short_is_refused_and_says_what_would_do(log: Path) -> None:
    found = check(log, "+100s", "+105s")
    assert found.joules is None and found.state == "inconclusive"
    assert Code.TOO_SHORT in codes(found)
    assert found.least_s == pytest.approx(11)


def test_a_window_outside_of_the_log_is_refused(log: Path) -> None:
    found = check(log, "+100s", "+400s")
    assert found.joules is None and Code.NOT_COVERED in codes(found)
    assert found.state == "inconclusive"


def test_a_need_that_is_not_met_says_how_long_a_window_has_to_be(log: Path) -> None:
    found = check(log, "+50s", "+75s", need=0.005)
    assert found.state == "inconclusive" and Code.U_ABOVE_NEED in codes(found)
    assert found.least_s is not None and found.least_s > 25
    assert "would be long enough" in next(r.text for r in found.reasons)


def test_gaps_are_bridged_by_what_the_log_shows(tmp_path: Path) -> None:
    log = gpu_log(tmp_path / "gaps.csv", keep=lambda second: not 120 <= second < 130)
    whole = check(gpu_log(tmp_path / "whole.csv"), "+80s", "+200s")
    found = check(log, "+80s", "+200s")
    assert found.joules == pytest.approx(2 * BUSY_W * 120, rel=0.01)
    assert found.measured[0].gaps[0] == 1
    assert Code.GAPS in codes(found) and found.state == "pass"
    assert (found.expanded_j or 0) > (whole.expanded_j or 0)


def test_a_gap_over_an_end_is_told(tmp_path: Path) -> None:
    log = gpu_log(tmp_path / "gaps.csv", keep=lambda second: not 195 <= second < 205)
    assert Code.END_IN_GAP in codes(check(log, "+80s", "+200s"))


def test_a_gap_that_nothing_compares_with_leaves_u_open(tmp_path: Path) -> None:
    log = gpu_log(tmp_path / "gaps.csv", keep=lambda second: not 60 <= second < 240)
    found = check(log, "+30s", "+270s")
    assert found.expanded_j is None and found.state == "inconclusive"
    assert Code.GAP_NOT_KNOWN in codes(found)


def test_a_count_agrees_with_the_integral_of_its_power(tmp_path: Path) -> None:
    found = check(dcgm_page(tmp_path / "dcgm.txt"), "+20s", "+280s")
    assert [each.name for each in found.measured] == ["gpu-0"]
    assert found.measured[0].form == "counter"
    [pair] = found.agreements
    assert abs(pair.difference) < 0.01 and pair.power == "gpu-0-instant"
    assert found.state == "pass"


def test_a_count_against_the_integral_of_another_power_fails(tmp_path: Path) -> None:
    found = check(dcgm_page(tmp_path / "dcgm.txt", gain=1.3), "+20s", "+280s")
    assert found.state == "fail" and Code.DISAGREE in codes(found)
    assert found.agreements[0].difference == pytest.approx(0.3, abs=0.01)
    assert Code.CLOSE in codes(check(dcgm_page(tmp_path / "d.txt", gain=1.03), "+20s", "+280s"))


def test_a_count_that_began_anew_is_replaced_by_its_power(tmp_path: Path) -> None:
    found = check(dcgm_page(tmp_path / "dcgm.txt", reset_s=150), "+20s", "+280s")
    assert [each.name for each in found.measured] == ["gpu-0-instant"]
    assert found.state == "pass" and Code.REPLACED in codes(found)
    alone = check(tmp_path / "dcgm.txt", "+20s", "+280s", columns=["gpu-0"])
    assert alone.state == "inconclusive" and Code.COUNTER_RESET in codes(alone)


def test_a_run_that_a_tracker_measured_whole_and_the_time_between_runs(tmp_path: Path) -> None:
    log = tmp_path / "emissions.csv"
    log.write_text(
        "timestamp,project_name,run_id,duration,energy_consumed,cpu_energy,ram_energy,gpu_count\n"
        "2026-11-30T12:01:00,a,1,60,0.002,0.0015,0.0005,0\n"
        "2026-11-30T12:05:00,b,2,60,0.004,0.003,0.001,0\n"
    )
    first = check(log, "+0s", "+60s")
    assert first.joules == pytest.approx(7200) and Code.ONLY_TOTAL in codes(first)
    assert {name for name, _ in first.left} == {"codecarbon.cpu", "codecarbon.ram"}
    both = check(log)
    assert both.joules is None and Code.UNKNOWN_STRETCH in codes(both)


def test_any_table_by_a_mapping(tmp_path: Path) -> None:
    log, mapping = tmp_path / "t.csv", tmp_path / "t.toml"
    log.write_text(
        "at,node,gpu\n" + "".join(f"{1_764_500_000 + s},{200 + s % 3},{90}\n" for s in range(120))
    )
    values = "".join(
        f'[[value]]\ncolumn = "{name}"\nunit = "W"\nkind = "power"\nscope = "{scope}"\n'
        'probe = "m"\nclass = "1 %"\n'
        for name, scope in (("node", "node"), ("gpu", "gpu-0"))
    )
    mapping.write_text(f'[time]\ncolumn = "at"\nunit = "s"\n{values}')
    found = check(log, "+10s", "+110s", mapping=mapping)
    assert [each.name for each in found.measured] == ["node"]
    assert found.left == (("m.gpu-0", "it lies in node"),)
    assert found.gain == "the class of the meter is in U"
    assert found.expanded_j == pytest.approx(1.96 * 0.01 / 3**0.5 * 20_100, rel=0.1)
    with pytest.raises(CrosswattError, match="counted twice"):
        check(log, "+10s", "+110s", mapping=mapping, columns=["node", "gpu-0"])


def calibration(path: Path, *columns: str) -> Path:
    factor = Estimate(1.1, 0.01, 1.08, 1.12, 0.95, "as known", 12, 4)
    corrections = tuple(
        Correction(
            probe="nvidia-smi", release="", mode="", column=column, scope="gpu",
            verdict="factor", reason="known", factor=factor, relative_u=0.01,
        )
        for column in columns
    )  # fmt: skip
    made = Calibration(simulated=False, machine="m", reference="wall", corrections=corrections)
    store.save(path, made)
    return path


def test_a_calibration_corrects_the_energy_and_is_in_u(log: Path, tmp_path: Path) -> None:
    plain = check(log, "+30s", "+270s", columns=["gpu-0-instant"])
    file = calibration(tmp_path / "c.json", "gpu-0-instant", "gpu-1-instant")
    found = check(
        log, "+30s", "+270s", columns=["gpu-0-instant"], calibration=file, per={"tokens": 2.0}
    )
    assert plain.joules is not None and plain.expanded_j is not None
    assert found.corrected is not None and found.corrected.expanded_j is not None
    assert found.corrected.joules == pytest.approx(1.1 * plain.joules)
    assert found.corrected.expanded_j > 0.02 * plain.joules
    assert found.rates[0].joules == pytest.approx(found.corrected.joules / 2)
    assert "corrected by the calibration" in found.gain
    both = check(log, "+30s", "+270s", calibration=file, probe="nvidia-smi.gpu-1-instant")
    assert both.corrected is not None
    with pytest.raises(CrosswattError, match="has 2 columns in this calibration"):
        check(log, "+30s", "+270s", calibration=file)


def test_metrics_of_prometheus(tmp_path: Path) -> None:
    page = tmp_path / "page.txt"
    lines = [
        f"{metric} {value * second + 5} {(1_764_500_000 + second) * 1000}"
        for second in range(100)
        for metric, value in (
            ('node_rapl_package_joules_total{index="0"}', 60.0),
            ('node_rapl_package_joules_total{index="1"}', 40.0),
            ('node_rapl_core_joules_total{index="0"}', 30.0),
        )
    ]
    page.write_text("\n".join(lines) + "\n")
    found = check(page, "+10s", "+90s")
    assert found.form == "prometheus" and found.joules == pytest.approx(8000, rel=1e-3)
    assert [each.name for each in found.measured] == ["package-0 + package-1"]
    assert ("prometheus.core-0", "it lies in package-0") in found.left
    page.write_text(page.read_text().replace("_package_", "_").replace("_core_", "_"))
    with pytest.raises(CrosswattError, match="does not say what it covers"):
        check(page, "+10s", "+90s")


def test_the_command_prints_and_returns_the_codes_of_the_gate(
    log: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    line = ["check", str(log), "--from", "+30s", "--to", "+270s"]
    assert main([*line, "--per", "tokens=12345"]) == 0
    said = capsys.readouterr().out
    assert "per token" in said and "(U, 95 %, k = " in said and "pass: U" in said
    assert main([*line, "--need", "0.1%"]) == 2
    assert main(["check", str(log), "--from", "+30s", "--to", "+32s"]) == 2
    capsys.readouterr()
    assert main([*line, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["kind"] == "check" and document["state"] == "pass"
    assert document["energy"]["k"] > 1.6 and document["summed"] == ["gpu-0-instant + gpu-1-instant"]
    page = dcgm_page(tmp_path / "dcgm.txt", gain=1.3)
    assert main(["check", str(page), "--from", "+20s", "--to", "+280s"]) == 1


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (["--per", "tokens"], "is not UNIT=N"),
        (["--per", "tokens=0"], "no energy per unit of none"),
        (["--per", "tokens=-3"], "is not UNIT=N"),
        (["--readings", "guessed"], "neither 'sampled' nor 'averaged'"),
        (["--update-period", "-1"], "not above 0"),
        (["--probe", "x"], "which is not given"),
        (["--format", "nvidia"], "nvidia-smi"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused_in_a_sentence(
    log: Path, capsys: pytest.CaptureFixture[str], more: list[str], why: str
) -> None:
    assert main(["check", str(log), *more]) == 64
    assert why in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\0" * 5000,
        b"\xff\xfe" * 3000,
        b"timestamp, index, power.draw [W]\n",
        b"timestamp, index, power.draw [W]\n2026/11/30 12:00:00.100, 0, 60 W\n",
        b"timestamp, index, power.draw [W]\n" + b"x," * 40_000 + b"\n",
        b"timestamp, index, power.draw [W]\n2026/11/30 12:00:00.100, 0, 1e999 W\n" * 50,
        b"{\"status\": \"success\", \"data\": " + b"[" * 10_000,
        b"timestamp,duration,energy_consumed\n" + b"1,1,1\n" * 20,
        b"<script>alert(1)</script>\n" * 100,
        b"timestamp,metric_id,value\n" + b"2026-01-01T00:00:00Z,power,1e14\n" * 3,
    ],
)  # fmt: skip
def test_a_hostile_log_ends_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: bytes
) -> None:
    log = tmp_path / "hostile.csv"
    log.write_bytes(text)
    began = time.monotonic()
    assert main(["check", str(log), "--zone", "UTC"]) in (2, 64)
    assert time.monotonic() - began < 20
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    assert "nan" not in said.out


def test_a_clock_that_went_back_is_no_pass() -> None:
    log = shared_case("imports/05-hour-that-comes-twice/dst.csv")
    found = check(log)
    assert found.state == "inconclusive" and Code.NOT_INCREASING in codes(found)


def test_a_published_log_of_a_wattmeter() -> None:
    logs = sorted(shared_data("ccgrid2023").glob("*/kwollect-*.csv"))
    found = check(logs[0], "+20s", "+200s")
    assert found.state == "pass" and found.probe == "wall"
    assert ("bmc.node", "another meter; wall covers as much or more") in found.left
