"""What holds for every counter, whatever the model and the load."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from calibrate.bench import load, names
from calibrate.bench.activity import blocks, divide
from calibrate.bench.counter import Counter, counter_uj, counters
from calibrate.bench.model import Model
from calibrate.bench.power import is_constant
from tests.helpers.bench import Machine

SHIPPED = [counter for name in names() for counter in counters(load(name)).values()]


def small(limit_uj: int, start_uj: int, unit_j: float = 2**-14) -> Counter:
    """A counter that turns over soon."""
    package = {
        "idle_w": 10.0,
        "active_w": 20.0,
        "max_energy_range_uj": limit_uj,
        "start_uj": min(start_uj, limit_uj),
    }
    model = Model.model_validate(
        {"title": "t", "vendor": "intel", "energy_unit_j": unit_j, "packages": [package]}
    )
    return counters(model)["package-0"]


@given(
    limit_uj=st.integers(1_000_000, 10**12),
    start_uj=st.integers(0, 10**12),
    unit_j=st.sampled_from([2**-14, 2**-16, 15.3e-6]),
    before_j=st.floats(0, 1e7),
    share=st.floats(0, 0.999),
)
def test_the_difference_of_two_readings_is_the_energy(
    limit_uj: int, start_uj: int, unit_j: float, before_j: float, share: float
) -> None:
    counter = small(limit_uj, start_uj, unit_j)
    turn_j = counter.turn * counter.unit_j
    used_j = share * turn_j
    first, last = counter_uj(counter, before_j), counter_uj(counter, before_j + used_j)
    unit_uj = counter.unit_nj / 1e3
    rise_uj = last - first if last >= first else last - first + counter.turn * unit_uj
    # As the driver shows it: units of whole nanojoules. One unit, and a microjoule of printing;
    # the last term is the rounding of before_j + used_j itself.
    tolerance_uj = unit_uj + 1 + 1e-9 * (before_j + used_j)
    expected_uj = used_j / counter.unit_j * unit_uj
    misfit_uj = abs(rise_uj - expected_uj)
    assert min(misfit_uj, abs(misfit_uj - counter.turn * unit_uj)) <= tolerance_uj


@given(counter=st.sampled_from(SHIPPED), joules=st.floats(0, 1e9))
def test_a_counter_stays_in_its_range(counter: Counter, joules: float) -> None:
    assert 0 <= counter_uj(counter, joules) <= counter.max_energy_range_uj


@given(limit_uj=st.integers(1_000, 10**9), joules=st.floats(0, 1e7))
def test_a_small_counter_stays_in_its_range(limit_uj: int, joules: float) -> None:
    counter = small(limit_uj, 0)
    assert 0 <= counter_uj(counter, joules) <= counter.max_energy_range_uj


looks = st.lists(st.tuples(st.floats(0.0005, 0.5), st.floats(0, 1)), min_size=1, max_size=25)


@settings(deadline=None)
@given(name=st.sampled_from(names()), looks=looks)
def test_truth_never_decreases_and_parts_stay_within_their_package(
    name: str, looks: list[tuple[float, float]]
) -> None:
    machine = Machine(name)
    last = dict.fromkeys(machine.live.scopes, 0.0)
    for seconds, use in looks:
        machine.run(seconds, use)
        now = {scope: machine.joules(scope) for scope in last}
        assert all(now[scope] >= was for scope, was in last.items())
        last = now
    for scope, joules in last.items():
        if scope.startswith("package-"):
            number = scope[8:]
            inside = last.get(f"core-{number}", 0.0) + last.get(f"uncore-{number}", 0.0)
            assert inside <= joules * (1 + 1e-12)
    for whole in ("psys", "node"):
        within = [j for s, j in last.items() if s.startswith(("package-", "dram-"))]
        assert last.get(whole, sum(within)) >= sum(within) * (1 - 1e-12)


@settings(deadline=None)
@given(name=st.sampled_from(names()), looks=looks, more=st.integers(0, 5))
def test_looking_changes_nothing(name: str, looks: list[tuple[float, float]], more: int) -> None:
    quiet, watched = Machine(name), Machine(name)
    for seconds, use in looks:
        quiet.run(seconds, use)
        watched.run(seconds, use)
        for _ in range(more):
            watched.read("/truth")
            watched.live.look()
    for scope in quiet.live.scopes:
        assert watched.joules(scope) == quiet.joules(scope)


@settings(deadline=None)
@given(name=st.sampled_from([n for n in names() if is_constant(load(n))]), looks=looks)
def test_looks_add_up_to_idle_power_by_time_and_active_power_by_work(
    name: str, looks: list[tuple[float, float]]
) -> None:
    machine = Machine(name)
    summed, last = 0.0, 0.0
    begin_ns, busy_ns = machine.t_ns, machine.activity.now[0]
    for seconds, use in looks:
        machine.run(seconds, use)
        now = machine.joules("package-0")
        summed, last = summed + (now - last), now
    passed_s = (machine.t_ns - begin_ns) / 1e9
    work_s = (machine.activity.now[0] - busy_ns) / 1e9
    package = machine.model.packages[0]
    expected = package.idle_w * passed_s + package.active_w * work_s
    assert abs(summed - expected) <= 1e-9 * expected


@settings(deadline=None)
@given(looks=looks, back_s=st.floats(0, 5))
def test_the_past_is_what_was_seen_then(looks: list[tuple[float, float]], back_s: float) -> None:
    machine = Machine("laptop")  # its power changes with every tick
    seen = []
    for seconds, use in looks:
        machine.run(seconds, use)
        seen.append((machine.t_ns, machine.joules("package-0")))
    for t_ns, joules in seen:
        if machine.t_ns - t_ns <= 4.9e9:
            assert abs(machine.live.past_j("package-0", t_ns) - joules) <= 1e-9 * joules
    earlier = machine.live.past_j("package-0", machine.t_ns - round(back_s * 1e9))
    assert 0 <= earlier <= machine.joules("package-0")


@given(steps_ns=st.lists(st.integers(0, 3_000_000), min_size=1, max_size=40))
def test_a_snapshot_holds_for_its_update_interval(steps_ns: list[int]) -> None:
    machine = Machine("server")
    start_ns = machine.t_ns
    last, last_interval = machine.snapshots.now(), 0
    for step_ns in steps_ns:
        machine.t_ns += step_ns
        now, interval = machine.snapshots.now(), (machine.t_ns - start_ns) // 976_000
        assert (now is last) == (interval == last_interval)
        last, last_interval = now, interval


@given(cpus=st.integers(1, 300), packages=st.integers(1, 16))
def test_every_cpu_drives_a_package_and_every_package_has_cpus(cpus: int, packages: int) -> None:
    found = blocks(cpus, packages)
    assert len(found) == packages
    assert all(len(block) > 0 for block in found)
    assert {cpu for block in found for cpu in block} == set(range(cpus)) or cpus < packages
    assert all(block.stop <= cpus for block in found)


@given(
    amount=st.integers(0, 10**12),
    cpus=st.lists(st.tuples(st.integers(0, 10**15), st.integers(0, 10**15)), min_size=1),
)
def test_a_division_gives_everything_and_takes_nothing(
    amount: int, cpus: list[tuple[int, int]]
) -> None:
    shares = divide(amount, [had for had, _ in cpus], [want for _, want in cpus])
    assert sum(shares) == amount
    assert min(shares) >= 0
