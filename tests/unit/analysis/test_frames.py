"""An analysis as an object and as data frames, of a campaign whose energies are known exactly."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from calibrate import catalog, store
from calibrate.analysis import Analysis, analyze
from calibrate.errors import UnknownName
from calibrate.stats import Estimate
from tests.helpers.campaigns import LOADS, Fake, build, domain, truth


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    fakes = {
        "truth": truth(),
        "kilo": Fake(lambda w, s: w * s / 1000, domain()),
        "good": Fake(lambda w, s: w * s, domain()),
        "negative": Fake(lambda w, s: -w * s, domain()),
    }
    return build(tmp_path_factory.mktemp("frames") / "campaign", fakes)


@pytest.fixture(scope="module")
def analysis(folder: Path) -> Analysis:
    return analyze(str(folder))


def test_a_finding_is_had_by_the_name_of_its_probe(analysis: Analysis) -> None:
    kilo = analysis["kilo"]
    assert isinstance(kilo.ratio, Estimate)
    assert kilo.ratio.value == pytest.approx(1e-3)
    assert kilo.diagnosis.name.startswith("scale 1e-3")
    assert kilo.correction.factor and kilo.correction.factor.value == pytest.approx(1000)
    assert analysis["kilo", kilo.column] is kilo
    assert analysis["negative"].ratio is None and analysis["negative"].limits is None


def test_it_is_a_collection_of_findings(analysis: Analysis) -> None:
    assert [finding.probe for finding in analysis] == ["kilo", "good", "negative"]
    assert len(analysis) == 3
    assert "kilo" in analysis and ("kilo", analysis["kilo"].column) in analysis
    assert "truth" not in analysis


def test_an_unknown_probe_is_refused_with_the_nearest(analysis: Analysis) -> None:
    with pytest.raises(UnknownName, match="did you mean kilo"):
        analysis["kila"]
    with pytest.raises(UnknownName, match="column of kilo"):
        analysis["kilo", "nothing"]


def test_one_row_for_each_column(analysis: Analysis) -> None:
    frame = analysis.to_frame().set_index("probe")
    assert list(frame.index) == ["kilo", "good", "negative"]
    assert frame.loc["kilo", "ratio"] == pytest.approx(1e-3)
    assert frame.loc["kilo", "factor_low"] <= 1000 <= frame.loc["kilo", "factor_high"]
    assert pd.isna(frame.loc["negative", "ratio"])
    assert pd.api.types.is_float_dtype(frame["ratio"])
    assert frame.loc["good", "runs_with_ratio"] == frame.loc["good", "runs"]


def test_one_row_for_each_run(analysis: Analysis) -> None:
    frame = analysis.runs()
    assert set(frame["workload"]) == set(LOADS)
    kilo = frame[frame["probe"] == "kilo"]
    assert (kilo["probe_j"] / kilo["reference_j"]).to_numpy() == pytest.approx(kilo["ratio"])
    assert frame[frame["probe"] == "negative"]["ratio"].isna().all()
    assert len(frame) == 3 * analysis.comparison.runs


def test_the_readings_of_a_probe(analysis: Analysis) -> None:
    frame = analysis.readings("truth")
    run = frame[frame["run"] == frame["run"].iloc[0]]
    assert run["time_s"].is_monotonic_increasing
    [column] = [name for name in frame.columns if name.endswith("_j")]
    assert run[column].is_monotonic_increasing
    assert (frame["after_ns"] >= frame["before_ns"]).all()
    with pytest.raises(UnknownName, match="did you mean truth"):
        analysis.readings("trut")


def test_frames_go_to_parquet(analysis: Analysis, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="pip install 'crosswatt[import]'")
    for name in ("to_frame", "runs", "phases"):
        frame = getattr(analysis, name)()
        frame.to_parquet(tmp_path / f"{name}.parquet")
        pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / f"{name}.parquet"), frame)


@pytest.mark.parametrize("form", ["html", "markdown", "json"])
def test_a_report_reads_nothing_but_the_analysis(folder: Path, tmp_path: Path, form: str) -> None:
    """The folder may be gone when the page is made."""
    moved = shutil.copytree(folder, tmp_path / folder.name)
    expected = analyze(folder).report(form)
    analysis = analyze(moved)
    shutil.rmtree(moved)
    assert analysis.report(form) == expected


def test_a_report_is_written_where_a_path_is_given(analysis: Analysis, tmp_path: Path) -> None:
    text = analysis.report("markdown", str(tmp_path / "report.md"))
    assert (tmp_path / "report.md").read_text() == text
    with pytest.raises(UnknownName, match="did you mean markdown"):
        analysis.report("markdwn")


def test_the_analysis_of_a_saved_folder_is_the_same(folder: Path) -> None:
    first = analyze(folder)
    first.write()
    again = analyze(folder)
    assert again.comparison == first.comparison
    assert again.diagnoses == first.diagnoses
    saved = store.read(folder / "calibration.json", type(first.calibration))
    assert saved == first.calibration
    assert catalog.find("reports", "html")
