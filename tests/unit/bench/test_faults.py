"""Every fault on a machine that runs by hand: what it does, and that the truth is untouched."""

from __future__ import annotations

import errno
import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibrate.bench import KINDS, tree
from calibrate.bench.faults import LIMITS, Fault, Obstacle, parse
from calibrate.bench.files import File
from calibrate.errors import CrosswattError, UnknownName
from tests.helpers.bench import POWERCAP, SECOND, Machine

ZONE = f"{POWERCAP}/intel-rapl/intel-rapl:0"


def shown_and_true(fault: str, model: str = "desktop") -> tuple[float, float]:
    """Return the rise that the package's counter shows over four seconds, and the true one."""
    machine = Machine(model, fault)
    before_j, true_j = machine.energy_j(), machine.joules("package-0")
    machine.run(4.0)
    return machine.energy_j() - before_j, machine.joules("package-0") - true_j


def healthy_j(seconds: float) -> float:
    """Return what the package of a healthy desktop uses at half load."""
    machine = Machine("desktop")
    machine.run(seconds)
    return machine.joules("package-0")


def test_the_truth_is_that_of_a_healthy_machine_whatever_is_wrong() -> None:
    expected = healthy_j(4.0)
    for name, kind in KINDS.items():
        if kind.group != "gpu" and name != "suspend":
            assert shown_truth(name) == pytest.approx(expected, rel=1e-9), name


def shown_truth(fault: str) -> float:
    machine = Machine("desktop", fault)
    machine.run(4.0)
    joules: float = json.loads(machine.read("/truth"))["joules"]["package-0"]
    return joules


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("unit=4,scope=package", lambda true: 4 * true),
        ("unit=0.25,at_s=2,scope=package-0", lambda true: true - 0.75 * (true - healthy_j(2.0))),
        ("stuck,at_s=1", lambda true: healthy_j(1.0)),
        ("stuck,at_s=1,until_s=2", lambda true: true - (healthy_j(2.0) - healthy_j(1.0))),
        ("backwards=10,at_s=1", lambda true: true - 10),
        ("jump=500,at_s=3.99", lambda true: true + 500),
        ("offset=5,at_s=1", lambda true: true + 15),
        ("lag=0.5,at_s=1", lambda true: healthy_j(3.5)),
        ("lag=3.5", lambda true: healthy_j(0.5)),
        ("stale=3,at_s=0.5", lambda true: healthy_j(3.5)),
        ("stale=1,at_s=0.5", lambda true: healthy_j(3.5)),
    ],
)
def test_a_counter_is_wrong_by_exactly_what_was_asked(fault: str, expected) -> None:  # type: ignore[no-untyped-def]
    shown, true = shown_and_true(fault)
    assert shown == pytest.approx(expected(true), rel=2e-4, abs=2e-3)


def test_a_reset_counter_starts_from_zero() -> None:
    machine = Machine("desktop", "reset,at_s=1,scope=package-0")
    machine.run(4.0)
    assert machine.energy_j() == pytest.approx(healthy_j(4.0) - healthy_j(1.0), rel=1e-3)


def test_a_counter_wraps_when_it_was_told_to() -> None:
    machine = Machine("desktop", "wrap=100,scope=package-0")
    turn_j = int(machine.read(f"{ZONE}/max_energy_range_uj")) / 1e6
    assert machine.energy_j() == pytest.approx(turn_j - 100, rel=1e-6)
    machine.run(4.0)
    assert machine.energy_j() == pytest.approx(machine.joules("package-0") - 100, rel=1e-3)


