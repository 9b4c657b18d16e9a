"""Counters that fall: what they counted between the falls, and that it is said."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibrate.ingest.falls import bridge_falls
from tests.helpers.cases import shared_case
from tests.helpers.imports import imported, joules


def bridged(values: list[float], block: int = 1 << 20) -> tuple[list[float], list[int], int]:
    column = np.array(values, dtype=float)
    falls = bridge_falls(np.arange(len(values)), column, block)
    return column.tolist(), falls.at_ns.tolist(), falls.strays


def test_a_counter_that_begins_again_goes_on_where_it_was() -> None:
    assert bridged([10, 20, 3, 5, 1, 4]) == ([10, 20, 20, 22, 22, 25], [2, 4], 0)


def test_one_figure_below_both_neighbours_is_a_stray() -> None:
    found, falls, strays = bridged([10, 20, 0, 0, 30, 40])
    assert np.nansum(np.diff([each for each in found if each == each])) == 30
    assert (falls, strays) == ([], 2)


@given(
    st.lists(st.integers(0, 50) | st.just(float("nan")), min_size=1, max_size=40),
    st.integers(1, 7),
)
def test_what_is_counted_never_falls_and_is_never_more_than_every_rise(
    values: list[float], block: int
) -> None:
    found = np.array(bridged(values, block)[0])
    there, given_ = found[np.isfinite(found)], np.array([v for v in values if v == v])
    assert np.all(np.diff(there) >= 0)
    if there.size:
        assert there[-1] - there[0] <= np.clip(np.diff(given_), 0, None).sum()


def dcgm(path: Path, counter: Mapping[int, float]) -> Path:
    """Write metrics of dcgm-exporter: 250 W, by a counter that shows what is given."""
    path.write_text(
        "".join(
            f'DCGM_FI_DEV_POWER_USAGE{{gpu="0"}} 250 {1_750_000_000_000 + 1000 * second}\n'
            f'DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{{gpu="0"}} {joules * 1000} '
            f"{1_750_000_000_000 + 1000 * second}\n"
            for second, joules in counter.items()
        )
    )
    return path


def test_a_reload_of_the_driver_is_told_beside_the_power(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counter = {s: 40_000 + 250 * s if s < 60 else 250 * (s - 60) for s in range(101)}
    [run] = imported(tmp_path / "out", "dcgm", dcgm(tmp_path / "page.txt", counter))
    assert joules(run, "dcgm", "gpu-0") == pytest.approx(99 * 250)
    said = " ".join(capsys.readouterr().out.split())
    assert "fell once" in said and "24750 J" in said and "25000 J" in said
    assert "lower bound" in run.record.probes["dcgm"].reason
    notes = json.loads((tmp_path / "out" / "provenance.json").read_text())["notes"]
    assert any("fell once" in note for note in notes)


def test_a_sound_counter_is_left_as_it_is(tmp_path: Path) -> None:
    counter = {s: 40_000 + 250 * s for s in range(101)}
    [run] = imported(tmp_path / "out", "dcgm", dcgm(tmp_path / "page.txt", counter))
    assert joules(run, "dcgm", "gpu-0") == pytest.approx(25_000)
    assert run.record.probes["dcgm"].reason == ""


def test_the_cases_of_counters_that_begin_anew(tmp_path: Path) -> None:
    folder = shared_case("imports/02-counter-begins-anew")
    [run] = imported(tmp_path / "s", "scaphandre", folder / "with-power.json")
    assert 0.98 * 2_520_000 < joules(run, "scaphandre", "host energy") <= 2_520_000
    assert "fell 8 times" in run.record.probes["scaphandre"].reason
    [run] = imported(tmp_path / "d", "dcgm", folder / "reload.txt")
    assert 0.97 * 150_000 < joules(run, "dcgm", "gpu-0") <= 150_000
