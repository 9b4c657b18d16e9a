"""Datasheets of real probes on simulated machines whose response is known."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from calibrate.cli import main

pytestmark = pytest.mark.timeout(600)

ADAPTERS = Path(__file__).parents[1] / "adapters"

#: Shorter than the shipped one: what is asserted here needs no levels.
PLAN = """
title = "short"
repeats = 1
strays = 0
idle_before_s = 0.5
idle_after_s = 1.0
[[workload]]
name = "idle"
seconds = [9.5]
[[workload]]
name = "square"
seconds = [16.0]
arguments = ["--period", "1.37"]
"""


#: A GPU that computes or rests: its power is known at every instant.
GPU_PLAN = PLAN.replace('"square"', '"gpu-square"')


ATTEMPTS = 3


def until_equal(
    folder: Path, wanted: Mapping[str, Any], *arguments: str, text: str = PLAN
) -> dict[str, dict[str, Any]]:
    """Measure until the wanted values come out, at most so often; return the last datasheet.

    Lags of milliseconds need a machine that wakes its probes in time, and a busy one does so for
    most campaigns and not for all. A datasheet that is wrong is wrong every time.
    """
    for attempt in range(ATTEMPTS):
        (place := folder / str(attempt)).mkdir()
        found = entries(place, *arguments, text=text)
        measured = {name: found[name]["value"] for name in wanted}
        if measured == wanted:
            break
    assert measured == wanted
    return found


def entries(folder: Path, *arguments: str, text: str = PLAN) -> dict[str, dict[str, Any]]:
    """Measure a datasheet and return its estimates by quantity."""
    plan = folder / "plan.toml"
    plan.write_text(text)
    probe = arguments[0]
    place = folder / "campaign"
    code = main(["characterize", *arguments, "--plan", str(plan), "--out", str(place)])
    assert code == 0
    (sheet,) = json.loads((place / f"datasheet-{probe}.json").read_text())["sheets"]
    return {each["quantity"]: each["estimate"] or each["reason"] for each in sheet["entries"]}


@pytest.mark.parametrize(
    ("fault", "update_s", "lag_s"),
    [
        ("stale=0.17", 0.17, 0.0),
        pytest.param("lag=0.25", None, 0.25, marks=pytest.mark.slow),
    ],
)
def test_a_counter_that_is_seldom_renewed_or_late(
    bench_ready: None, tmp_path: Path, fault: str, update_s: float | None, lag_s: float
) -> None:
    wanted = {"lag": pytest.approx(lag_s, abs=0.010)}
    if update_s is not None:
        wanted["update period"] = pytest.approx(update_s, rel=0.05)
    line = ("rapl", "--bench", "desktop", "--fault", fault, "--domain", "package-0")
    found = until_equal(tmp_path, wanted, *line)
    if update_s is None:
        assert "Read it more often" in found["update period"]
    assert found["resolution"]["value"] == pytest.approx(1e-6)
    assert 0 < found["noise at rest, over 1 s"]["value"] < 5


@pytest.mark.parametrize(
    ("fault", "window_s"),
    [
        ([], 0.025),
        pytest.param(["--fault", "gpu-slow-power=0.6"], 0.6, marks=pytest.mark.slow),
    ],
)
def test_a_gpu_that_sees_part_of_the_time(
    bench_ready: None, tmp_path: Path, fault: list[str], window_s: float
) -> None:
    if shutil.which("cc") is None:
        pytest.skip("virtual GPUs need a C compiler")
    line = ["gpu_power", "--bench", "gpu-node", "--adapters", str(ADAPTERS), *fault]
    wanted = {
        "update period": pytest.approx(0.1, rel=0.05),
        "averaging window": pytest.approx(window_s, rel=0.1),
        "duty cycle": pytest.approx(min(window_s / 0.1, 1.0), abs=0.03),
        "lag": pytest.approx(0.0, abs=0.010),
    }
    until_equal(tmp_path, wanted, *line, text=GPU_PLAN)
