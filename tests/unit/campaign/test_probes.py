"""Which probes take part: what is named, and what it is compared with."""

from __future__ import annotations

import pytest

from calibrate.campaign import sources, with_reference
from calibrate.errors import CrosswattError


def named(*wanted: str, simulated: bool) -> list[str]:
    chosen = with_reference(sources(wanted, simulated=simulated), simulated=simulated)
    return [source.name for source in chosen]


def test_the_truth_stays_the_reference_where_probes_are_named_on_the_bench() -> None:
    assert named("rapl", simulated=True) == ["truth", "rapl"]
    assert named("rapl", "truth", simulated=True) == ["rapl", "truth"]
    assert named("rapl", "exact=truth", simulated=True) == ["rapl", "exact"]


def test_nothing_is_added_on_a_real_machine() -> None:
    assert named("rapl", "pyjoules", simulated=False) == ["rapl", "pyjoules"]


@pytest.mark.parametrize(
    ("probe", "simulated", "another"),
    [("rapl", False, "codecarbon"), ("pyjoules", False, "rapl"), ("truth", True, "rapl")],
)
def test_one_probe_alone_is_refused_and_told_what_to_add(
    probe: str, simulated: bool, another: str
) -> None:
    with pytest.raises(CrosswattError, match=f"^{probe} alone has .* --probe {another}, or leave"):
        named(probe, simulated=simulated)
