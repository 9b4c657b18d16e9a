"""The ends of a window between two readings: what is taken of the gap, and what stays open."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from calibrate.diagnosis import NO_FAULT, Runs, diagnose
from calibrate.energy import Column, native_columns, window_energy
from calibrate.energy.series import Curve, cumulative
from calibrate.energy.window import counted, integrated
from calibrate.probe.contract import Domain
from calibrate.store import ProbeLog
from calibrate.store.readings import Reading, Readings

S = 1_000_000_000
AT = np.arange(8) * S
Values = NDArray[np.float64]
GRID = (np.arange(400) + 0.5) / 400


def used(seconds: Values | float, step_s: float, before_w: float, after_w: float) -> Values:
    """Return the joules of a load that changes its power once."""
    t = np.asarray(seconds, dtype=np.float64)
    return before_w * np.minimum(t, step_s) + after_w * np.maximum(t - step_s, 0)


@pytest.mark.parametrize(("before_w", "after_w"), [(10.0, 110.0), (110.0, 10.0), (0.0, 50.0)])
@pytest.mark.parametrize("edge_s", [3.1, 3.5, 3.9])
def test_a_counter_tells_when_the_power_changed(
    before_w: float, after_w: float, edge_s: float
) -> None:
    for step_s in 3 + GRID:
        total = used(AT / S, step_s, before_w, after_w)
        found = counted(AT, total, round(edge_s * S))
        assert found.joules == pytest.approx(float(used(edge_s, step_s, before_w, after_w)))
    at_the_edge = counted(AT, used(AT / S, edge_s, before_w, after_w), round(edge_s * S))
    assert at_the_edge.u_j == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("begins", [True, False])
@pytest.mark.parametrize("edge_s", [3.0, 3.1, 3.5, 3.9, 4.0])
def test_a_meter_of_power_is_right_on_average_and_as_uncertain_as_it_says(
    edge_s: float, begins: bool
) -> None:
    """The power changes anywhere in the gap that has a part in the window."""
    gap = int(edge_s) - (not begins and edge_s == int(edge_s))
    power = np.where(np.greater(AT, gap * S), 110.0, 10.0)
    total = cumulative(Curve(AT, np.zeros(8), power))
    found = integrated(AT, power, total, round(edge_s * S), begins=begins)
    steps = gap + GRID
    if begins:
        true = np.array([used(gap + 1, s, 10, 110) - used(edge_s, s, 10, 110) for s in steps])
        taken = total[gap + 1] - found.joules
    else:
        true = np.array([used(edge_s, s, 10, 110) - used(gap, s, 10, 110) for s in steps])
        taken = found.joules - total[gap]
    assert float(np.mean(true)) == pytest.approx(taken, rel=1e-3, abs=1e-6)
    assert float(np.std(true)) == pytest.approx(found.u_j, rel=1e-2, abs=1e-6)


def test_steady_power_leaves_nothing_open() -> None:
    total = 30.0 * AT / S
    assert counted(AT, total, round(3.3 * S)).u_j == pytest.approx(0, abs=1e-9)
    found = integrated(AT, np.full(8, 30.0), total, round(3.3 * S), begins=True)
    assert found.joules == pytest.approx(99.0) and found.u_j == 0


@pytest.mark.parametrize("at", [AT[:2], AT[:4], AT[3:]])
def test_without_a_neighbour_all_of_a_gap_is_open(at: NDArray[np.int64]) -> None:
    total = 40.0 * (at - at[0]) / S
    edge = at[0] + S // 2 if at.size == 2 or at[0] else at[-1] - S // 2
    found = counted(at, total, int(edge))
    assert found.joules == pytest.approx(40.0 * (edge - at[0]) / S)
    assert found.u_j == pytest.approx(20.0)


def test_a_dip_beside_an_edge_is_not_taken_for_certain() -> None:
    """The load of the gap is below that of both neighbours: no single change explains it."""
    total = np.cumsum([0, 50, 50, 50, 25, 50, 50, 50]).astype(np.float64)
    found = counted(AT, total, round(3.5 * S))
    assert found.joules == pytest.approx(162.5)
    assert found.u_j > 5


@pytest.mark.parametrize("edge_s", [3.0, 4.0])
def test_a_counter_read_at_the_edge_leaves_nothing_open(edge_s: float) -> None:
    total = np.cumsum([0, 5, 80, 3, 70, 2, 90, 1]).astype(np.float64)
    found = counted(AT, total, round(edge_s * S))
    assert (found.joules, found.u_j) == (total[int(edge_s)], 0)


def test_readings_at_one_instant_have_no_power() -> None:
    at = np.array([0, 1, 1, 2, 3]) * S
    found = counted(at, np.array([0.0, 1, 1, 2, 3]), S)
    assert (found.joules, found.u_j) == (1, 0)


def made(kind: str, at_s: Values, values: Values, names: tuple[str, ...] = ("a",)) -> ProbeLog:
    readings = Readings.of(
        Reading(round(t * S), round(t * S), dict.fromkeys(names, float(v)))
        for t, v in zip(at_s, values, strict=True)
    )
    domains = {name: Domain(name, "psys", kind) for name in names}  # type: ignore[arg-type]
    return ProbeLog("x", domains, readings=readings, stop={"status": "ok"})


def test_the_ends_of_two_sockets_err_alike() -> None:
    at = np.arange(8.0)
    log = made("counter", at, np.cumsum([0, 5, 80, 3, 70, 2, 90, 1]), ("a", "b"))
    window = (round(2.5 * S), round(5.5 * S))
    one, both = (
        window_energy(log, Column("x", "psys", "measured", "rapl", parts), window)
        for parts in (("a",), ("a", "b"))
    )
    assert one and both
    assert both.joules == pytest.approx(2 * one.joules)
    assert both.ends_j == pytest.approx(2 * one.ends_j) and one.ends_j > 1


@pytest.mark.parametrize(("kind", "sees"), [("counter", 0.999), ("power", 0.97)])
def test_a_sound_meter_that_looks_once_a_second_is_sound(kind: str, sees: float) -> None:
    """Six loads of 10 to 40 s, three times, on a machine that uses 10 W at rest."""
    rng = np.random.default_rng(0)
    rows: list[tuple[float, float, float, float, str]] = []
    for load, watts in enumerate(np.linspace(40, 140, 6)):
        for seconds in rng.uniform(10, 40, 3):
            begin = 3 + rng.uniform(0, 1)
            at = np.arange(0, begin + seconds + 4)
            inside = np.clip(at - begin, 0, seconds)
            values = 10 * at + (watts - 10) * inside
            if kind == "power":
                values = np.where((at > begin) & (at <= begin + seconds), watts, 10.0)
            log = made(kind, at, values)
            [column] = native_columns(log.domains.values())
            window = (round(begin * S), round((begin + seconds) * S))
            energy = window_energy(log, column, window)
            assert energy
            true = watts * seconds
            assert abs(energy.joules - true) <= 2 * energy.u_j + 1e-3
            rows.append((energy.joules, energy.u_j, true, seconds, f"w{load}"))
    joules, u_j, true_j, lengths, names = zip(*rows, strict=True)
    assert np.mean(np.divide(joules, true_j)) > sees
    found = diagnose(Runs(joules, true_j, lengths, names, u_probe_j=u_j, u_reference_j=[0.0] * 18))
    assert found.name == NO_FAULT
