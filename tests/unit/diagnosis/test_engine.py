"""The diagnosis on simulated runs whose fault is known."""

import json
import math
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from calibrate.diagnosis import (
    CONSTANT_POWER,
    NO_ENERGY,
    NO_FAULT,
    STRAY,
    UNEXPLAINED,
    Diagnosis,
    Runs,
    diagnose,
)
from calibrate.diagnosis.models import CONSTANT_GAIN, MULTIPLES, SCALES, catalogue
from calibrate.diagnosis.part_time import PART_TIME
from calibrate.diagnosis.single_runs import FALSE_WRAP, LOST_WRAP

Vector = np.ndarray[Any, np.dtype[np.float64]]
#: Energy a probe reports, from (random numbers, true joules, seconds, number of the workload).
Fault = Callable[[np.random.Generator, Vector, Vector, np.ndarray[Any, Any]], Vector]

KW_FOR_W = "scale 1e-3 (kW taken for W)"


def campaign(seed: int, fault: Fault, noise: float = 0.003, top_w: float = 60.0) -> Runs:
    """Return 4 to 6 workloads of 20 W to `top_w`, 2 or 3 runs of 5 to 10 s each."""
    rng = np.random.default_rng([seed, 7])
    k, m = int(rng.integers(4, 7)), int(rng.integers(2, 4))
    power_w = np.exp(rng.uniform(math.log(20), math.log(top_w), k))
    power_w[:2] = 20.0, top_w
    w = np.repeat(np.arange(k), m)
    t = rng.uniform(5, 10, k * m)
    energy = power_w[w] * t * np.exp(rng.normal(0, 0.02, k * m))
    probe = fault(rng, energy, t, w) * np.exp(rng.normal(0, noise, k * m))
    reference = energy * np.exp(rng.normal(0, 0.003, k * m))
    return Runs(probe, reference, t, [f"w{i}" for i in w])


def share(name: str, fault: Fault, n: int = 60, **given: float) -> float:
    """Return in how many of n campaigns the fault is called by that name, or may be that."""
    found = (diagnose(campaign(seed, fault, **given)) for seed in range(n))
    return sum(name in (each.alternatives or (each.name,)) for each in found) / n


def gain(factor: float, workload_sd: float = 0.0) -> Fault:
    def fault(rng: np.random.Generator, e: Vector, t: Vector, w: np.ndarray[Any, Any]) -> Vector:
        return np.asarray(factor * e * np.exp(rng.normal(0, workload_sd, 9))[w])

    return fault


def one(*rows: tuple[float, float, str], seconds: float = 5.0, **given: Any) -> Diagnosis:
    """Diagnose runs of (probe J, reference J, workload)."""
    probe, reference, workload = zip(*rows, strict=True)
    return diagnose(Runs(probe, reference, [seconds] * len(rows), workload, **given))


def loose_kw(rng: np.random.Generator, e: Vector, t: Vector, w: np.ndarray[Any, Any]) -> Vector:
    return np.asarray(1e-3 * e * np.clip(np.exp(rng.normal(0.04, 0.05, 9)), 0.93, 1.15)[w])


def test_kw_for_w_behind_a_residual_gain_that_moves_with_the_workload() -> None:
    assert share(KW_FOR_W, loose_kw, 200) >= 0.98


def test_kw_for_w_is_named_though_something_else_is_wrong_at_rest() -> None:
    """As measured once: ten runs, of which the two at rest are 30 and 40 % higher."""
    rows = [(26.9, 1.326, "idle", 3.4), (171.3, 0.962, "square", 4.9), (295.6, 0.975, "asr", 5.5),
            (126.1, 0.994, "integer", 3.5), (344.8, 0.955, "gemm", 5.5),
            (199.7, 0.971, "square", 5.7), (162.7, 0.955, "integer", 4.5),
            (217.2, 0.97, "gemm", 3.5), (41.5, 1.407, "idle", 5.4),
            (243.1, 0.975, "asr", 4.5)]  # fmt: skip
    joules, ratio, labels, seconds = zip(*rows, strict=True)
    probe_j = 1e-3 * np.array(joules) * np.array(ratio)
    found = diagnose(Runs(probe_j, joules, seconds, labels, idle_w=7.7))
    assert found.name.startswith(KW_FOR_W) and found.conclusive
    assert any("A workload is not where the others put it" in each for each in found.reasons)


