"""A wrong figure gets the name of what was counted, alone or times a factor."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibrate.conformance.naming import FACTORS, KnownEnergy, Usual, explain, named
from calibrate.diagnosis import Fault, Keys

SERVER = KnownEnergy(
    true_j={
        "package-0": 70.0, "package-1": 61.0, "package": 131.0, "dram-0": 11.0, "dram-1": 13.0,
        "dram": 24.0, "machine": 155.0, "psys": 180.0, "core": 93.0, "uncore": 3.0, "node": 210.0,
        "gpu-0": 400.0, "gpu": 400.0,
    },
    range_j={"package-0": 262143.3, "package-1": 262143.3, "dram-0": 65712.9, "gpu-0": 1e9},
)  # fmt: skip


@pytest.mark.parametrize(
    ("joules", "scope", "key"),
    [
        (0.131, "package", "scale-1e-3"),
        (0.131 * 0.93, "package", "scale-1e-3"),
        (131e6, "package", "scale-1e6"),
        (131 * 1.58, "package", "pue-1.58"),
        (262.0, "package", "packages-twice"),
        (286.0, "machine", "packages-twice"),
        (131.0, "machine", "dram-missing"),
        (131.0 * 1.58, "machine", ("dram-missing", "pue-1.58")),
        (70.0, "package", "one-socket"),
        (81.0, "machine", "one-socket"),
        (311.0, "package", "psys-added"),
        (224.0, "package", "core-added"),
        (227.0, "package", "parts-added"),
        (0.4, "gpu", "scale-1e-3"),
        (70.0 - 262143.3, "package-0", "wrap"),
        (131.0 - 2 * 262143.3, "package", "wrap"),
        (70.0 + 262143.3, "package-0", "wrap-added"),
        (0.0, "package", "zero"),
        (1e14, "package", "absurd"),
        (50.0, "package-0", "other"),
    ],
)
def test_names(joules: float, scope: str, key: str | Keys) -> None:
    keys = (key,) if isinstance(key, str) else key
    assert keys in explain(joules, scope, SERVER).alternatives


def test_two_that_fit_are_both_named() -> None:
    alike = KnownEnergy({"package": 100.0, "core": 58.0, "uncore": 0.0}, {})
    assert explain(158.0, "package", alike).alternatives == (
        ("pue-1.58",), ("core-added",), ("parts-added",)
    )  # fmt: skip


def test_what_nobody_used_is_said_in_joules() -> None:
    assert explain(3.0, "gpu", KnownEnergy({"gpu": 0.0}, {})).single == "something"


def test_a_meter_that_is_always_wrong_is_not_blamed_anew() -> None:
    usual = Usual(0.00095, named("scale-1e-3", "a thousandth"))
    assert explain(0.131 * 0.96, "package", SERVER, usual) == usual.name
    twice = explain(0.262 * 0.95, "package", SERVER, usual)
    assert twice.single == "packages-twice"
    assert str(twice).endswith("besides, a thousandth")


@given(
    joules=st.floats(-1e18, 1e18, allow_nan=False),
    scope=st.sampled_from(sorted(SERVER.true_j)),
    size=st.floats(1e-6, 1e9),
)
def test_every_figure_gets_a_name_in_any_size_of_machine(
    joules: float, scope: str, size: float
) -> None:
    known = KnownEnergy({key: value * size for key, value in SERVER.true_j.items()}, SERVER.range_j)
    name = explain(joules, scope, known)
    assert name.alternatives and all(name.alternatives)
    assert "nan" not in str(name)
    assert "inf" not in str(name)


@given(factor=st.sampled_from(FACTORS), size=st.floats(1e-3, 1e6))
def test_every_factor_is_found_in_any_size_of_machine(factor: Fault, size: float) -> None:
    known = KnownEnergy({"package": 131.0 * size}, {})
    name = explain(131.0 * size * factor.ratio, "package", known)
    assert (factor.key,) in name.alternatives
