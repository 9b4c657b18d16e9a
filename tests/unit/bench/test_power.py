"""Power under given conditions: what the model file says, in watts."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest

from calibrate.bench import load
from calibrate.bench.model import Model, Node
from calibrate.bench.power import Conditions, at_rest, is_constant, rates, renew, supply_efficiency

NODE = Node(board_w=10, supply_w=400, efficiency=((0.1, 0.7), (0.5, 0.9), (1.0, 0.8)))
PLAIN: dict[str, object] = {
    "title": "t",
    "vendor": "intel",
    "packages": [{"idle_w": 10, "active_w": 40, "core": {"idle_w": 2, "active_w": 30}}],
}
FREQUENCY = {"base_ghz": 2.0, "turbo_ghz": 4.0, "base_v": 1.0, "turbo_v": 1.2}
THERMAL = {"c_per_w": 0.5, "time_constant_s": 20.0, "leakage_per_c": 0.01, "reference_c": 45.0}


def machine(**tables: object) -> Model:
    return Model.model_validate({**PLAIN, **tables})


def full_w(model: Model, scope: str, now: Conditions) -> float:
    """Return the power of a zone with every CPU busy."""
    rate = rates(model, now)[scope]
    return rate.base_w + sum(rate.busy_w)


def step(model: Model, was: Conditions, seconds: float, watts: float) -> Conditions:
    chance = random.Random(1)  # noqa: S311
    return renew(model, was, seconds, was.use, chance, {"package-0": watts, "node": watts})


def test_a_plain_machine_uses_what_the_file_says() -> None:
    model = machine()
    assert is_constant(model)
    found = rates(model, at_rest(model))
    assert (found["package-0"].base_w, found["package-0"].busy_w) == (10, (40,))
    assert (found["core-0"].base_w, found["core-0"].busy_w) == (2, (30,))


@pytest.mark.parametrize(
    ("output_w", "expected"),
    [(0, 0.7), (40, 0.7), (120, 0.8), (200, 0.9), (300, 0.85), (400, 0.8), (900, 0.8)],
)
def test_a_supply_loses_by_its_curve(output_w: float, expected: float) -> None:
    assert supply_efficiency(NODE, output_w) == pytest.approx(expected)


def test_the_wall_gives_what_is_inside_and_the_loss() -> None:
    model = machine(node=NODE.model_dump())
    now = replace(at_rest(model), efficiency=0.8)
    assert full_w(model, "node", now) == pytest.approx((10 + 40 + 10) / 0.8)
    next_ = step(model, now, 0.05, 150.0)  # 120 W behind the supply
    assert next_.efficiency == pytest.approx(supply_efficiency(NODE, 120.0))


def test_few_busy_cores_run_faster_and_cost_more() -> None:
    model = machine(frequency=FREQUENCY)
    rest = at_rest(model)
    turbo, base = (rates(model, replace(rest, use=(use,)))["core-0"] for use in (0.0, 1.0))
    assert base.busy_w == (30,)
    assert turbo.busy_w == pytest.approx((30 * 2 * 1.2**2,))
    assert turbo.base_w == base.base_w


def test_a_package_warms_with_its_time_constant_and_leaks_more() -> None:
    model = machine(thermal=THERMAL)
    rest = at_rest(model)
    assert rest.temperature_c == pytest.approx((25 + 0.5 * 10,))
    warm = step(model, rest, 20.0, 60.0)
    assert warm.temperature_c == pytest.approx((55 + (30 - 55) * math.exp(-1),))
    hot = step(model, rest, 1e4, 60.0)
    assert hot.temperature_c == pytest.approx((55,))
    assert rates(model, hot)["package-0"].base_w == pytest.approx(10 * (1 + 0.01 * (55 - 45)))
    # Many small steps lead where one large one does.
    small = rest
    for _ in range(400):
        small = step(model, small, 0.05, 60.0)
    assert small.temperature_c == pytest.approx((warm.temperature_c[0],))


def test_noise_wanders_as_far_and_as_long_as_it_should() -> None:
    model = machine(noise={"relative": 0.02, "correlation_s": 0.5})
    chance, now = random.Random(2), at_rest(model)  # noqa: S311
    wanders = []
    for _ in range(40_000):
        now = renew(model, now, 0.05, now.use, chance, {})
        wanders.append(now.wander)
    deviation = math.sqrt(sum(each**2 for each in wanders) / len(wanders))
    assert deviation == pytest.approx(0.02, rel=0.1)
    pairs = zip(wanders, wanders[10:], strict=False)  # half a second later
    related = sum(a * b for a, b in pairs) / len(wanders) / deviation**2
    assert related == pytest.approx(math.exp(-1), abs=0.08)
    assert max(map(abs, wanders)) <= 0.08


def test_memory_traffic_costs_power_in_every_dram() -> None:
    model = load("gpu-node")
    rest = at_rest(model)
    quiet, loud = (
        rates(model, replace(rest, traffic_gbps=gbps))["dram-1"].base_w for gbps in (0, 100)
    )
    assert loud - quiet == pytest.approx(0.12 * 100 / 2)


def test_a_gpu_follows_the_cpus_unless_told_otherwise() -> None:
    model = load("gpu-node")
    rest = at_rest(model)
    assert full_w(model, "gpu-0", rest) == pytest.approx(70 + 560)
    told = replace(rest, gpu_use=(0.25, None, None, None))
    assert full_w(model, "gpu-0", told) == pytest.approx(70 + 0.25 * 560)
    assert rates(model, told)["gpu-0"].busy_w == (0, 0)
    assert full_w(model, "gpu-1", told) == pytest.approx(68 + 560)


def test_a_sleeping_machine_draws_nothing_anywhere() -> None:
    for name in ("desktop", "gpu-node", "laptop"):
        model = load(name)
        asleep = rates(model, replace(at_rest(model), asleep=True))
        assert set(asleep) == set(model.scopes())
        assert all(rate.base_w == 0 and not any(rate.busy_w) for rate in asleep.values())
