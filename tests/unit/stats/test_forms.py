"""Corrections beyond one factor: offset, line, a factor for each range of load."""

from __future__ import annotations

import numpy as np
import pytest

from calibrate.stats import fit_by_load, fit_gain_offset, fit_offset, worst_held_out

LOADS = np.array([20.0, 35.0, 60.0, 90.0, 120.0, 180.0])
NAMES = [f"w{i}" for i in range(6) for _ in range(3)]
REFERENCE = np.repeat(LOADS, 3)


def test_an_exact_line_is_recovered_and_inverts() -> None:
    found = fit_gain_offset(0.8 * REFERENCE + 12.0, REFERENCE, NAMES)
    assert found.gain.value == pytest.approx(0.8) and found.offset_w.value == pytest.approx(12.0)
    assert found.df == 4 and found.scatter == pytest.approx(0.0, abs=1e-12)
    assert worst_held_out(found.held_out) < 1e-9
    swapped = fit_gain_offset((0.8 * REFERENCE + 12.0)[::-1], REFERENCE[::-1], NAMES[::-1])
    assert swapped.gain.value == pytest.approx(found.gain.value)
    # In other units the gain is the same and the offset goes along.
    milli = fit_gain_offset(800 * REFERENCE + 12e3, 1e3 * REFERENCE, NAMES)
    assert milli.gain.value == pytest.approx(0.8)
    assert milli.offset_w.value == pytest.approx(12e3)


def test_the_intervals_of_a_line_cover() -> None:
    rng = np.random.default_rng(5)
    gains = offsets = 0
    for _ in range(2000):
        effect = np.repeat(rng.normal(0, 0.02, 6), 3) + rng.normal(0, 0.005, 18)
        found = fit_gain_offset((0.8 + 12 / REFERENCE + effect) * REFERENCE, REFERENCE, NAMES)
        gains += bool(found.gain.low <= 0.8 <= found.gain.high)  # type: ignore[operator]
        offsets += bool(found.offset_w.low <= 12 <= found.offset_w.high)  # type: ignore[operator]
    assert 0.93 <= gains / 2000 <= 0.97 and 0.93 <= offsets / 2000 <= 0.97


def test_the_interval_of_an_offset_covers() -> None:
    rng = np.random.default_rng(0)
    inside = 0
    names = [f"w{i}" for i in range(5) for _ in range(2)]
    for _ in range(2000):
        true = np.repeat(LOADS[:5], 2)
        effect = np.repeat(rng.normal(0, 0.02, 5), 2)
        found = fit_offset((1 + 15 / true + effect) * true, true, names).offset_w
        inside += bool(found.low <= 15 <= found.high)  # type: ignore[operator]
    assert 0.93 <= inside / 2000 <= 0.97


def test_ranges_of_load_are_split_where_the_factor_changes() -> None:
    probe = np.where(REFERENCE < 70, 0.5, 0.9) * REFERENCE
    found = fit_by_load(probe, REFERENCE, NAMES)
    assert [each.factor.value for each in found.factors] == pytest.approx([2.0, 1 / 0.9])
    (end,) = found.below_w
    assert 30 < end < 81 and worst_held_out(found.held_out) < 1e-9


@pytest.mark.parametrize(
    ("form", "count", "words"),
    [(fit_offset, 2, "takes 3"), (fit_gain_offset, 3, "takes 4"), (fit_by_load, 5, "takes 6")],
)
def test_too_few_workloads_are_refused(form, count: int, words: str) -> None:  # type: ignore[no-untyped-def]
    names = [f"w{i}" for i in range(count)]
    with pytest.raises(ValueError, match=words):
        form(LOADS[:count], LOADS[:count], names)
    with pytest.raises(ValueError, match="not above zero"):
        form([0.0, *LOADS[1:count]], LOADS[:count], names)


def test_a_line_needs_loads_that_differ_and_a_probe_that_follows() -> None:
    near = np.linspace(50, 55, 6)
    with pytest.raises(ValueError, match=r"differ by a factor of 1\.1 in power only"):
        fit_gain_offset(near, near, [f"w{i}" for i in range(6)])
    with pytest.raises(ValueError, match="does not follow the load"):
        fit_gain_offset(200 - REFERENCE, REFERENCE, NAMES)
