"""Runs whose neighbours err alike: the pair says so, and its interval is wider."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from calibrate import analysis, reporting
from calibrate.cli.report import say_verdicts
from calibrate.comparison import Pair
from tests.helpers.campaigns import LOADS, Fake, build, domain, truth


def noise(lag1: float, seed: int) -> Iterator[float]:
    """Yield noise of 1 % whose neighbours correlate."""
    rng = np.random.default_rng(seed)
    value = rng.normal()
    while True:
        yield 0.01 * value
        value = lag1 * value + math.sqrt(1 - lag1**2) * rng.normal()


def compared(folder: Path, lag1: float, seed: int = 1) -> Pair:
    wander = noise(lag1, seed)
    meter = Fake(lambda w, s: w * s * math.exp(next(wander)), domain())
    made = build(folder, {"truth": truth(), "meter": meter}, LOADS, [5.0] * 10)
    found = analysis.analyze(made)
    [pair] = found.comparison.pairs
    return pair


def width(pair: Pair) -> float:
    assert pair.ratio is not None and pair.ratio.ratio.low and pair.ratio.ratio.high
    return math.log(pair.ratio.ratio.high / pair.ratio.ratio.low)


def test_wandering_noise_is_said_and_widens(tmp_path: Path) -> None:
    pair = compared(tmp_path / "c", 0.9)
    assert pair.correlated and pair.serial is not None and pair.serial.n_effective < 10
    assert pair.ratio is not None and pair.prediction is not None
    assert pair.ratio.ratio.checks[-1].startswith("Repeats are not independent: neighbouring runs")
    assert pair.prediction.checks[-1] == pair.ratio.ratio.checks[-1]
    u_of_mean = pair.serial.sd / math.sqrt(pair.serial.n_effective)
    assert pair.ratio.ratio.u is not None and pair.ratio.ratio.u > 0.7 * u_of_mean
    told = reporting.digest(analysis.analyze(tmp_path / "c"))
    assert told.agreement.rows[0].cells[-1] == "repeats not independent, interval widened"


def test_the_terminal_says_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compared(tmp_path / "c", 0.9)
    say_verdicts(analysis.analyze(tmp_path / "c"))
    said = " ".join(capsys.readouterr().out.split())
    assert "meter: Repeats are not independent: neighbouring runs correlate with 0." in said


def test_independent_noise_is_left_as_it_is(tmp_path: Path) -> None:
    pair = compared(tmp_path / "c", 0.0)
    assert pair.serial is not None and not pair.correlated
    assert pair.ratio is not None
    assert not any("independent" in check for check in pair.ratio.ratio.checks)
    assert width(pair) < 0.02


def test_a_fault_that_goes_with_the_length_is_no_correlation(tmp_path: Path) -> None:
    """Every repeat has a length of its own: no two runs repeat each other."""
    meter = Fake(lambda w, s: w * (s - 0.5), domain())
    lengths = [4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0, 30.0]
    made = build(tmp_path / "c", {"truth": truth(), "meter": meter}, LOADS, lengths)
    [pair] = analysis.analyze(made).comparison.pairs
    assert not pair.correlated
