"""The figure that a gate judges, on runs whose uncertainty is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from calibrate.comparison import PairedRun
from calibrate.gate.figure import make_figure
from calibrate.gate.policy import Accepted, AcceptedWorkload
from calibrate.stats import t_quantile


def runs(ratios: dict[str, list[float]], u: dict[str, float] | None = None) -> list[PairedRun]:
    """Return runs of 100 J; `u` is what the readings of the reference leave open, relative."""
    return [
        PairedRun(
            run=f"{workload}-{i}", workload=workload, repeat=i, seconds=1.0, probe_j=100 * ratio,
            reference_j=100.0, u_reference_j=100 * (u or {}).get(workload, 0.0),
        )
        for workload, each in ratios.items()
        for i, ratio in enumerate(each)
    ]  # fmt: skip


def ones(names: dict[str, list[float]]) -> dict[str, float]:
    return dict.fromkeys(names, 1.0)


def test_the_spread_between_workloads_is_no_uncertainty_of_their_mean() -> None:
    d = {"a": [1.20, 1.21], "b": [0.80, 0.81], "c": [1.00, 1.01]}
    found = make_figure(runs(d), {}, ones(d), 0.0, None)
    logs = np.log(np.array(list(d.values())))
    assert found.value == pytest.approx(logs.mean())
    variance = float(logs.var(axis=1, ddof=1).mean())
    assert found.reach == pytest.approx(t_quantile(0.975, 3) * math.sqrt(variance / 6))


def test_the_reference_and_the_accepted_campaign_are_added() -> None:
    d = {"a": [1.0, 1.0], "b": [1.0, 1.0]}
    alone = make_figure(runs(d), {}, ones(d), 0.01, None)
    assert alone.reach == pytest.approx(1.96 * 0.01, rel=1e-3)
    before = tuple(AcceptedWorkload(name=n, ratio=1.0, u=0.01) for n in d)
    changed = make_figure(runs(d), {}, ones(d), 0.0, Accepted(reason="x", workload=before))
    assert changed.reach == pytest.approx(1.96 * 0.01 / math.sqrt(2), rel=1e-3)


def test_a_workload_that_is_short_for_the_meter_counts_less() -> None:
    d = {"short": [1.3, 1.1], "long": [1.001, 0.999]}
    found = make_figure(runs(d, {"short": 0.2, "long": 0.01}), {}, ones(d), 0.0, None)
    assert abs(found.value) < 0.005
    assert found.reach is not None and found.reach < 0.04
    alike = make_figure(runs(d), {}, ones(d), 0.0, None)
    assert alike.value == pytest.approx(np.log([1.3, 1.1, 1.001, 0.999]).mean())


def test_runs_are_no_better_than_their_readings() -> None:
    d = {"a": [1.0, 1.0], "b": [1.0, 1.0]}
    found = make_figure(runs(d, dict.fromkeys(d, 0.02)), {}, ones(d), 0.0, None)
    assert found.reach == pytest.approx(1.96 * 0.01, rel=1e-3)


def test_one_run_gives_no_interval() -> None:
    found = make_figure(runs({"a": [1.0]}), {}, {"a": 1.0}, 0.0, None)
    assert found.reach is None


def test_sessions_that_share_no_workload_show_nothing_of_sessions() -> None:
    d = {"a": [1.0, 1.01], "b": [1.2, 1.21]}
    apart = {"a-0": 0, "a-1": 0, "b-0": 1, "b-1": 1}
    crossed = {"a-0": 0, "a-1": 1, "b-0": 0, "b-1": 1}
    assert make_figure(runs(d), apart, ones(d), 0.0, None).sessions == 1
    assert make_figure(runs(d), crossed, ones(d), 0.0, None).sessions == 2


def test_intervals_with_an_effect_of_sessions_hold_the_truth() -> None:
    """Sixty campaigns of five sessions; taken for one session, their intervals are too narrow."""
    rng = np.random.default_rng(5)
    held = {True: 0, False: 0}
    for _ in range(60):
        effect = 0.02 * rng.normal(size=5)
        d = {w: list(np.exp(effect + 0.005 * rng.normal(size=5))) for w in "abcd"}
        known = {f"{w}-{i}": i for w in d for i in range(5)}
        for told in held:
            found = make_figure(runs(d), known if told else {}, ones(d), 0.0, None)
            held[told] += abs(found.value) <= (found.reach or 0.0)
    assert held[True] >= 54  # 95 % of 60 are 57; fewer than 54 happen in 5 % of cases
    assert held[False] <= 48
