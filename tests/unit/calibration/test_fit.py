"""What a calibration says of a probe: the form, its uncertainty, and what it is good enough for."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
import pytest

from calibrate.calibration import (
    Correction,
    CorrectionWarning,
    Corrector,
    fit_calibration,
)
from calibrate.comparison import Comparison, Pair, PairedRun, ProbeSummary
from calibrate.diagnosis import NO_FAULT, UNEXPLAINED, Diagnosis
from calibrate.errors import CrosswattError
from calibrate.reporting.verdict import instruction
from calibrate.stats import serial_correlation

WATTS = [15.0, 120.0, 60.0, 70.0, 100.0]
KILO = "scale 1e-3 (kW taken for W)"


def comparison(
    ratios: Sequence[float],
    watts: Sequence[float] = WATTS,
    noise: float = 0.0,
    offset_w: float = 0.0,
    u_reference: float | None = None,
    seed: int = 0,
) -> Comparison:
    rng = np.random.default_rng(seed)
    rows = tuple(
        PairedRun(
            run=f"{j}-{i}", workload=f"w{i}", repeat=j + 1, seconds=5.0,
            probe_j=(ratio * w + offset_w) * 5.0 * math.exp(noise * rng.normal()),
            reference_j=w * 5.0, u_reference_j=0.0,
        )
        for j in range(2)
        for i, (ratio, w) in enumerate(zip(ratios, watts, strict=True))
    )  # fmt: skip
    pair = Pair(
        probe="p", column="c", scope="package", reference_scope="package", basis="measured",
        family="f", same_family=False, headline=True, resolution_j=0.0, rows=rows, ratio=None,
        limits=None, prediction=None, u_reference=u_reference,
    )  # fmt: skip
    return Comparison(
        simulated=False, machine="m", reference="r", runs=len(rows),
        workloads=tuple(sorted({row.workload for row in rows})), pairs=(pair,), left=(),
        probes={"p": ProbeSummary(status="ok")},
    )  # fmt: skip


def fitted(
    made: Comparison, name: str = UNEXPLAINED, need: float = 0.05, **diagnosis: Any
) -> tuple[Correction, Corrector]:
    found = Diagnosis(name, 0.99, name != UNEXPLAINED, "By hand.", **diagnosis)
    calibration = fit_calibration(made, {("p", "c"): found}, need=need)
    return calibration.corrections[0], Corrector(calibration)


def test_a_sound_probe_with_scatter_is_not_multiplied() -> None:
    made = comparison([1.012, 0.991, 1.004, 0.996, 1.008], noise=0.004, seed=3)
    found, corrector = fitted(made, NO_FAULT)
    assert found.verdict == "not needed"
    reading = corrector.correct(300.0, seconds=5.0)
    assert reading.joules == 300.0 and reading.low is not None and reading.high is not None
    assert reading.low < 300.0 < reading.high


def test_no_fault_found_and_a_factor_that_changes_nothing_of_use_do_not_occur() -> None:
    """A gain of 1.005 is significant; nobody who needs 5 % gains by it."""
    made = comparison([1.0047] * 5, noise=1e-4)
    assert fitted(made, NO_FAULT)[0].verdict == "not needed"
    # Who needs more gets it, and so does who has a gain that matters.
    assert fitted(made, NO_FAULT, need=0.002)[0].verdict == "factor"
    assert fitted(comparison([1.06] * 5, noise=1e-4), NO_FAULT)[0].verdict == "factor"


def test_a_reference_that_may_be_as_wrong_itself_corrects_nothing() -> None:
    made = comparison([1.02] * 5, noise=1e-4, u_reference=0.03)
    found, _ = fitted(made)
    assert found.verdict == "not needed"
    assert found.fitness is not None and found.fitness.expanded_u is not None
    assert found.fitness.expanded_u > 1.9 * 0.03


def test_a_known_slip_is_undone_exactly_and_its_scatter_is_the_uncertainty() -> None:
    made = comparison([0.87e-3, 1.13e-3, 0.95e-3, 1.02e-3, 1.08e-3], noise=0.01)
    found, corrector = fitted(made, KILO, factor=1e-3)
    assert found.verdict == "factor" and found.factor is not None
    assert found.factor.value == 1000
    assert corrector.correct(0.3, seconds=5.0).joules == pytest.approx(300)
    assert found.fitness is not None and 0.25 < (found.fitness.expanded_u or 0.0) < 0.6
    # A gain that shows beside the slip is corrected too.
    beside = fitted(comparison([0.8e-3] * 5, noise=1e-3), KILO, factor=1e-3)[0]
    assert beside.factor is not None and beside.factor.value == pytest.approx(1250, rel=2e-3)


def test_what_it_is_fit_for_depends_on_the_need_and_nothing_is_refused() -> None:
    made = comparison([0.9, 0.86, 0.94, 0.91, 0.88], noise=0.005)
    for need, words in ((0.05, r"fit for 1\d % only"), (0.2, "fit for 20 %")):
        found, corrector = fitted(made, need=need)
        assert found.verdict == "factor" and found.fitness is not None
        assert re.fullmatch(words, found.fitness.words), found.fitness
        assert found.fitness.k is not None and found.fitness.df is not None
        assert corrector.correct(300.0, seconds=5.0).joules > 300.0
    with pytest.raises(ValueError, match="not above zero"):
        fitted(made, need=0.0)


def test_what_is_printed_is_the_expanded_uncertainty() -> None:
    found, corrector = fitted(comparison([0.9, 0.88, 0.87, 0.91, 0.89], noise=0.004))
    assert found.fitness is not None and found.fitness.expanded_u is not None
    said = re.search(r"± ([\d.]+) % \(95 %\)", instruction(found))
    assert said is not None
    assert float(said[1]) == pytest.approx(100 * found.fitness.expanded_u, rel=0.06)
    # It is that of the worse end of the loads.
    assert found.valid is not None
    highs = []
    for watts in found.valid.watts:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reading = corrector.correct(5 * found.reported_w(watts), seconds=5.0)
        assert reading.high is not None
        highs.append(reading.high / reading.joules)
    assert max(highs) == pytest.approx(1 + found.fitness.expanded_u)


def test_no_form_describes_a_probe_that_goes_against_the_load() -> None:
    found, corrector = fitted(comparison([135 / w - 1 for w in WATTS]))
    assert found.verdict == "not calibratable" and "no form describes it" in found.reason
    assert found.fitness is not None and found.fitness.words == "no form describes it"
    with pytest.raises(CrosswattError, match="no form describes it"):
        corrector.correct(300.0, seconds=5.0)


@pytest.mark.parametrize(
    ("gain", "offset_w", "verdict"),
    [(0.9, 0.0, "factor"), (1.0, 15.0, "offset"), (0.8, 15.0, "gain and offset")],
)
def test_limits_hold_a_single_run_of_a_new_workload(
    gain: float, offset_w: float, verdict: str
) -> None:
    """At a scatter from run to run that is larger than that between workloads."""
    inside = count = 0
    rng = np.random.default_rng(7)
    for _ in range(150):
        watts = rng.uniform(20, 180, 10)
        made = comparison(
            list(gain * np.exp(rng.normal(0, 0.005, 10))),
            list(watts),
            0.02,
            offset_w,
            seed=int(rng.integers(10**9)),
        )
        found, corrector = fitted(made)
        true = float(rng.uniform(min(watts), max(watts)))
        shown = (gain * true + offset_w) * math.exp(rng.normal(0, math.hypot(0.005, 0.02)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reading = corrector.correct(shown * 5.0, seconds=5.0)
        assert reading.low is not None and reading.high is not None
        count += found.verdict == verdict
        inside += reading.low <= true * 5.0 <= reading.high
    assert count > 120 and 0.88 <= inside / 150 <= 0.99


def test_a_form_that_chance_prefers_is_not_chosen() -> None:
    """Five workloads of one gain whose runs scatter: a line through them is nothing."""
    chosen = set()
    for seed in range(30):
        watts = np.random.default_rng(seed).uniform(20, 180, 5)
        found, _ = fitted(comparison([0.8] * 5, list(watts), 0.04, seed=seed))
        chosen.add(found.verdict)
    assert chosen == {"factor"}


def test_an_offset_that_shows_is_chosen() -> None:
    found, _ = fitted(comparison([1.0] * 5, [20, 40, 60, 90, 160], 0.002, offset_w=15.0))
    assert found.verdict == "offset"
    found, _ = fitted(comparison([0.8] * 5, [20, 40, 60, 90, 160], 0.002, offset_w=15.0))
    assert found.verdict == "gain and offset"


def test_beyond_the_loads_the_uncertainty_grows_with_the_slope_that_they_do_not_exclude() -> None:
    found, corrector = fitted(comparison([0.9, 0.91, 0.89, 0.9, 0.91], noise=0.002))
    inside, above, below = (found.expanded(watts) for watts in (60.0, 180.0, 8.0))
    assert inside and above and below
    assert inside.u < above.u < below.u
    for end in (15.0, 120.0):
        within = found.expanded(end)
        assert within and within.u == pytest.approx(inside.u, rel=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reading = corrector.correct(0.9 * 8 * 5, seconds=5.0)
    assert reading.u is not None and reading.u / reading.joules == pytest.approx(below.u, rel=0.05)
    # Loads that are nearly one say little of any other.
    narrow, _ = fitted(comparison([0.9, 0.91, 0.89, 0.9, 0.91], [60, 61, 60.5, 60, 61]))
    far = narrow.expanded(100.0)
    assert far and far.u > 3 * inside.u


def test_three_workloads_that_differ_much_are_corrected_with_what_is_known() -> None:
    found, corrector = fitted(comparison([0.6, 0.9, 0.9], [30, 90, 150], noise=0.005))
    assert found.verdict in {"factor", "not needed"} and found.fitness is not None
    reading = corrector.correct(100.0, seconds=5.0)
    assert reading.low is not None and reading.high is not None
    assert reading.low < 100 / 0.9 < 100 / 0.6 < reading.high


def stepped(step_j: float, seconds: float = 5.0, noise: float = 0.0) -> Comparison:
    """Return runs beside a reference that shows whole steps, and says so."""
    rng = np.random.default_rng(8)
    made = comparison([0.6] * 8, list(np.linspace(60, 200, 8)), noise, seed=5)
    rows = tuple(
        row.model_copy(
            update={
                "seconds": seconds,
                "probe_j": row.probe_j * seconds / row.seconds,
                "reference_j": row.reference_j * seconds / row.seconds
                + step_j * float(rng.uniform(-0.5, 0.5) - rng.uniform(-0.5, 0.5)),
                "u_reference_j": step_j / math.sqrt(6),
            }
        )
        for row in made.pairs[0].rows
    )
    pair = made.pairs[0].model_copy(update={"rows": rows, "reference_resolution_j": step_j})
    return made.model_copy(update={"pairs": (pair,)})


def relative_u(corrector: Corrector, seconds: float) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = corrector.correct(0.6 * 120 * seconds, seconds=seconds, anyway=True)
    assert found.u is not None
    return found.u / found.joules


def test_what_steps_leave_open_shrinks_with_the_length_of_a_run() -> None:
    """Runs of 5 s beside a plug of 100 J calibrate an hour to what the factor is known to."""
    found, corrector = fitted(stepped(100.0))
    assert found.factor is not None and found.next_run is not None
    # That of the factor is the mean over the loads.
    assert relative_u(corrector, 5.0) == pytest.approx(found.relative_u, rel=0.15)
    form = found.next_run.workloads / math.sqrt(8)
    assert form < relative_u(corrector, 3600.0) < 0.6 * relative_u(corrector, 5.0)
    assert relative_u(corrector, 3600.0) == pytest.approx(relative_u(corrector, 36000.0), rel=1e-4)
    assert relative_u(corrector, 2.5) > 1.5 * relative_u(corrector, 5.0)


def test_what_differs_from_run_to_run_does_not_shrink() -> None:
    _, corrector = fitted(stepped(0.1, noise=0.03))
    assert relative_u(corrector, 3600.0) == pytest.approx(relative_u(corrector, 5.0), rel=1e-3)


def test_the_class_of_the_reference_does_not_shrink() -> None:
    made = stepped(100.0)
    pair = made.pairs[0].model_copy(update={"u_reference": 0.05})
    _, corrector = fitted(made.model_copy(update={"pairs": (pair,)}))
    assert relative_u(corrector, 3600.0) > 0.05


def wandering(lag1: float, seed: int, k: int = 5, m: int = 10) -> tuple[Comparison, float]:
    """Return runs in an order that is shuffled, and how far off one later run is (ln)."""
    rng = np.random.default_rng(seed)
    value, rows = float(rng.normal()), list[PairedRun]()
    for j in range(m):
        for i in rng.permutation(k):
            value = lag1 * value + math.sqrt(1 - lag1**2) * float(rng.normal())
            watts = 20.0 + 35 * int(i)
            rows.append(
                PairedRun(
                    run=f"{j}-{i}", workload=f"w{i}", repeat=j + 1, seconds=5.0,
                    probe_j=0.8 * watts * 5 * math.exp(0.02 * value), reference_j=watts * 5,
                    u_reference_j=0.0,
                )
            )  # fmt: skip
    made = comparison([1.0] * 5)
    d = [math.log(row.probe_j / row.reference_j) for row in rows]
    serial = serial_correlation(d, [row.workload for row in rows], shuffles=199)
    pair = made.pairs[0].model_copy(update={"rows": tuple(rows), "serial": serial})
    return made.model_copy(update={"pairs": (pair,)}), 0.02 * float(rng.normal())


def test_runs_that_err_alike_are_said_and_widen_the_interval() -> None:
    made, _ = wandering(0.95, 3)
    assert made.pairs[0].correlated
    found, _ = fitted(made)
    assert "Repeats are not independent" in found.reason
    alone = made.pairs[0].model_copy(update={"serial": None})
    narrow, _ = fitted(made.model_copy(update={"pairs": (alone,)}))
    assert found.fitness and narrow.fitness
    assert (found.fitness.expanded_u or 0) > 1.2 * (narrow.fitness.expanded_u or 0)


def test_limits_hold_a_later_run_where_runs_err_alike() -> None:
    held = 0
    for seed in range(60):
        made, off = wandering(0.95, seed)
        found, corrector = fitted(made)
        assert found.verdict in {"factor", "offset", "gain and offset"}
        reading = corrector.correct(0.8 * 400 * math.exp(off), seconds=5.0)
        assert reading.low is not None and reading.high is not None
        held += reading.low <= 400 <= reading.high
    assert held >= 53


def test_a_correction_between_scopes_says_what_it_carries_and_warns_on_another_day() -> None:
    made = comparison([1.0] * 5, [120, 160, 200, 240, 300], 0.002, offset_w=-100.0)
    pair = made.pairs[0].model_copy(update={"reference_scope": "node"})
    day = date(2025, 3, 1)
    found = fit_calibration(
        made.model_copy(update={"pairs": (pair,)}),
        {("p", "c"): Diagnosis(UNEXPLAINED, None, False, "By hand.")},
        made=day,
    )
    [correction] = found.corrections
    assert correction.verdict == "offset" and correction.conditions is not None
    assert "carries all that node has beyond package, of m on 2025-03-01" in correction.reason
    assert instruction(correction).endswith("as on 2025-03-01")
    corrector = Corrector(found)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not corrector.correct(500.0, seconds=5.0, machine="m", on=day).notes
    with pytest.warns(
        CorrectionWarning, match="as it was on 2025-03-01; the reading is of 2025-04"
    ):
        corrector.correct(500.0, seconds=5.0, machine="m", on=date(2025, 4, 1))
    with pytest.warns(CorrectionWarning, match="whether the reading is of m is not known"):
        corrector.correct(500.0, seconds=5.0, on=day)


def test_a_correction_within_a_scope_has_no_such_conditions() -> None:
    found, _ = fitted(comparison([0.9, 0.88, 0.87, 0.91, 0.89], noise=0.004))
    assert found.conditions is None


@pytest.mark.parametrize(("between", "within"), [(0.01, 0.01), (0.0, 0.04)])
def test_limits_hold_a_single_run_with_five_workloads(between: float, within: float) -> None:
    """Also where runs scatter and workloads do not."""
    rng = np.random.default_rng(12)
    held = 0
    for _ in range(60):
        gains = list(0.9 * np.exp(rng.normal(0, between, 5)))
        _, corrector = fitted(comparison(gains, noise=within, seed=int(rng.integers(10**9))))
        off = rng.normal(0, between) + rng.normal(0, within)
        reading = corrector.correct(0.9 * 400 * math.exp(off), seconds=5.0)
        assert reading.low is not None and reading.high is not None
        held += reading.low <= 400 <= reading.high
    assert held >= 52