@pytest.mark.parametrize("range_j", [0.5, 7.0, 50.0])
def test_a_reader_that_unwraps_is_right_over_a_thousand_wraps(range_j: float) -> None:
    machine = Machine("desktop", f"range={range_j},scope=package-0")
    counter = machine.snapshots.counters["package-0"]
    last, sum_uj, wraps = machine.snapshots.shown_uj("package-0"), 0, 0
    while wraps < 1000:
        machine.run(range_j / 200, step_s=range_j / 200)
        now = machine.snapshots.shown_uj("package-0")
        wraps += now < last
        sum_uj += (now - last) % (counter.turn * counter.unit_nj // 1000)
        last = now
    truncated = counter.unit_nj / 1e9 / counter.unit_j  # the driver's whole nanojoules
    # Each wrap may cost the fraction of a microjoule that printing cuts off.
    assert sum_uj / 1e6 == pytest.approx(machine.joules("package-0") * truncated, abs=1.5e-3)


def test_jitter_trembles_around_the_truth() -> None:
    machine = Machine("desktop", "jitter=2,scope=package-0")
    deviations = []
    for _ in range(400):
        machine.run(0.01)
        deviations.append(machine.snapshots.shown_j("package-0") - machine.joules("package-0"))
    assert abs(sum(deviations) / 400) < 0.4
    assert 1.7 < (sum(each**2 for each in deviations) / 400) ** 0.5 < 2.3


def labels(*faults: str, model: str = "server") -> dict[str, str]:
    """Return the names of all zones by their number."""
    machine = Machine(model, *faults)
    zones = [path for path in machine.nodes if path.endswith("/name") and "rapl" in path]
    return {path.split("/")[-2]: machine.read(path).decode().strip() for path in zones}


def test_layouts() -> None:
    assert "intel-rapl:1" not in labels("absent,scope=package-1", "absent,scope=dram-1")
    assert "intel-rapl:1:0" not in labels("absent,scope=package-1")
    assert set(labels("absent,scope=dram").values()) == {"package-0", "package-1"}
    assert labels("mirrored")["intel-rapl:1"] == "package-0-die-1"
    assert labels("mmio")["intel-rapl-mmio:1"] == "package-1"
    assert labels("renamed")["intel-rapl:0"] == "package-0-die-0"
    assert labels("gap")["intel-rapl:2"] == "package-1"
    assert "intel-rapl:1" not in labels("gap")
    assert f"{ZONE}/max_energy_range_uj" not in Machine("server", "no-range").nodes


@pytest.mark.parametrize(
    ("fault", "number"),
    [("no-permission", errno.EACCES), ("io-error", errno.EIO), ("vanish", errno.ENODEV)],
)
def test_reads_that_fail(fault: str, number: int) -> None:
    machine = Machine("desktop", f"{fault},at_s=1,until_s=2,scope=package-0")
    energy = machine.file(f"{ZONE}/energy_uj")
    assert energy.content()
    machine.run(1.5)
    with pytest.raises(OSError) as caught:
        energy.content()
    assert caught.value.errno == number
    assert energy.permitted() is (fault != "no-permission")
    assert energy.present() is (fault != "vanish")
    machine.run(1.0)
    assert energy.content()


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ("empty", b""),
        ("garbage", b"0x%lx\n"),
        ("zero", b"0\n"),
        ("sentinel", b"9223372036854775807\n"),
        ("sentinel=4294967295", b"4294967295\n"),
    ],
)
def test_reads_that_lie(fault: str, text: bytes) -> None:
    machine = Machine("desktop", f"{fault},at_s=1,scope=package-0")
    machine.run(0.9)
    assert machine.read(f"{ZONE}/energy_uj") != text
    machine.run(0.2)
    assert machine.read(f"{ZONE}/energy_uj") == text


def test_a_zone_that_comes_late() -> None:
    machine = Machine("desktop", "late=2,scope=package-0")
    energy = machine.file(f"{ZONE}/energy_uj")
    assert not energy.present()
    machine.run(2.1)
    assert energy.present()


def test_a_replaced_file_reads_for_ever_what_it_read_then() -> None:
    machine = Machine("desktop", "replaced,at_s=1,scope=package-0")
    energy = machine.file(f"{ZONE}/energy_uj")
    assert energy.former
    assert energy.former() is None
    machine.run(1.0)
    then = energy.content()
    machine.run(2.0)
    assert energy.former() == then
    assert energy.content() != then


def test_a_slow_read_is_slow_and_a_hanging_one_ends_when_interrupted() -> None:
    asked = []

    def interrupted() -> bool:
        asked.append(1)
        return len(asked) > 2

    obstacle = Obstacle([parse("hang")], lambda: 1.0, interrupted)
    with pytest.raises(InterruptedError):
        obstacle.number()
    assert Obstacle([parse("slow=0.01")], lambda: 1.0).number() is None


def gpu(fault: str) -> list[int]:
    machine = Machine("gpu-node", f"{fault},at_s=1" if KINDS[fault].lasts else fault)
    machine.run(2.0)
    return [int(each) for each in machine.read("/nvml/0/now").split()]


def test_gpus() -> None:
    assert set(gpu("gpu-lost")) == {-15}
    assert gpu("gpu-no-energy")[0] == -3
    assert gpu("gpu-no-power")[1:4] == [-3] * 3
    machine = Machine("gpu-node", "reset,at_s=1,scope=gpu-0", "no-permission,at_s=3,scope=gpu")
    machine.run(2.0)
    energy_mj = int(machine.read("/nvml/0/now").split()[0])
    assert energy_mj < machine.joules("gpu-0") * 1e3 * 0.6
    machine.run(2.0)
    assert set(machine.read("/nvml/0/now").split()) == {b"-4"}


def test_windows_of_gpus() -> None:
    for fault in ("gpu-part-time=0.5", "gpu-slow-power=2"):
        machine = Machine("gpu-node", fault)
        machine.run(3.0)
        machine.run(0.2, use=0.0)
        _, power_mw, *_ = (int(each) for each in machine.read("/nvml/0/now").split())
        busy_w = machine.model.gpus[0].idle_w + 0.5 * machine.model.gpus[0].active_w
        assert (power_mw > 0.8e3 * busy_w) == (fault == "gpu-slow-power=2")


def test_a_sleeping_machine_uses_nothing() -> None:
    machine = Machine("desktop")
    machine.live.sleep(True)
    before = machine.joules("package-0")
    machine.run(1.0)
    assert machine.joules("package-0") == before
    machine.live.sleep(False)
    machine.run(1.0)
    assert machine.joules("package-0") > before


