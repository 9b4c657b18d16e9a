"""Readings to energy."""

from __future__ import annotations

import pytest

from calibrate.energy import (
    columns_by_scope,
    columns_inside,
    headline_column,
    native_columns,
    power_curve,
    probe_columns,
    window_energy,
)
from calibrate.probe.contract import Domain
from calibrate.store import ProbeLog
from calibrate.store.readings import Reading, Readings

S = 1_000_000_000


Pair = tuple[float, float]


def log(domain: Domain, *points: Pair, window: Pair | None = None) -> ProbeLog:
    readings = Readings.of(Reading(int(t * S), int(t * S), {domain.name: v}) for t, v in points)
    marks = (int(window[0] * S), int(window[1] * S)) if window else None
    domains = {domain.name: domain}
    return ProbeLog("x", domains, readings=readings, window_ns=marks, stop={"status": "ok"})


def joules(made: ProbeLog, begin: float, end: float) -> float | None:
    [domain] = made.domains.values()
    column = native_columns([domain])[0]
    energy = window_energy(made, column, (int(begin * S), int(end * S)))
    return energy.joules if energy else None


def test_counter_is_cut_to_the_window() -> None:
    assert joules(log(Domain("a", "psys"), (0, 0), (10, 100)), 2, 5) == pytest.approx(30)


def test_counter_that_wraps_goes_on() -> None:
    made = log(Domain("a", "psys", wraps_at_j=100), (0, 90), (1, 95), (2, 0), (3, 5))
    assert joules(made, 0, 3) == pytest.approx(15)


def test_power_is_integrated() -> None:
    made = log(Domain("a", "psys", "power"), (0, 10), (1, 10), (2, 20), (3, 20))
    assert joules(made, 0, 3) == pytest.approx(45)


def test_tracker_answers_for_its_own_window() -> None:
    made = log(Domain("a", "psys", "window"), (1, 0), (2, 3), (4.1, 12), window=(1, 4))
    [column] = native_columns(made.domains.values())
    energy = window_energy(made, column, (0, 5 * S))
    assert energy
    assert (energy.joules, energy.seconds) == (12, 3)


@pytest.mark.parametrize("window", [(-1, 5), (5, 11)])
def test_a_window_that_is_not_covered_has_no_energy(window: tuple[float, float]) -> None:
    assert joules(log(Domain("a", "psys"), (0, 0), (10, 100)), *window) is None


@pytest.mark.parametrize("points", [(), ((1.0, 5.0),)])
def test_too_few_readings_have_no_energy(points: tuple[tuple[float, float], ...]) -> None:
    assert joules(log(Domain("a", "psys"), *points), 0.5, 1) is None


def test_a_tracker_that_failed_has_no_energy() -> None:
    made = log(Domain("a", "psys", "window"), (1, 0), (4, 12), window=(1, 4))
    made.stop["status"] = "failed"
    assert joules(made, 0, 5) is None


def server() -> list[Domain]:
    names = ["package-0", "core-0", "dram-0", "package-1", "dram-1"]
    domains = [Domain(name, name, family="rapl") for name in names]
    return [*domains, Domain("psys", "psys", family="rapl-psys"),
            Domain("mmio-package-0", "package-0", family="rapl-mmio")]  # fmt: skip


def test_totals_count_nothing_twice() -> None:
    totals = {c.name: c.parts for c in native_columns(server()) if len(c.parts) > 1}
    assert totals == {
        "package": ("package-0", "package-1"),
        "dram": ("dram-0", "dram-1"),
        "machine": ("package-0", "package-1", "dram-0", "dram-1"),
    }


def test_headline_is_the_widest_of_the_main_family() -> None:
    head = headline_column(native_columns(server()))
    assert head
    assert head.name == "machine"
    desktop = [Domain(n, n, family="rapl") for n in ("package-0", "core-0", "uncore-0")]
    head = headline_column(native_columns(desktop))
    assert head
    assert head.name == "package-0"
    modelled = [Domain("cpu", "package", basis="modelled"), Domain("dram", "dram")]
    head = headline_column(native_columns(modelled))
    assert head
    assert head.name == "dram"


def test_a_single_package_answers_for_all_packages() -> None:
    found = columns_by_scope(probe_columns([Domain("package-0", "package-0")]))
    assert found["package"].parts == found["machine"].parts == ("package-0",)


def test_watts_leave_out_what_was_not_measured_anew() -> None:
    domain = Domain("a", "psys", "window")
    made = log(domain, (0, 0), (0.5, 0), (1, 10), (1.5, 10), (2, 30))
    seconds, watts = power_curve(made, native_columns([domain])[0])
    assert list(watts) == [10, 20]
    assert list(seconds) == [0.5, 1.5]


def test_parts_lie_truly_inside() -> None:
    domains = [
        Domain(name, name, "counter", "measured", "rapl")
        for name in ("package-0", "package-1", "dram-0")
    ] + [Domain("psys", "psys", "counter", "measured", "rapl-psys")]
    every = probe_columns(domains)
    whole = columns_by_scope(every)
    names = {part.name for part in columns_inside(whole["machine"], every)}
    assert names == {"package-0", "package-1", "dram-0", "package", "dram"}
    assert {part.name for part in columns_inside(whole["package"], every)} == {
        "package-0",
        "package-1",
    }
    assert not columns_inside(whole["package-0"], every) and not columns_inside(
        whole["psys"], every
    )


def test_totals_of_two_families_have_names_of_their_own() -> None:
    domains = [
        Domain(f"gpu-{n}{end}", f"gpu-{n}", kind, "measured", family)  # type: ignore[arg-type]
        for n in (0, 1)
        for end, kind, family in (("", "counter", "nvml"), ("-average", "power", "nvml-average"))
    ]
    names = [column.name for column in probe_columns(domains)]
    assert names[4:] == ["gpu", "gpu (nvml-average)"] and len(set(names)) == len(names)