@pytest.mark.parametrize("residual", [0.93, 1.04, 1.15])
def test_kw_for_w_behind_a_constant_residual_gain(residual: float) -> None:
    assert share(KW_FOR_W, gain(1e-3 * residual), 30) >= 0.95


def test_scale_and_residual_gain_are_one_diagnosis() -> None:
    found = diagnose(campaign(3, loose_kw))
    ratio = found.residual_gain
    assert found.name == KW_FOR_W and found.factor == 1e-3 and ratio is not None
    assert (found.probability or 0) >= 0.95
    assert found.residual_min is not None and found.residual_max is not None
    assert 0.92 < found.residual_min < ratio.value < found.residual_max < 1.17
    assert ratio.low is not None and ratio.high is not None and ratio.low < ratio.value < ratio.high
    assert f"with a residual gain of {ratio.value:.2f}" in found.sentence
    assert f"Reports 1/{1000 / ratio.value:.0f} of the reference" in found.sentence
    assert "kJ taken for J" in found.aliases


def test_sound_meters_are_not_accused() -> None:
    assert share(NO_FAULT, gain(1.0), 200) >= 0.99
    assert share(NO_FAULT, gain(1.01, workload_sd=0.005)) >= 0.99
    assert share(NO_FAULT, gain(1.0), noise=0.03) >= 0.95


@pytest.mark.parametrize("factor", [0.71, 0.87, 0.9, 1.1, 1.25, 16.0])
def test_a_gain_of_no_known_size_is_only_a_gain(factor: float) -> None:
    assert share(CONSTANT_GAIN, gain(factor), 25) >= 0.95


@pytest.mark.parametrize("multiple", MULTIPLES, ids=lambda each: each.label)
def test_every_multiple_is_found(multiple: Any) -> None:
    assert share(multiple.title, gain(multiple.factor, workload_sd=0.005), 25) >= 0.95


def test_gain_that_depends_on_the_workload_is_unexplained() -> None:
    assert share(UNEXPLAINED, lambda rng, e, t, w: e * rng.uniform(0.45, 0.95, 9)[w]) >= 0.98
    busy = np.array([1, 1.5, 3.6, 19, 1, 1.2])
    assert share(UNEXPLAINED, lambda rng, e, t, w: 1e-3 * e * busy[w], 20) == 1.0


@pytest.mark.parametrize("scale", SCALES, ids=lambda scale: scale.label)
def test_every_scale_is_found(scale: Any) -> None:
    assert share(scale.title, gain(scale.factor, workload_sd=0.01), 25) >= 0.95


def test_constant_power() -> None:
    assert share(CONSTANT_POWER, lambda rng, e, t, w: 42 * t, top_w=40.0) >= 0.95
    assert share(CONSTANT_POWER, lambda rng, e, t, w: 42 * t, top_w=40.0, noise=0.02) >= 0.95
    found = diagnose(campaign(1, lambda rng, e, t, w: 42 * t, noise=0.0))
    assert found.constant_w == pytest.approx(42, rel=0.01) and found.residual_gain is None
    assert [flag.kind for flag in found.flags] == ["identical power"]
    assert found.sentence.startswith("Reports 42 W whatever the load")


def test_names_and_factors_belong_together() -> None:
    labels = {"1e6/3600": 1e6 / 3600, "3600/1e6": 3600 / 1e6}
    for scale in SCALES:
        over, _, under = scale.label.partition("/")
        want = labels.get(scale.label) or float(over) / float(under or 1)
        assert scale.factor == pytest.approx(want)
        assert scale.title == f"scale {scale.label} ({scale.cause})"
    assert len({scale.title for scale in SCALES}) == len(SCALES)
    gaps = np.diff(np.sort([math.log(s.ratio) for s in SCALES] + [0.0]))
    assert gaps.min() > math.log(3.5)
    assert sum(model.prior for model in catalogue()) == pytest.approx(1.0)


UNITS = {"J": 1.0, "W": 1.0, "Wh": 3600.0, "s": 1.0, "h": 3600.0}
PREFIX = {"": 1.0, "n": 1e-9, "µ": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9}


