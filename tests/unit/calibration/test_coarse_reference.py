"""Programs beside a plug that shows a thousandth of a kWh: what is left of each one held out."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from calibrate import analysis
from calibrate.calibration import Corrector, fit_calibration
from calibrate.cli import main
from calibrate.comparison import Comparison
from calibrate.diagnosis import UNEXPLAINED, Diagnosis
from tests.helpers.cases import shared_case
from tests.helpers.imports import imported
from tests.unit.calibration.test_fit import comparison

STEP_J = 3600.0


def beside_a_plug(k: int, seed: int, seconds: float = 120.0) -> Comparison:
    """Return two runs each of k programs: a meter that lacks 30 W and a gain, and a plug."""
    rng = np.random.default_rng(seed)
    watts = rng.uniform(170, 470, k)
    made = comparison([1.0] * k, list(watts))
    rows, shown_j = [], 0.0
    for row in made.pairs[0].rows:
        true_j = row.reference_j / row.seconds * seconds
        before_j, shown_j = shown_j, shown_j + true_j
        counted = math.floor(shown_j / STEP_J) - math.floor(before_j / STEP_J)
        own_j = (true_j - 30 * seconds) / 1.22 * math.exp(0.01 * rng.normal())
        rows.append(
            row.model_copy(
                update={
                    "seconds": seconds,
                    "probe_j": own_j,
                    "reference_j": counted * STEP_J,
                    "u_reference_j": STEP_J / math.sqrt(6),
                }
            )
        )
    pair = made.pairs[0].model_copy(
        update={"rows": tuple(rows), "reference_resolution_j": STEP_J, "scope": "system"}
    )
    return made.model_copy(update={"pairs": (pair,)})


def held_out(made: Comparison) -> tuple[float, float, float]:
    """Return the mean error of programs as reported and corrected, and the share of runs held."""
    [pair] = made.pairs
    unknown = {(pair.probe, pair.column): Diagnosis(UNEXPLAINED, None, False, "By hand.")}
    raw, left, held = [], [], []
    for name in sorted({row.workload for row in pair.rows}):
        others = tuple(row for row in pair.rows if row.workload != name)
        without = pair.model_copy(update={"rows": others})
        ours = Corrector(fit_calibration(made.model_copy(update={"pairs": (without,)}), unknown))
        correction = ours.calibration.corrections[0]
        rows = [row for row in pair.rows if row.workload == name]
        plug_j, own_j, corrected_j = 0.0, 0.0, 0.0
        for row in rows:
            found = ours.correct(row.probe_j, seconds=row.seconds, anyway=True)
            assert found.low is not None and found.high is not None, correction
            plug_j, own_j = plug_j + row.reference_j, own_j + row.probe_j
            corrected_j += found.joules
            held.append(found.low <= row.reference_j <= found.high)
        raw.append(abs(own_j / plug_j - 1))
        left.append(abs(corrected_j / plug_j - 1))
    return float(np.mean(raw)), float(np.mean(left)), float(np.mean(held))


@pytest.mark.filterwarnings("ignore::calibrate.calibration.CorrectionWarning")
def test_a_coarse_plug_corrects_programs_that_it_has_not_seen() -> None:
    """A step is a tenth of a run: 25 % become 4 %, the most of it the plug's own."""
    raw, left, held = held_out(beside_a_plug(12, seed=3))
    assert raw > 0.2 and left < 0.045 and held >= 0.87


@pytest.mark.filterwarnings("ignore::calibrate.calibration.CorrectionWarning")
def test_the_published_case_of_thirty_programs(tmp_path: Path) -> None:
    script = shared_case("analysis/05-many-workloads-coarse-reference.py")
    subprocess.run([sys.executable, str(script)], cwd=tmp_path, check=True)
    mapping = (tmp_path / "wall.toml").read_text() + 'step = "0.001 kWh"\n'
    (tmp_path / "wall.toml").write_text(mapping)
    imported(tmp_path / "c", "codecarbon", tmp_path / "emissions.csv")
    imported(tmp_path / "w", "csv", tmp_path / "wall.csv", "--mapping", tmp_path / "wall.toml")
    assert main(["merge", *(str(tmp_path / each) for each in "cw"), "--out", f"{tmp_path}/m"]) == 0
    found = analysis.analyze(tmp_path / "m", "wall", across=True)
    [correction] = found.calibration.corrections
    assert correction.verdict == "gain and offset"
    raw, left, held = held_out(found.comparison)
    assert raw > 0.25 and left <= 0.038 and 0.92 <= held <= 0.98
