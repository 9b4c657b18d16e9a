import json
import math

import numpy as np
import pytest

from calibrate.stats import fleet, to_json

RNG = np.random.default_rng(3)
START = RNG.bit_generator.state


@pytest.fixture(autouse=True)
def same_numbers() -> None:
    """Give every test the same random numbers, in whatever order they run."""
    RNG.bit_generator.state = START


def test_a_fleet_finds_its_spread_and_its_odd_node() -> None:
    effect = RNG.normal(0.1, 0.03, 400)
    effect[17] = 0.6
    found = fleet(effect[:, None] + RNG.normal(0, 0.02, (400, 12)))
    assert found.odd == (17,)
    assert found.within_sd == pytest.approx(0.02, rel=0.05)
    assert found.mean.value == pytest.approx(math.exp(0.1), rel=0.01)
    assert found.between_sd == pytest.approx(effect.std(ddof=1), rel=0.1)
    json.dumps(to_json(found), allow_nan=False)


@pytest.mark.parametrize("nodes", [4, 10, 50, 200])
def test_a_sound_fleet_has_no_odd_node_also_where_tails_are_heavy(nodes: int) -> None:
    most = 0.01 * 300 + 4 * math.sqrt(0.0099 * 300)
    for effect in (RNG.normal(0, 1, (300, nodes)), RNG.standard_t(5, (300, nodes))):
        runs = 0.02 * (effect[..., None] + 0.1 * RNG.normal(size=(300, nodes, 3)))
        assert sum(bool(fleet(one).odd) for one in runs) <= most


def test_one_odd_node_among_few_is_found_where_it_is_far_out() -> None:
    d = RNG.normal(0, 0.002, (6, 4))
    d[2] += 0.1
    assert fleet(d).odd == (2,)


def test_a_node_with_few_runs_may_be_further_out() -> None:
    d = np.full((12, 16), np.nan)
    d[:11] = RNG.normal(0, 0.02, (11, 16))
    d[11, 0] = 0.1  # 5 sd of a run, and 20 sd of the mean of 16
    assert fleet(d).odd == ()
    d[11] = 0.1 + RNG.normal(0, 0.02, 16)
    assert fleet(d).odd == (11,)


def test_intervals_of_nodes_cover_also_where_runs_are_skewed() -> None:
    for draw in (RNG.normal(0, 0.1, (2000, 30)), 0.1 * (RNG.exponential(size=(2000, 30)) - 1)):
        found = fleet(draw)
        held = (found.low <= 1) & (found.high >= 1)
        assert held.mean() == pytest.approx(0.95, abs=0.03)


def test_missing_runs_and_nodes_are_not_zeros() -> None:
    d = RNG.normal(0, 0.01, (5, 6))
    d[0], d[1, 2:] = np.nan, np.nan
    found = fleet(d)
    assert found.runs.tolist() == [0, 2, 6, 6, 6]
    assert np.isnan(found.ratio[0]) and np.isnan(found.low[1]) and not np.isnan(found.ratio[1])
    assert found.ratio[1] == pytest.approx(math.exp(d[1, :2].mean()))
    assert found.mean.n_clusters == 4 and to_json(found)["ratio"][0] is None


def test_a_node_alone_is_as_in_the_fleet() -> None:
    d = RNG.normal(0, 0.01, (4, 8))
    one, all_of_them = fleet(d[[0, 1]]), fleet(d)
    assert all_of_them.ratio[:2] == pytest.approx(one.ratio)
    assert all_of_them.low[:2] == pytest.approx(one.low)


def test_fleets_refuse() -> None:
    with pytest.raises(ValueError, match="matrix"):
        fleet([1.0, 2.0])
    with pytest.raises(ValueError, match="two nodes"):
        fleet([[0.1, 0.2], [math.nan, math.nan]])
    with pytest.raises(ValueError, match="130 decades"):
        fleet([[0.1, math.inf], [0.1, 0.2]])
    assert fleet([[0.0, 0.0], [0.0, 0.0]]).odd == ()
