"""Kinds of fault that show in more than the level of the runs, and the run that would decide."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from calibrate.analysis import analyze
from calibrate.diagnosis import CONSTANT_POWER, NO_FAULT, UNEXPLAINED, Diagnosis, Runs, diagnose
from tests.helpers.cases import shared_data
from tests.helpers.imports import imported

Vector = np.ndarray[Any, np.dtype[np.float64]]
IDLE_W = 20.0
#: Load, share of the CPUs' time, and power of each workload: turbo makes power no line in load.
LOADS = {"idle": (0.02, 20.0), "one": (0.25, 78.0), "half": (0.5, 105.0), "triad": (1.0, 112.0),
         "gemm": (1.0, 160.0), "mixed": (0.9, 140.0)}  # fmt: skip
LENGTHS = (5.0, 11.0, 24.0, 50.0)
LOAD_MODEL = "modelled from utilisation, not measured"


class Machine:
    """Runs of steady loads after rest, in a random order."""

    def __init__(self, seed: int = 0, wraps_at_j: float = 0.0) -> None:
        self.rng = np.random.default_rng(seed)
        rows = [(name, seconds) for name in LOADS for seconds in LENGTHS]
        rows = [rows[i] for i in self.rng.permutation(len(rows))]
        self.labels = [name for name, _ in rows]
        self.seconds = np.array([seconds for _, seconds in rows]) * self.rng.uniform(1, 1.02, 24)
        self.busy = np.array([LOADS[name][0] for name in self.labels])
        self.watts = np.array([LOADS[name][1] for name in self.labels])
        self.joules = self.watts * self.seconds
        self.dram = self.joules * np.array([0.05 + 0.04 * len(name) for name in self.labels])
        self.wraps_at_j = wraps_at_j

    def wraps(self) -> Vector:
        """Return how often the counter wraps in each run."""
        start = self.rng.uniform(0, self.wraps_at_j, self.joules.size)
        return np.floor((start + self.joules) / self.wraps_at_j)

    def runs(self, probe_j: Vector, noise: float = 0.004, **given: Any) -> Runs:
        """Return what was measured."""
        n = self.joules.size
        return Runs(
            probe_j * np.exp(self.rng.normal(0, noise, n)),
            self.joules * np.exp(self.rng.normal(0, 0.002, n)),
            self.seconds,
            self.labels,
            idle_w=IDLE_W,
            wraps_at_j=self.wraps_at_j,
            parts_j={"dram": self.dram},
            edges_w=[(IDLE_W, watts) for watts in self.watts],
            **given,
        )


def said(make: Any, times: int = 12, wraps_at_j: float = 0.0, **given: Any) -> list[Diagnosis]:
    """Return the verdicts on some campaigns with a meter."""
    found = []
    for seed in range(times):
        machine = Machine(seed, wraps_at_j)
        found.append(diagnose(machine.runs(make(machine), **given)))
    return found


def names(found: list[Diagnosis]) -> set[str]:
    return {each.name for each in found}


# ---- models of the load ----


@pytest.mark.parametrize("floor", [0.0, 0.3])
@pytest.mark.parametrize("exponent", [1.0, 3.0])
def test_a_model_of_the_load_is_told_by_the_cpu_time(floor: float, exponent: float) -> None:
    machine = Machine(1)
    probe_j = 130 * (floor + (1 - floor) * machine.busy**exponent) * machine.seconds
    found = diagnose(machine.runs(probe_j, busy=machine.busy))
    assert found.name == LOAD_MODEL and found.key == "load-model"
    assert "and not the energy" in found.sentence


def test_a_load_model_of_any_form_lies_on_a_curve_over_the_load() -> None:
    """As on a processor whose clock rises with the load: no line, and no power of the load."""
    load = np.tile(np.linspace(0.03, 1.0, 11), 2)
    watts = 40 + 130 * np.minimum(load / np.repeat([0.65, 0.5], 11), 1)
    reported = 172 / (1 + np.exp(-10 * (load - 0.38)))
    seconds = np.full(22, 30.5)
    names = [f"{side}-{level:.2f}" for side, level in zip("a" * 11 + "b" * 11, load, strict=True)]
    runs = Runs(reported * seconds, watts * seconds, seconds, names, busy=load)
    found = diagnose(runs)
    assert found.name == LOAD_MODEL and found.conclusive
    assert "follows the CPUs' load within" in found.sentence
    assert diagnose(replace(runs, busy=None)).name == UNEXPLAINED


def test_loads_that_are_reported_alike_are_those_of_a_model() -> None:
    """Without the CPU time: three loads that fill the CPUs have one power, and are not alike."""
    names = ["idle", "one", "triad", "copy", "gemm"] * 4
    true = np.array([20.0, 60, 95, 110, 160] * 4)
    reported = np.array([14.0, 90, 130, 130, 130] * 4)
    seconds = np.repeat([5.0, 10.0, 20.0, 40.0], 5)
    found = diagnose(Runs(reported * seconds, true * seconds, seconds, names, idle_w=20.0))
    assert found.name == LOAD_MODEL
    assert "are reported with the same power, 130 W, while they use 95 to 160 W" in found.sentence


def test_a_meter_beside_the_cpu_time_is_a_meter() -> None:
    for factor in (1.0, 0.87):
        machine = Machine(2)
        found = diagnose(machine.runs(factor * machine.joules, busy=machine.busy))
        assert found.name == (NO_FAULT if factor == 1 else "constant gain")


@pytest.mark.parametrize("folder", ["AMD_Threadripper", "E3-1240"])
def test_codecarbons_load_model_is_named_on_real_machines(folder: str, tmp_path: Any) -> None:
    imported(tmp_path / "out", "codecarbon-load", shared_data(f"codecarbon-load/{folder}"))
    found = analyze(tmp_path / "out", "rapl").diagnoses["codecarbon", "cpu"]
    assert found.name == LOAD_MODEL and found.conclusive


def test_the_share_of_time_is_a_number_for_every_run() -> None:
    with pytest.raises(ValueError, match=r"busy has shape \(2,\) for 1 workload labels"):
        Runs([1.0], [1.0], [1.0], ["a"], busy=[0.1, 0.2])
    machine = Machine(3)
    unknown = np.where(machine.busy < 0.1, np.nan, machine.busy)
    assert diagnose(machine.runs(machine.joules, busy=unknown)).name == NO_FAULT


# ---- late ----


def test_a_response_slower_than_the_runs_is_no_constant_power() -> None:
    for tau in (4.0, 15.0, 60.0):
        found = said(
            lambda m, tau=tau: m.joules - (m.watts - IDLE_W) * tau * (1 - np.exp(-m.seconds / tau)),
            times=5,
        )
        assert all(("slow-response",) in each.keys for each in found), names(found)


def test_a_short_lag_is_named_or_the_run_that_would_show_it() -> None:
    for lag_s in (0.3, 0.5):
        for found in said(lambda m, d=lag_s: m.joules - d * (m.watts - IDLE_W)):
            keys = found.deciding.keys if found.deciding else found.keys
            assert ("lag",) in keys, found.name


# ---- lost ----


def lose(m: Machine, share: float = 0.2, every_s: float = 1.0) -> Vector:
    """Return what is left where samples are lost."""
    due = np.floor(m.seconds / every_s).astype(int)
    return np.asarray(m.joules * m.rng.binomial(due, 1 - share) / due)


def test_samples_that_are_lost_scatter_most_in_short_runs() -> None:
    found = said(lose)
    right = sum(("samples-lost",) in each.keys for each in found)
    assert right >= 11, [each.name for each in found]
    assert any("% of the energy, by chance" in each.sentence for each in found)


def test_readings_lost_at_wraps_are_told_from_a_counter_that_is_stale() -> None:
    found = said(lambda m: m.joules - m.wraps() * m.watts * 1.0, wraps_at_j=1500.0)
    right = sum(each.name == "wrap readings dropped" for each in found)
    assert right >= 11, [each.name for each in found]
    assert names(said(lambda m: m.joules, wraps_at_j=1500.0)) == {NO_FAULT}


def test_an_absolute_value_at_a_wrap_is_neither_a_stray_nor_a_false_wrap() -> None:
    def whole(m: Machine) -> Vector:
        return np.asarray(np.abs(m.joules - m.wraps() * m.wraps_at_j))

    def each_reading(m: Machine) -> Vector:
        return m.joules + m.wraps() * (m.wraps_at_j - 2 * m.watts * 0.02)

    for meter in (whole, each_reading):
        for seed in range(6):
            machine = Machine(seed, 12_000.0)
            found = diagnose(machine.runs(meter(machine), noise=1e-4))
            assert found.name == "absolute value at a wraparound" and found.key == "wrap-abs"
            assert found.flags[0].kind == "wrap"


def test_several_changing_loads_seen_part_time_are_named_together() -> None:
    machine = Machine(4)
    changing = np.isin(machine.labels, ["half", "mixed"])
    probe_j = machine.joules * np.exp(np.where(changing, machine.rng.normal(0, 0.2, 24), 0.0))
    found = diagnose(machine.runs(probe_j))
    assert found.name == "part-time sampling" and found.conclusive
    assert "half and mixed" in found.sentence or "mixed and half" in found.sentence


# ---- slips, overheads, and what fits nothing ----


def test_an_overhead_and_a_missing_part_are_named_together() -> None:
    found = said(lambda m: 1.58 * (m.joules - m.dram))
    assert all(each.keys == (("pue-1.58", "dram-missing"),) for each in found)
    assert all(each.factor == 1.58 for each in found)


def test_a_slip_of_a_thousand_keeps_its_factor_on_a_busy_machine() -> None:
    """Ratios near 1.1e-3 are no hours taken for seconds and counted four times."""
    for seed in range(40):
        machine = Machine(seed)
        effect = machine.rng.normal(0.08, 0.09, len(LOADS))
        code = np.unique(machine.labels, return_inverse=True)[1]
        few = machine.rng.permutation(24)[:10]
        whole = machine.runs(1e-3 * machine.joules * np.exp(effect[code]), noise=0.05)
        found = diagnose(whole.only(np.isin(np.arange(24), few)))
        assert found.factor == 1e-3 and "1/3600" not in found.name, found.name


def test_a_name_is_withheld_where_its_model_leaves_a_quarter() -> None:
    machine = Machine(5)
    scatter = np.exp(machine.rng.normal(0, 0.25, 24))
    found = diagnose(machine.runs((machine.joules + 15 * machine.seconds) * scatter))
    assert found.name == UNEXPLAINED


def test_a_power_that_follows_the_load_is_no_constant_one() -> None:
    """However little is known of each run: readings are coarse, and the runs short."""
    true = np.array([60.0, 61, 75, 76, 95, 96])
    reported = np.array([70.0, 69, 88, 90, 110, 108])
    open_j = [200.0] * 6
    labels = ["a", "a", "b", "b", "c", "c"]
    runs = Runs(5 * reported, 5 * true, [5.0] * 6, labels, u_probe_j=open_j, u_reference_j=open_j)
    found = diagnose(runs)
    assert CONSTANT_POWER not in found.name and CONSTANT_POWER not in found.sentence
    assert next(c for c in found.candidates if c.name == CONSTANT_POWER).probability == 0
    flat = diagnose(replace(runs, probe_j=np.full(6, 425.0)))
    assert next(c for c in flat.candidates if c.name == CONSTANT_POWER).probability > 0


def test_what_is_left_open_comes_with_the_run_that_would_decide() -> None:
    rng = np.random.default_rng(0)
    power = np.repeat([60.0, 120.0, 240.0], 6)
    labels = [f"w{p:.0f}" for p in power]
    joules = power * 10
    probe_j = (joules + 200) * np.exp(rng.normal(0, 0.005, power.size))
    found = diagnose(Runs(probe_j, joules, np.full(power.size, 10.0), labels))
    deciding = found.deciding
    assert deciding is not None
    assert set(deciding.keys) == {("idle-offset",), ("fixed-energy",)}
    assert deciding.seconds != 10 and deciding.power_w is not None
    assert (
        deciding.ratios is not None and abs(np.log(deciding.ratios[0] / deciding.ratios[1])) > 0.1
    )
    assert deciding.sentence in found.reasons
    machine = Machine(6)
    known = diagnose(machine.runs(0.87 * machine.joules))
    assert known.name == "constant gain" and known.deciding is None
