"""What the choice of the form leaves open."""

from __future__ import annotations

import math

import numpy as np
import pytest

from calibrate.calibration.choice import OtherForm, choice, weighed

LOADS = np.array([20.0, 35.0, 90.0, 120.0, 150.0, 170.0])
FACTOR = OtherForm(gains=(0.9,))


def heaviest(d: np.ndarray, runs: float = 1e-5) -> OtherForm:
    mean = OtherForm(gains=(math.exp(float(d.mean())),))
    return weighed([(mean, 1)], d, LOADS, runs)[0]


def test_a_form_that_fits_alone_leaves_nothing_open() -> None:
    assert choice([FACTOR.model_copy(update={"weight": 1.0})], 90.0, 100.0) == pytest.approx(0.0)


def test_a_form_is_uncertain_by_how_far_the_others_are_each_by_its_weight() -> None:
    others = [
        OtherForm(gains=(0.9,), weight=0.75),
        OtherForm(gains=(1.0,), offset_w=9.0, weight=0.25),
    ]
    found = choice(others, 90.0, 100.0)
    assert found == pytest.approx(math.sqrt(0.25) * math.log(100 / 81))


def test_equal_factors_are_one_factor() -> None:
    found = weighed([(FACTOR, 1)], np.full(6, math.log(0.9)), LOADS, 1e-5)
    assert found[0].gains == (0.9,)
    assert found[0].weight > 0.8
    assert sum(form.weight for form in found) <= 1
    assert choice(found, 54.0, 60.0) == pytest.approx(0.0, abs=1e-9)


def test_a_jump_between_two_loads_is_found_and_may_be_anywhere_between_them() -> None:
    jump = heaviest(np.log([0.6, 0.61, 0.9, 0.9, 0.91, 0.9]))
    assert jump.between_w == ((35.0, 90.0),)
    assert jump.gains == pytest.approx((0.605, 0.9025), rel=0.01)
    inside = [share for share, _ in jump.logs(math.sqrt(35 * 90))]
    assert inside == pytest.approx([0.5, 0.5])
    for watts, gain in ((30.0, jump.gains[0]), (100.0, jump.gains[1])):
        sure = [log for share, log in jump.logs(watts) if share]
        assert sure == pytest.approx([math.log(gain)])


def test_three_ranges_have_shares_that_add_up_to_one() -> None:
    form = OtherForm(gains=(0.5, 0.7, 0.9), between_w=((20.0, 35.0), (90.0, 120.0)))
    for watts in (10.0, 25.0, 60.0, 100.0, 500.0):
        assert sum(share for share, _ in form.logs(watts)) == pytest.approx(1.0)


def test_nothing_fits_better_than_the_scatter_of_runs() -> None:
    """A jump that follows chance by less than runs scatter has no more weight than its numbers."""
    d = np.log([0.9, 0.905, 0.895, 0.9, 0.91, 0.89])
    found = weighed([(FACTOR, 1)], d, LOADS, 0.01)
    assert found[0].gains == (0.9,)
    assert found[0].weight > 0.8


def test_an_offset_above_the_reading_is_no_fault_of_the_arithmetic() -> None:
    form = OtherForm(gains=(1.0,), offset_w=100.0, weight=0.1)
    assert math.isfinite(choice([form], 50.0, 50.0))
