"""The statistics against published cases, where their data are at hand."""

import csv
import json
import os
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibrate.stats import components, limits_of_agreement, mean_ratio
from calibrate.stats.agreement import exact_limits, mover_limits

# The intervals work on any differences; this keeps those of the cases within what a log ratio is.
UNIT = 1000.0


def case(name: str) -> tuple[list[dict[str, str]], dict[str, Any]]:
    """Return the rows and the expected values of a reference case, or skip."""
    root = Path(
        os.environ.get("CROSSWATT_REFERENCE_DATA")
        or Path(__file__).resolve().parents[2].parent / "shared" / "data"
    )
    rows, expected = (root / "stats-reference" / f"{name}.{end}" for end in ("csv", "json"))
    if not (rows.is_file() and expected.is_file()):
        pytest.skip(f"no reference case {name} under {root}; set CROSSWATT_REFERENCE_DATA")
    with rows.open() as file:
        return list(csv.DictReader(file)), json.loads(expected.read_text())["expected"]


def pefr() -> tuple[np.ndarray[Any, np.dtype[np.float64]], dict[str, Any]]:
    rows, expected = case("ba_pefr_1986")
    d = np.array([float(r["wright1"]) - float(r["mini1"]) for r in rows])
    return d, expected["full_precision_z196"]


def test_bland_altman_1986_exact_interval_of_each_limit() -> None:
    d, want = pefr()
    lower, upper = exact_limits(d.mean(), d.std(ddof=1), d.size, 1.96, 0.95)
    assert lower == pytest.approx(want["lower_ci_exact_single"], rel=1e-9)
    assert upper == pytest.approx(want["upper_ci_exact_single"], rel=1e-9)


def test_bland_altman_1986_as_ratios() -> None:
    d, want = pefr()
    workloads = [str(i) for i in range(d.size)]
    found = limits_of_agreement(d / UNIT, workloads)
    assert found.lower and found.upper
    assert found.lower.value == pytest.approx(np.exp(want["lower"] / UNIT), rel=1e-5)
    assert found.upper.value == pytest.approx(np.exp(want["upper"] / UNIT), rel=1e-5)
    assert found.upper.u == pytest.approx(found.upper.value * want["se_loa"] / UNIT, rel=1e-4)
    ratio = mean_ratio(d / UNIT, workloads).ratio
    limits = np.exp(np.array(want["bias_ci"]) / UNIT)
    assert (ratio.low, ratio.high) == pytest.approx(tuple(limits), rel=1e-9)


def test_bland_altman_1999_first_readings() -> None:
    rows, expected = case("ba_sbp_replicates_1999")
    first = {(r["meth"], r["item"]): float(r["y"]) for r in rows if r["repl"] == "1"}
    items = sorted({item for _, item in first})
    d = np.array([first["J", i] - first["S", i] for i in items])
    want = expected["full_precision"]["first_reading"]
    lower, upper = exact_limits(d.mean(), d.std(ddof=1), d.size, 1.96, 0.95)
    assert lower == pytest.approx(want["lower_ci_exact_single"], rel=1e-9)
    assert upper == pytest.approx(want["upper_ci_exact_single"], rel=1e-9)


def test_zou_2013_mover() -> None:
    rows, expected = case("ba_zou_mover")
    sides: dict[str, dict[str, list[float]]] = {"x": defaultdict(list), "y": defaultdict(list)}
    for row in rows:
        for side, values in sides.items():
            if row[side]:
                values[row["id"]].append(float(row[side]))
    ids = sorted(sides["x"])
    means = {s: np.array([np.mean(v[i]) for i in ids]) for s, v in sides.items()}
    d = means["x"] - means["y"]
    parts = [(float(d.var(ddof=1)), d.size - 1)]
    for values in sides.values():
        df = sum(len(values[i]) - 1 for i in ids)
        within = sum(float(np.var(values[i])) * len(values[i]) for i in ids) / df
        parts.append((float(1 - np.mean([1 / len(values[i]) for i in ids])) * within, df))
    want = expected["full_precision"]
    z = 1.959963984540054
    lower, upper = mover_limits(float(d.mean()), float(d.var(ddof=1)) / d.size, parts, z, 0.95)
    assert lower == pytest.approx(want["lower_ci_mover"], rel=1e-9)
    assert upper == pytest.approx(want["upper_ci_mover"], rel=1e-9)


def test_variance_components_of_dyestuff() -> None:
    rows, expected = case("lme4_Dyestuff")
    d = np.array([float(r["Yield"]) for r in rows]) / UNIT
    found = components(d, [r["Batch"] for r in rows])
    want = {r["grp"]: r["sdcor"] / UNIT for r in expected["varcorr"]}
    assert found.between_sd == pytest.approx(want["Batch"], rel=1e-4)
    assert found.within_sd == pytest.approx(want["Residual"], rel=1e-4)
    assert found.variance_of_means is not None
    se = np.sqrt(found.variance_of_means / found.k)
    assert se == pytest.approx(expected["se"]["(Intercept)"] / UNIT, rel=1e-6)
