"""Energy is exact for constant power, whatever the instants and however often a counter wraps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibrate.energy import native_columns, window_energy
from calibrate.energy.window import counted
from calibrate.probe.contract import Domain
from calibrate.store import ProbeLog
from calibrate.store.readings import Reading, Readings

S = 1_000_000_000
instants = st.lists(st.integers(0, 100 * S), min_size=2, max_size=60, unique=True).map(sorted)


def made(domain: Domain, at: list[int], values: list[float]) -> ProbeLog:
    readings = Readings.of(Reading(t, t, {domain.name: v}) for t, v in zip(at, values, strict=True))
    return ProbeLog("x", {domain.name: domain}, readings=readings, stop={"status": "ok"})


@given(at=instants, watts=st.floats(0.1, 1000), data=st.data())
def test_constant_power_any_instants(at: list[int], watts: float, data: st.DataObject) -> None:
    begin = data.draw(st.integers(at[0], at[-1] - 1))
    end = data.draw(st.integers(begin + 1, at[-1]))
    domain = Domain("a", "psys")
    log = made(domain, at, [watts * t / S for t in at])
    energy = window_energy(log, native_columns([domain])[0], (begin, end))
    assert energy
    expected = watts * (end - begin) / S
    assert energy.joules == pytest.approx(expected, rel=1e-6, abs=1e-6 * watts)


@given(
    before_w=st.floats(0, 1000),
    after_w=st.floats(0, 1000),
    change=st.floats(0, 1),
    share=st.floats(0.01, 0.99),
)
def test_a_step_between_two_readings_is_found_from_the_joules(
    before_w: float, after_w: float, change: float, share: float
) -> None:
    """Readings every second; the power changes once between 2 s and 3 s, where the window ends."""

    def used(t: float) -> float:
        step = 2 + change
        return before_w * min(t, step) + after_w * max(t - step, 0)

    domain = Domain("a", "psys")
    log = made(domain, [t * S for t in range(6)], [used(t) for t in range(6)])
    end = 2 + share
    energy = window_energy(log, native_columns([domain])[0], (S, int(end * S)))
    assert energy
    # Equal powers differ by rounding, and then the proportion is as good.
    assert energy.joules == pytest.approx(used(end) - used(1), rel=1e-6, abs=1e-4)
    assert 0 <= energy.u_j <= used(3) - used(2) + 1e-6


@given(joules=st.lists(st.floats(0, 1e4), min_size=1, max_size=8), data=st.data())
def test_what_is_taken_of_a_gap_lies_within_it(joules: list[float], data: st.DataObject) -> None:
    total = np.cumsum([0.0, *joules])
    at = np.arange(total.size) * S
    edge = data.draw(st.integers(0, int(at[-1])))
    found = counted(at, total, edge)
    after = max(int(np.ceil(edge / S)), 1)
    assert total[after - 1] - 1e-6 <= found.joules <= total[after] + 1e-6
    assert 0 <= found.u_j <= joules[after - 1] + 1e-6


@given(
    steps=st.lists(st.integers(0, 999), min_size=1, max_size=80),
    start=st.integers(0, 999),
)
def test_unwrapped_counter_is_what_was_added(steps: list[int], start: int) -> None:
    """Holds for any steps below the range: one wrap between two readings at most."""
    total, values = start, [start]
    for step in steps:
        total += step
        values.append(total % 1000)
    domain = Domain("a", "psys", wraps_at_j=1000.0)
    log = made(domain, [i * S for i in range(len(values))], [float(v) for v in values])
    energy = window_energy(log, native_columns([domain])[0], (0, len(steps) * S))
    assert energy
    assert energy.joules == sum(steps)