def test_an_armed_machine_stands_still_until_it_is_triggered() -> None:
    machine = Machine("desktop", "stuck,at_s=1,scope=package-0", armed=True)
    first = machine.energy_j()
    machine.run(2.0)
    assert machine.energy_j() == first
    node = machine.file("/trigger")
    assert node.write
    node.write(b"now\n", 1)
    machine.run(0.5)
    assert machine.energy_j() > first
    assert machine.snapshots.seconds() == pytest.approx(0.5)


def test_every_kind_of_fault_changes_what_is_to_be_read() -> None:
    for name, kind in KINDS.items():
        if kind.group == "host":  # what these do takes a host: tests/bench
            continue
        model = "gpu-node" if kind.group == "gpu" else "server"
        wanted = "gpu-part-time=0.1" if name == "gpu-part-time" else name  # 0.25 is this model's
        assert readable(model, wanted) != readable(model), name


def readable(model: str, *wanted: str) -> dict[str, object]:
    """Return what a program could find out, two seconds after the start, of any file but ours."""
    machine = Machine(model, *wanted)
    machine.snapshots.interrupted = lambda: True  # who waits is not to wait here
    machine.nodes = tree.build(
        machine.model, machine.snapshots, machine.demand, [0], {"source": "test"}
    )
    former = {
        path: node.former()
        for path, node in machine.nodes.items()
        if isinstance(node, File) and node.former
    }
    machine.run(1.5)
    machine.run(0.385, use=0.9)
    machine.run(0.05, use=0.1)
    found: dict[str, object] = {"former": bool(former)}
    for path, node in machine.nodes.items():
        if isinstance(node, File) and path not in ("/model.json", "/cost"):
            try:
                found[path] = node.present() and node.permitted() and node.content()
            except OSError as error:
                found[path] = error.errno
    return found


@given(
    name=st.sampled_from(sorted(KINDS)),
    share=st.floats(0, 1),
    at_s=st.floats(0, 1000),
    last_s=st.none() | st.integers(1, 1000),
    scope=st.none() | st.sampled_from(["package-0", "dram", "gpu-1"]),
)
def test_a_fault_reads_as_it_is_written(
    name: str, share: float, at_s: float, last_s: int | None, scope: str | None
) -> None:
    kind = KINDS[name]
    least, most = LIMITS.get(name, (0.0, 1e9))
    value = None if kind.value is None else min(most, least + share * (most - least))
    if kind.lasts:
        until_s = float("inf") if last_s is None else at_s + last_s
        fault = Fault(name, value, at_s, until_s, scope)
    else:
        fault = Fault(name, value, scope=scope)
    assert parse(str(fault)) == fault


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stuk", "stuck"),
        ("stuck=3", "takes no value"),
        ("unit=much", "not a number"),
        ("unit=nan", "not a number"),
        ("stuck,at_s=-1", "negative"),
        ("stuck,at_s=3,until_s=2", "ends before it begins"),
        ("stuck,when=3", "at_s"),
        ("gap,at_s=3", "holds from the start"),
        ("stale=0", "between 0.001 and 60"),
        ("suspend=-1", "between 0 and 3600"),
        ("mirrored=1e6", "between 1 and 8"),
        ("stuck,at_s=1e300", "nor later than"),
    ],
)
def test_a_bad_fault_is_refused_with_a_reason(text: str, message: str) -> None:
    with pytest.raises(CrosswattError, match=message):
        parse(text)


@pytest.mark.parametrize("fault", ["stuck,scope=dram", "gpu-lost", "unit=2,scope=package-7"])
def test_a_fault_that_strikes_nothing_is_refused(fault: str) -> None:
    with pytest.raises(CrosswattError, match=r"strikes nothing.*it has package-0"):
        Machine("desktop", fault)


def test_the_name_of_the_nearest_fault_is_given() -> None:
    with pytest.raises(UnknownName, match="io-error"):
        parse("ioerror")


@pytest.mark.parametrize("fault", ["stale=0.2", "lag=0.013", "stale=0.2,scope=package-0"])
def test_what_was_said_of_the_past_stands(fault: str) -> None:
    """Load comes and goes between two renewals of the conditions; a counter never goes back, and
    one that is renewed seldom stands still meanwhile."""
    machine = Machine("desktop", fault)
    shown = []
    for step in range(2000):
        machine.t_ns += SECOND // 1000
        busy = SECOND // 1000 if step % 37 < 11 else 0
        machine.activity.now = [each + busy for each in machine.activity.now]
        machine.seconds += 0.001
        if step % 50 == 0:
            machine.live.renew()
        shown.append(machine.snapshots.shown_j("package-0"))
    rises = [b - a for a, b in itertools.pairwise(shown)]
    assert min(rises) >= 0.0
    if fault.startswith("stale"):
        assert sum(rise > 0 for rise in rises) == pytest.approx(2.0 / 0.2, abs=1)
