"""A calibration applied to other readings."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import calibrate
from calibrate import store
from calibrate.calibration import (
    Calibration,
    Correction,
    CorrectionWarning,
    Corrector,
    carbontracker_table,
    read_header,
)
from calibrate.calibration.correction import FactorInterval, Range
from calibrate.cli.app import app
from calibrate.errors import BadFile, CrosswattError, UnknownName
from calibrate.quantity import csv_text
from calibrate.stats import Estimate

VALID = Range(watts=(10.0, 100.0), seconds=(5.0, 60.0), workloads=("gemm", "idle"))


def one(
    column: str, verdict: str = "factor", value: float = 2.0, release: str = "3.3.2"
) -> Correction:
    factor = Estimate(
        value, 0.02 * value, 0.95 * value, 1.06 * value, 0.95, "by hand", n_runs=6, n_clusters=3
    )
    return Correction(
        probe="codecarbon", release=release, mode="intel_rapl", column=column, scope="package",
        verdict=verdict, reason="it reports the same power whatever the load", factor=factor,
        relative_u=0.02, valid=VALID,
    )  # fmt: skip


def calibration(*corrections: Correction, simulated: bool = False) -> Calibration:
    return Calibration(
        simulated=simulated, machine="here", reference="wall", corrections=tuple(corrections)
    )


def loaded(tmp_path: Path, *corrections: Correction, simulated: bool = False) -> Corrector:
    path = tmp_path / "calibration.json"
    store.save(path, calibration(*corrections, simulated=simulated))
    return calibrate.load_calibration(path)


def test_a_reading_is_multiplied_with_its_interval(tmp_path: Path) -> None:
    found = loaded(tmp_path, one("cpu")).correct(250.0, seconds=10.0, probe="codecarbon")
    assert found.joules == 500.0 and found.u == pytest.approx(10.0) and not found.notes
    assert (found.low, found.high) == pytest.approx((475.0, 530.0))


def test_what_is_not_needed_is_not_applied_but_keeps_its_uncertainty(tmp_path: Path) -> None:
    ours = loaded(tmp_path, one("cpu", "not needed", 1.004))
    found = ours.correct(250.0, seconds=10.0, probe="codecarbon")
    assert found.joules == 250.0 and found.u == pytest.approx(5.02)
    # The limits are those of the calibration, about what it expects.
    assert found.low == pytest.approx(250 * 1.004 * 0.95)
    assert found.high == pytest.approx(250 * 1.004 * 1.06)


def test_an_offset_is_subtracted(tmp_path: Path) -> None:
    watts = Estimate(4.0, 0.5, 3.0, 5.0, 0.95, "by hand", n_runs=6, n_clusters=3)
    shifted = one("cpu", "offset").model_copy(update={"factor": None, "offset_w": watts})
    ours = loaded(tmp_path, shifted)
    found = ours.correct(250.0, seconds=10.0, probe="codecarbon")
    assert (found.joules, found.u, found.low, found.high) == (210.0, 5.0, 200.0, 220.0)
    with pytest.raises(CrosswattError, match="less than the offset of 4 W alone"):
        ours.correct(30.0, seconds=10.0, probe="codecarbon")


def test_departures_are_said_and_warned_of(tmp_path: Path) -> None:
    ours = loaded(tmp_path, one("cpu"), simulated=True)
    with pytest.warns(CorrectionWarning) as warned:
        found = ours.correct(
            250.0, seconds=150.0, probe="codecarbon", release="3.0.0", machine="there", anyway=True
        )
    assert [str(each.message) for each in warned] == list(found.notes)
    assert found.notes == (
        "This calibration was made on a simulated machine.",
        "The reading is of release 3.0.0, the calibration of codecarbon 3.3.2.",
        "The calibration was made on another machine, here.",
        "3.33 W corrected is outside the 10 to 100 W that were calibrated.",
        "150 s is outside the 5 to 60 s that were calibrated.",
    )
    assert found.joules == 500.0


@pytest.mark.parametrize(
    ("reading", "why"),
    [
        ({"joules": 250.0, "seconds": 10.0, "release": "3.0.0"}, "of release 3.0.0"),
        ({"joules": 250.0, "seconds": 10.0, "machine": "there"}, "another machine, here"),
        ({"joules": 25000.0, "seconds": 601.0}, "601 s is outside"),
        ({"joules": 20.0, "seconds": 0.4}, "0.4 s is outside"),
        ({"joules": 24.0, "seconds": 10.0}, "4.8 W corrected is outside"),
        ({"joules": np.array([250.0]), "seconds": 10.0, "release": "3.0.0"}, "of release 3.0.0"),
    ],
)
def test_what_is_of_another_kind_is_refused_unless_asked_for(
    tmp_path: Path, reading: dict[str, Any], why: str
) -> None:
    ours = loaded(tmp_path, one("cpu"))
    with pytest.raises(CrosswattError, match=f"{why}.*anyway=True"):
        ours.correct(**reading)
    with pytest.warns(CorrectionWarning, match=why):
        assert np.all(ours.correct(**reading, anyway=True).joules == reading["joules"] * 2)


def test_a_little_outside_is_said_and_corrected(tmp_path: Path) -> None:
    ours = loaded(tmp_path, one("cpu"))
    with pytest.warns(CorrectionWarning, match="100 s is outside"):
        assert ours.correct(2500.0, seconds=100.0).joules == 5000.0


def test_the_range_is_that_of_the_power_reported(tmp_path: Path) -> None:
    """An offset moves a reading into the range that it is not in."""
    valid = VALID.model_copy(update={"watts": (10.0, 100.0), "reported_w": (30.0, 120.0)})
    watts = Estimate(20.0, 0.5, 19.0, 21.0, 0.95, "by hand", n_runs=6, n_clusters=3)
    shifted = one("cpu", "offset").model_copy(
        update={"factor": None, "offset_w": watts, "valid": valid}
    )
    with pytest.warns(CorrectionWarning, match="25 W reported is outside the 30 to 120 W"):
        loaded(tmp_path, shifted).correct(250.0, seconds=10.0)


def test_refusals(tmp_path: Path) -> None:
    ours = loaded(tmp_path, one("cpu"), one("ram", "not calibratable"))
    with pytest.raises(UnknownName, match="did you mean codecarbon"):
        ours.correct(1.0, seconds=1.0, probe="codecarbo")
    with pytest.raises(
        CrosswattError, match=r"2 columns in this calibration; name one of cpu, ram"
    ):
        ours.correct(1.0, seconds=1.0, probe="codecarbon")
    with pytest.raises(UnknownName, match="column of codecarbon"):
        ours.correct(1.0, seconds=1.0, probe="codecarbon", column="gpu")
    with pytest.raises(CrosswattError, match="not calibratable: it reports the same power"):
        ours.correct(1.0, seconds=1.0, probe="codecarbon", column="ram")
    for joules, seconds in ((float("nan"), 1.0), (1.0, 0.0), (-1.0, 1.0), (1.0, float("inf"))):
        with pytest.raises(CrosswattError, match="cannot be corrected"):
            ours.correct(joules, seconds=seconds, probe="codecarbon", column="cpu")
    with pytest.raises(BadFile, match="no such file"):
        calibrate.load_calibration(tmp_path / "none.json")
    assert calibrate.load_calibration(str(tmp_path)) == ours  # a campaign's folder has one


EMISSIONS = (
    "timestamp,duration,emissions,cpu_energy,ram_energy,codecarbon_version\n"
    "2026-01-01,10,0.1,0.0001,0.00002,3.3.2\n"
    "2026-01-02,10,0.1,,0.00002,3.3.2\n"
    "2026-01-03,10,0.1,0.0001,0.00002,3.0.0\n"
)


def run(tmp_path: Path, *arguments: str, text: str = EMISSIONS) -> tuple[int, str, str]:
    table = tmp_path / "emissions.csv"
    table.write_text(text)
    place = str(tmp_path / "calibration.json")
    made = CliRunner().invoke(app, ["correct", str(table), "--calibration", place, *arguments])
    return made.exit_code, made.stdout, str(made.exception or "") + made.stderr


def test_codecarbons_file_as_it_is(tmp_path: Path) -> None:
    loaded(tmp_path, one("cpu"), one("ram", "not calibratable"))
    code, out, said = run(tmp_path, "--anyway")
    assert code == 0
    rows = list(csv.DictReader(out.splitlines()))
    assert [row["cpu_energy_corrected"] for row in rows] == ["0.0002", "", "0.0002"]
    assert rows[0]["cpu_energy_low"] == "0.00019" and rows[0]["cpu_energy_high"] == "0.000212"
    assert "ram_energy_corrected" not in rows[0]
    assert rows[0]["crosswatt_notes"] == (
        "ram_energy is not calibratable. emissions: not corrected, since ram_energy is not."
    )
    assert "cpu_energy or duration is no number." in rows[1]["crosswatt_notes"]
    assert "The reading is of release 3.0.0" in rows[2]["crosswatt_notes"]
    assert "1 of 3 rows: ram_energy is not calibratable." in " ".join(said.split())
    assert rows[0]["emissions_corrected"] == ""


def test_another_release_is_not_corrected_without_anyway(tmp_path: Path) -> None:
    loaded(tmp_path, one("cpu"), one("ram", "not calibratable"))
    _, out, _ = run(tmp_path)
    refused = list(csv.DictReader(out.splitlines()))[2]
    assert refused["cpu_energy_corrected"] == "" and "--anyway" in refused["crosswatt_notes"]
    only = "\n".join([EMISSIONS.splitlines()[0], EMISSIONS.splitlines()[3], ""])
    code, _, said = run(tmp_path, text=only)
    assert code != 0 and "None of 1 rows was corrected" in said and "release 3.0.0" in said


TOTALS = (
    "timestamp,duration,emissions,energy_consumed,cpu_energy,gpu_energy,ram_energy,"
    "codecarbon_version\n"
    "2026-01-01,10,0.012,0.00012,0.0001,0,0.00002,3.3.2\n"
)


def test_totals_follow_from_their_parts_or_are_said_not_to(tmp_path: Path) -> None:
    loaded(tmp_path, one("cpu"), one("ram", value=0.5))
    code, out, _ = run(tmp_path, "--anyway", text=TOTALS)
    [row] = csv.DictReader(out.splitlines())
    assert code == 0 and float(row["energy_consumed_corrected"]) == pytest.approx(0.00021)
    assert float(row["emissions_corrected"]) == pytest.approx(0.021)
    parts = [float(row[f"{name}_high"]) for name in ("cpu_energy", "ram_energy")]
    assert float(row["energy_consumed_high"]) == pytest.approx(sum(parts))
    loaded(tmp_path, one("cpu"))
    _, out, _ = run(tmp_path, text=TOTALS)
    [row] = csv.DictReader(out.splitlines())
    assert row["energy_consumed_corrected"] == row["emissions_corrected"] == ""
    assert (
        "energy_consumed and emissions: not corrected, since ram_energy is not."
        in (row["crosswatt_notes"])
    )
    loaded(tmp_path, one("energy"))
    _, out, _ = run(tmp_path, text=TOTALS)
    [row] = csv.DictReader(out.splitlines())
    assert float(row["energy_consumed_corrected"]) == pytest.approx(0.00024)
    assert float(row["emissions_corrected"]) == pytest.approx(0.024)


def test_a_row_with_fewer_cells_than_the_header_is_not_corrected(tmp_path: Path) -> None:
    loaded(tmp_path, one("cpu"))
    moved = TOTALS + "2026-01-01,10,0.012,0.00012,0.0001,0.00002,3.3.2\n"
    code, out, said = run(tmp_path, text=moved)
    good, short = csv.DictReader(out.splitlines())
    assert code == 0 and good["cpu_energy_corrected"] == "0.0002"
    assert short["cpu_energy_corrected"] == "" and "fewer cells" in short["crosswatt_notes"]
    assert "1 of 2 rows: The row has fewer cells" in " ".join(said.split())


def test_any_csv_by_column(tmp_path: Path) -> None:
    loaded(tmp_path, one("cpu"))
    table = "what,wh,s\na,0.1,10\n"
    target = tmp_path / "out.csv"
    code, _, _ = run(
        tmp_path, "--energy", "wh", "--unit", "Wh", "--seconds", "s", "--out", str(target),
        text=table,
    )  # fmt: skip
    assert code == 0
    [row] = csv.DictReader(target.read_text().splitlines())
    assert row["wh_corrected"] == "0.2" and row["what"] == "a" and row["crosswatt_notes"] == ""


@pytest.mark.parametrize(
    ("arguments", "text", "why"),
    [
        ((), "a,b\n1,2\n", "not CodeCarbon's emissions.csv"),
        (("--energy", "x"), "a,seconds\n1,2\n", "no column in the file named 'x'"),
        (("--energy", "a", "--unit", "cal"), "a,seconds\n1,2\n", "no unit named 'cal'"),
        (("--energy", "a"), "a,seconds\n1,2,3\n", "more cells than its header"),
        (("--probe", "zeus"), EMISSIONS, "no probe in this calibration named 'zeus'"),
    ],
)
def test_bad_input_writes_nothing(
    tmp_path: Path, arguments: tuple[str, ...], text: str, why: str
) -> None:
    loaded(tmp_path, one("cpu"))
    target = tmp_path / "out.csv"
    code, _, said = run(tmp_path, *arguments, "--out", str(target), text=text)
    assert code != 0 and why in said and not target.exists()


def test_the_published_case_of_cells_that_moved() -> None:
    case = Path(__file__).parents[3].parent / "shared/cases/imports/07-correct-short-rows"
    if not case.is_dir():
        pytest.skip(f"no published case at {case}")
    place = str(case / "calibration.json")
    made = CliRunner().invoke(app, ["correct", str(case / "tofix.csv"), "--calibration", place])
    rows = list(csv.DictReader(made.stdout.splitlines()))
    assert [bool(row["cpu_energy_corrected"]) for row in rows] == [True, False, False]
    assert all("fewer cells" in row["crosswatt_notes"] for row in rows[1:])


LOG = """2026-03-01T101112Z -
Actual consumption for 1 epoch(s):
\tTime:\t0:01:40
\tEnergy:\t0.000500000000 kWh
\tCO2eq:\t0.1 g
2026-03-01T101312Z -
Predicted consumption for 10 epoch(s):
\tTime:\t0:16:40
\tEnergy:\t0.005000000000 kWh
2026-03-01T102112Z -
Actual consumption:
\tTime:\t1:00:01
\tEnergy:\t0.02 kWh
"""


def test_a_carbontracker_log_is_corrected(tmp_path: Path) -> None:
    ours = one("energy", release="2.4.7").model_copy(update={"probe": "carbontracker"})
    store.save(tmp_path / "calibration.json", calibration(ours))
    (tmp_path / "x_carbontracker_output.log").write_text(LOG)
    command = [
        "correct", str(tmp_path / "x_carbontracker_output.log"), "--probe", "carbontracker",
        "--calibration", str(tmp_path / "calibration.json"),
    ]  # fmt: skip
    done = CliRunner().invoke(app, [*command])
    assert done.exit_code == 0, done.output
    first, second = csv.DictReader(done.stdout.splitlines())
    assert second["energy_corrected"] == "" and "--anyway" in second["crosswatt_notes"]
    done = CliRunner().invoke(app, [*command, "--anyway"])
    first, second = csv.DictReader(done.stdout.splitlines())
    assert (first["seconds"], first["energy"], first["energy_corrected"]) == (
        "100", "0.000500000000", "0.001",
    )  # fmt: skip
    assert second["seconds"] == "3601" and second["energy_corrected"] == "0.04"
    assert "3.6e+03 s is outside the 5 to 60 s" in second["crosswatt_notes"]
    assert carbontracker_table("duration,energy\n1,2\n") is None


def numbers(values: Any) -> list[float]:
    return [float(each) for each in np.ravel(values)]


def test_arrays_give_arrays_with_the_figures_of_each(tmp_path: Path) -> None:
    ours = loaded(tmp_path, one("cpu"))
    joules = np.array([[250.0, 300.0], [400.0, 500.0]])
    many = ours.correct(joules, seconds=10.0)
    assert many.joules.shape == (2, 2) and many.notes == ()
    singly = [ours.correct(float(each), seconds=10.0) for each in joules.ravel()]
    for name in ("joules", "u", "low", "high"):
        assert numbers(getattr(many, name)) == [getattr(each, name) for each in singly]
    # As many durations as energies, or one of them for all.
    each = ours.correct(np.array([250.0, 500.0]), seconds=np.array([10.0, 20.0]))
    assert numbers(each.joules) == [500.0, 1000.0]
    with pytest.raises(CrosswattError, match="or not as many of both"):
        ours.correct(np.zeros(3), seconds=np.ones(2))
    with pytest.raises(CrosswattError, match="are not numbers"):
        ours.correct(np.array(["a"]), seconds=1.0)


def test_of_many_readings_a_missing_one_stays_missing_and_notes_are_said_once(
    tmp_path: Path,
) -> None:
    ours = loaded(tmp_path, one("cpu"))
    joules = np.array([250.0, np.nan, -1.0, 3000.0, 600.0, 900.0])
    with pytest.warns(CorrectionWarning) as warned:
        many = ours.correct(joules, seconds=10.0, probe="codecarbon")
    assert many.joules[0] == 500.0 and np.isnan(many.joules[1:4]).all()
    assert np.isnan(many.low[1:4]).all() and many.joules[5] == 1800  # type: ignore[index]
    assert many.notes == (
        "1 of 6 readings: The energy or the duration is missing.",
        "2 of 6 readings, for example: -1 J in 10 s cannot be corrected; the energy must be zero "
        "or more and the duration above zero.",
        "2 of 6 readings, for example: 120 W corrected is outside the 10 to 100 W that were "
        "calibrated.",
    )
    assert [str(each.message) for each in warned] == [*many.notes]
    with pytest.raises(CrosswattError, match="not calibratable"):
        loaded(tmp_path, one("cpu", "not calibratable")).correct(joules, seconds=1.0)


def test_what_a_calibration_has_not_many_readings_have_not(tmp_path: Path) -> None:
    factor = Estimate(2.0, None, None, None, 0.95, "by hand", n_runs=1, n_clusters=1)
    bare = one("cpu").model_copy(update={"factor": factor, "relative_u": None})
    many = loaded(tmp_path, bare).correct(np.array([250.0]), seconds=10.0)
    assert (many.u, many.low, many.high, many.distribution_free) == (None, None, None, None)
    free = FactorInterval(value=2.0, low=1.9, high=2.2, level=0.8, method="by hand")
    ours = loaded(tmp_path, one("cpu").model_copy(update={"distribution_free": free}))
    found = ours.correct(np.array([250.0]), seconds=10.0).distribution_free
    assert found is not None and numbers(found[0]) == [475.0]
    assert numbers(found[1]) == pytest.approx([550.0]) and found[2] == 0.8


def test_a_series_keeps_its_index_and_a_table_its_rows(tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas")
    ours = loaded(tmp_path, one("cpu"))
    joules = pd.Series([250, None, 500], index=["a", "b", "c"], dtype="Int64")
    seconds = pd.Series([10, 10, 20], index=joules.index)
    with pytest.warns(CorrectionWarning, match="is missing"):
        many = ours.correct(joules, seconds=seconds)
    assert many.joules.index.equals(joules.index) and many.joules["c"] == 1000.0
    assert many.low is not None and many.low.isna().tolist() == [False, True, False]
    with pytest.raises(CrosswattError, match="different indices"):
        ours.correct(joules, seconds=seconds.reset_index(drop=True))

    frame = pd.DataFrame({"run": ["x", "y"], "wh": [0.1, 0.2], "s": [10.0, 20.0]}, index=[7, 8])
    made = ours.correct_frame(frame, energy="wh", seconds="s", unit="Wh", probe="codecarbon")
    assert list(made.columns) == ["run", "wh", "s", "wh_corrected", "wh_low", "wh_high"]
    assert list(made.index) == [7, 8] and "wh_low" not in frame
    assert made["wh_corrected"].tolist() == pytest.approx([0.2, 0.4])
    assert made["wh_high"].tolist() == pytest.approx([0.212, 0.424])
    for wrong, words in (
        ({"energy": "kwh"}, "no column in the table named 'kwh'"),
        ({"energy": "wh", "seconds": "s", "unit": "cal"}, "no unit named 'cal'"),
    ):
        with pytest.raises(UnknownName, match=words):
            ours.correct_frame(frame, **wrong)  # type: ignore[arg-type]


def test_the_probe_may_be_left_out_if_there_is_one(tmp_path: Path) -> None:
    assert loaded(tmp_path, one("cpu")).correct(250.0, seconds=10.0).joules == 500.0
    other = one("cpu").model_copy(update={"probe": "rapl"})
    with pytest.raises(CrosswattError, match="has 2 probes; name one of codecarbon, rapl"):
        loaded(tmp_path, one("cpu"), other).correct(250.0, seconds=10.0)
    with pytest.raises(CrosswattError, match="has 0 probes; name one of none"):
        loaded(tmp_path).correct(250.0, seconds=10.0)


def test_a_note_is_no_formula_of_a_spreadsheet(tmp_path: Path) -> None:
    text = '=HYPERLINK("x"),seconds\n1,10\n'
    assert csv_text("=1+1") == "'=1+1"
    assert csv_text("a=1") == "a=1"
    with pytest.raises(BadFile, match="it is not CSV"):
        read_header('"' + "x" * 200_000)
    assert read_header(text) == ['=HYPERLINK("x")', "seconds"]