def in_si(unit: str) -> float:
    return next(
        PREFIX[prefix] * UNITS[unit.removeprefix(prefix)]
        for prefix in sorted(PREFIX, key=len, reverse=True)
        if unit.startswith(prefix) and unit.removeprefix(prefix) in UNITS
    )


def test_every_slip_has_the_ratio_it_is_listed_under() -> None:
    for scale in SCALES:
        for slip in (scale.cause, *scale.aliases):
            factor = 1.0
            for part in slip.removeprefix("an interval in ").split(" and "):
                said, read = part.split(" taken for ")
                factor *= in_si(read) / in_si(said)
            assert factor == pytest.approx(scale.factor), slip


def test_single_run_is_a_hint_only() -> None:
    found = one((0.2, 200, "a"))
    assert found.name == UNEXPLAINED and not found.conclusive
    assert found.leading == KW_FOR_W
    assert found.sentence.startswith("Reports 1/1000 of the reference (one run). Strong hint of")
    assert "Too few runs (1 usable)" in found.reasons[0]


def test_one_workload_clears_nobody_but_shows_a_scale() -> None:
    assert one(*[(200, 200, "a")] * 4).name == UNEXPLAINED
    found = one(*[(0.2, 200, "a"), (0.21, 200, "a"), (0.2, 200, "a")])
    assert found.name == KW_FOR_W and "unknown" in found.reasons[0]


def test_idle_runs_alone_are_too_thin() -> None:
    found = one(*[(50, 50, "idle"), (0.05, 50, "idle")] * 2)
    assert found.name == UNEXPLAINED and "over 10 % more than rest" in found.reasons[0]
    found = one(*[(50, 50, "x"), (51, 51, "y")] * 2, idle_w=10.0)
    assert found.name == UNEXPLAINED and "over 10 % more than rest" in found.reasons[0]


def test_weak_reference_clears_nobody() -> None:
    rows = [(100.0, 100.0, "a"), (300.0, 300.0, "b")] * 3
    assert one(*rows).name == NO_FAULT
    found = one(*rows, u_ref=0.3)
    assert found.name == UNEXPLAINED and "uncertain by 30 %" in found.reasons[0]


def test_runs_without_energy_are_flagged() -> None:
    rows = [(100.0, 100.0, "a"), (300.0, 300.0, "b")] * 3
    for bad, kind, name in (
        (0.0, "zero", NO_ENERGY),
        (-50.0, "negative", STRAY),
        (math.nan, "not finite", STRAY),
    ):
        found = one(*rows, (bad, 100.0, "a"))
        assert found.name == name and found.conclusive and found.flags[0].runs == (6,)
        assert found.sentence.startswith("1 of 7 runs stands apart from the others: run 7 has")
        # A unit fault stays one; the run is reported beside it.
        scaled = one(*[(e / 1000, r, w) for e, r, w in rows], (bad, 100.0, "a"))
        assert scaled.name == KW_FOR_W
        assert scaled.flags[0].kind == kind and scaled.flags[0].runs == (6,)
        most = one(*rows, *[(bad, 100.0, "a")] * 6)
        assert most.name == (NO_ENERGY if bad == 0 else UNEXPLAINED) and most.probability is None
        begin = "Reports no energy at all in" if bad == 0 else "Most runs cannot be compared:"
        assert most.sentence.startswith(f"{begin} 6 of 12 runs")
        json.dumps(asdict(most), allow_nan=False)


def test_a_stray_run_is_named_and_the_others_judged() -> None:
    rows = [(100.0, 100.0, "a"), (300.0, 300.1, "b"), (201.0, 200.0, "c")] * 3
    leap = one(*rows, (5100.0, 100.0, "a"))
    assert leap.name == STRAY and leap.flags[0].runs == (9,) and leap.n_runs == 10
    assert "run 10 has 51 times the reference" in leap.sentence
    # Two of ten may be stray, three may not; nor may all runs of a workload.
    assert one(*rows, (5100.0, 100.0, "a"), (30.0, 100.0, "b")).name == STRAY
    three = one(*rows, (5100.0, 100.0, "a"), (30.0, 100.0, "b"), (910.0, 100.0, "b"))
    assert three.name == UNEXPLAINED
    assert one(*rows, (5100.0, 100.0, "d"), (30.0, 100.0, "d")).name != STRAY
    # What is wrong with all runs is said first.
    half = one(*[(e / 2, r, w) for e, r, w in rows], (5100.0, 100.0, "a"))
    assert half.name.startswith("ratio 1/2") and half.flags[0].kind == "stray"


