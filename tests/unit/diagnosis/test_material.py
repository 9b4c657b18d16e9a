"""What a sound meter has of faults, of heavy tails and of odd workloads is no fault of it."""

from typing import Any

import numpy as np

from calibrate.diagnosis import NO_FAULT, STRAY, Diagnosis, Runs, diagnose

Vector = np.ndarray[Any, np.dtype[np.float64]]
LENGTHS = (5.4, 10.4, 20.4, 30.4)
WATTS = np.repeat([20.0, 60.0, 90.0, 110.0, 120.0], len(LENGTHS))
SECONDS = np.tile(LENGTHS, 5)
LABELS = [name for name in ("idle", "a", "b", "c", "d") for _ in LENGTHS]


def found(probe_j: Vector) -> Diagnosis:
    return diagnose(Runs(probe_j, WATTS * SECONDS, SECONDS, LABELS, idle_w=20.0))


def test_a_start_that_is_up_to_a_fifth_of_a_second_late_is_no_fault() -> None:
    for seed in range(15):
        rng = np.random.default_rng([seed, 1])
        late = WATTS * (SECONDS - rng.uniform(0, 0.2, SECONDS.size))
        assert found(late * rng.normal(1, 0.005, SECONDS.size)).name == NO_FAULT


def test_a_start_that_is_a_second_late_is_one() -> None:
    rng = np.random.default_rng(2)
    late = WATTS * (SECONDS - rng.uniform(0.8, 1.0, SECONDS.size))
    name = found(late * rng.normal(1, 0.005, SECONDS.size)).name
    assert "window deficit" in name


def test_heavy_tails_make_no_stray_runs() -> None:
    verdicts = [
        found(WATTS * SECONDS * np.exp(0.0115 * np.random.default_rng([i, 3]).standard_t(3, 20)))
        for i in range(40)
    ]
    # Two of these campaigns do have a run that is off by 37 %.
    assert sum(each.name not in (NO_FAULT, "unexplained") for each in verdicts) <= 2


def test_a_leap_beyond_any_tail_is_a_stray_run() -> None:
    probe = WATTS * SECONDS * np.random.default_rng(4).normal(1, 0.01, 20)
    probe[7] *= 1.6
    assert found(probe).name == STRAY


def test_one_run_that_heavy_tails_reach_is_told_and_no_fault() -> None:
    probe = WATTS * SECONDS * np.random.default_rng(5).normal(1, 0.015, 20)
    probe[9] *= 1.3
    odd = found(probe)
    assert odd.name == NO_FAULT and odd.n_runs == 20
    assert [(flag.kind, flag.runs) for flag in odd.flags] == [("odd", (9,))]
    assert "Run 10 has 1.3" in odd.sentence and "heavy tails" in odd.sentence


def test_one_stray_run_does_not_hide_another() -> None:
    probe = WATTS * SECONDS * np.random.default_rng(6).normal(1, 0.003, 20)
    probe[[3, 17]] *= 50, 20
    assert found(probe).name == STRAY and found(probe).flags[0].runs == (3, 17)
