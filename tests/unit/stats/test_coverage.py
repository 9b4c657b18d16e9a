"""95 % intervals hold the truth in 95 +- 2 % of 2000 simulated campaigns; see the benchmark."""

import math

import pytest

from tests.benchmarks.coverage import CASES, TOO_NARROW, coverage

#: Slower ones with fewer campaigns; the limits allow for the luck of those.
FEWER = {"mixed model, new workload": 300, "lag of an alignment": 500, "tolerance limits": 500}


@pytest.mark.parametrize("name", CASES)
def test_intervals_hold_the_truth(name: str) -> None:
    campaigns = FEWER.get(name, 2000)
    luck = 3 * math.sqrt(0.0475 / campaigns) if name in FEWER else 0.0
    assert coverage(CASES[name], campaigns, 0) == pytest.approx(0.95, abs=0.02 + luck)


@pytest.mark.parametrize("name", TOO_NARROW)
def test_intervals_that_take_correlated_runs_for_independent_do_not(name: str) -> None:
    assert coverage(TOO_NARROW[name], 500, 0) < 0.85