def test_a_workload_that_scatters_alone_is_seen_part_time() -> None:
    steady = [(100.0, 100.0, "a"), (300.0, 300.6, "b"), (201.0, 200.0, "c")] * 4
    square = [
        (r * k, r, "square") for r, k in ((100.0, 0.7), (101.0, 1.4), (99.0, 1.2), (100, 0.8))
    ]
    found = one(*steady, *square)
    assert found.name == PART_TIME and found.flags[0].runs == (12, 13, 14, 15)
    assert "The runs of square scatter by" in found.sentence
    doubt = [0.1] * 16
    assert one(*steady, *square, u_probe_j=doubt, u_reference_j=doubt).name == PART_TIME


def short_runs(idle_off_j: float) -> Runs:
    """Sixteen loads and an idle run, 1.3 s each, sound but for joules more in the idle run."""
    names = ["idle", *(f"w{i}" for i in range(16))]
    energy = np.array([11.0, *np.linspace(43, 48, 16)])
    off = np.array([idle_off_j, *[0.0] * 16]) + np.random.default_rng(0).normal(0, 0.03, 17)
    return Runs(energy + off, energy, [1.3] * 17, names)


def test_what_the_readings_leave_open_is_no_fault() -> None:
    """A reading every 0.1 s leaves a joule open at the end of short runs."""
    runs = short_runs(1.0)
    assert "fixed energy" in diagnose(runs).name
    assert diagnose(replace(runs, u_probe_j=[0.5] * 17, u_reference_j=[0.01] * 17)).name == NO_FAULT


def test_a_trace_of_a_fault_that_would_not_matter_is_none() -> None:
    found = diagnose(short_runs(0.17))  # 1.6 % of that run, and clearly no chance
    assert found.name == NO_FAULT and found.conclusive
    assert found.probability is not None and found.probability <= 1
    assert any("the likeliest trace is fixed energy (" in reason for reason in found.reasons)
    # A weak reference clears nobody: what it shows is named, or nothing is.
    assert diagnose(replace(short_runs(0.17), u_ref=0.06)).name != NO_FAULT


def test_doubt_about_readings_has_the_shape_of_the_runs() -> None:
    with pytest.raises(ValueError, match=r"u_probe_j has shape \(2,\) for 1 workload labels"):
        Runs([1.0], [1.0], [1.0], ["a"], u_probe_j=[0.1, 0.1])
    for wrong in (float("nan"), -1.0):
        with pytest.raises(ValueError, match="u_reference_j must be finite numbers, zero or more"):
            Runs([1.0], [1.0], [1.0], ["a"], u_reference_j=[wrong])


def test_doubt_about_readings_is_no_constant_power() -> None:
    """Reported powers that differ by half are not the same, however little is known of them."""
    rng = np.random.default_rng(0)
    watts = np.array([40.0, 50.0, 60.0] * 4)
    runs = Runs(10 * watts * rng.normal(1, 0.05, 12), 10 * watts, [10.0] * 12, [*"abc"] * 4)
    doubtful = replace(runs, u_probe_j=[150.0] * 12, u_reference_j=[150.0] * 12)
    assert not any(flag.kind == "identical power" for flag in diagnose(doubtful).flags)


def test_lost_wraps_are_recognised_from_the_counters_range() -> None:
    rows = [(100.0, 100.0, "a"), (300.0, 300.0, "b")] * 3
    found = one(*rows, (100.0 - 2.0**18, 100.0, "a"))
    assert found.name == LOST_WRAP and found.key == "wrap" and found.conclusive
    assert found.flags[0].runs == (6,)
    # A range that the probe states is the only one that counts, and a sound rest is needed.
    assert one(*rows, (-1900.0, 100.0, "a"), wraps_at_j=2000.0).name == LOST_WRAP
    assert one(*rows, (-1900.0, 100.0, "a")).name == STRAY
    assert one(*rows, (-1700.0, 100.0, "a"), wraps_at_j=2000.0).name == STRAY
    # Every run may have wrapped; then none has a usable ratio as it stands.
    every = [(e - 2000, r, w) for e, r, w in rows]
    assert one(*every, wraps_at_j=2000.0).name == LOST_WRAP


def test_rounding_to_whole_ranges_is_no_proof_of_wraps() -> None:
    rng = np.random.default_rng(0)
    energy = rng.uniform(130, 700, 12)
    small = Runs(
        energy / 900, energy, energy / 60, [f"w{i % 4}" for i in range(12)], wraps_at_j=100.0
    )
    assert diagnose(small).name != LOST_WRAP


def test_unusable_reference_is_flagged() -> None:
    rows = [(100.0, 100.0, "a"), (300.0, 300.0, "b")] * 3
    found = one(*rows, (5.0, 0.0, "a"))
    assert found.name == NO_FAULT and found.flags[0].kind == "reference not usable"


def test_coarse_probe_is_not_accused_of_its_steps() -> None:
    truth = [(e, w) for e, w in ((37.0, "a"), (52.0, "b"), (61.0, "c")) for _ in range(3)]
    found = one(*[(round(e / 15) * 15.0, e, w) for e, w in truth], resolution_j=15.0)
    assert {flag.kind for flag in found.flags} == {"near resolution"}
    assert found.name == NO_FAULT or not found.conclusive


def test_refusals() -> None:
    with pytest.raises(ValueError, match="no runs"):
        Runs([], [], [], [])
    with pytest.raises(ValueError, match="seconds has shape"):
        Runs([1.0], [1.0], [1.0, 2.0], ["a"])
    with pytest.raises(ValueError, match="u_ref is nan"):
        Runs([1.0], [1.0], [1.0], ["a"], u_ref=math.nan)


def test_a_diagnosis_is_json_and_complete() -> None:
    diagnosis = diagnose(campaign(0, gain(0.87)))
    found = json.loads(json.dumps(asdict(diagnosis), allow_nan=False))
    assert TypeAdapter(Diagnosis).validate_python(found) == diagnosis
    assert {model.name for model in catalogue()} < {each["name"] for each in found["candidates"]}
    assert sum(c["probability"] for c in found["candidates"]) == pytest.approx(1.0)


def test_wraps_that_were_none_are_recognised() -> None:
    rows = [(100.0, 100.0, "a"), (300.0, 300.0, "b")] * 3
    made_up = one(*rows, (100.0 + 2.0**18, 100.0, "a"), (300.0 + 2.0**19, 300.0, "b"))
    assert made_up.name == FALSE_WRAP and made_up.key == "wrap-added"
    assert made_up.flags[0].runs == (6, 7) and "2 of 8 runs are high" in made_up.sentence


def test_lag_is_told_by_the_power_at_the_ends_of_runs() -> None:
    """A square wave ends at rest: a late meter loses nothing there, whatever its mean power."""
    loads = {"idle": (40.0, 40.0), "square": (90.0, 40.0), "gemm": (130.0, 130.0)}
    rows, edges, seconds = [], [], []
    for name, (mean_w, end_w) in loads.items():
        for length in (3.0, 5.0, 9.0):
            joules = mean_w * length
            rows.append((joules - 0.5 * (end_w - 40.0), joules, name))
            edges.append((40.0, end_w))
            seconds.append(length)
    probe, reference, names = zip(*rows, strict=True)
    runs = Runs(probe, reference, seconds, names, edges_w=edges)
    found = diagnose(runs)
    assert found.name == "lag" and "0.5 s late" in found.sentence
    blind = diagnose(replace(runs, edges_w=None, idle_w=40.0))
    assert blind.name != "lag"
    with pytest.raises(ValueError, match=r"edges_w has shape \(8, 2\) for 9 runs"):
        replace(runs, edges_w=edges[1:])


def test_what_is_within_two_percent_in_every_run_is_no_fault() -> None:
    """However oddly: the runs of one workload are 1.9 % high to a hair, the others exact."""
    rows = [(100.0, 100.0, "a"), (300.0, 300.0, "b"), (203.8, 200.0, "c")] * 6
    found = one(*rows)
    assert found.name == NO_FAULT and found.conclusive
    small = [(e + 0.9 * (1 - i % 2), e, w) for i, (e, _, w) in enumerate(rows)]
    assert one(*small).name == NO_FAULT
    assert one((100.0, 100.0, "a"), (101.0, 100.0, "a")).name == UNEXPLAINED  # too few still
