"""A tracker that lacks a figure in one run did not measure nothing there."""

from __future__ import annotations

from pathlib import Path

import pytest

from calibrate.energy import native_columns, window_energy
from calibrate.store import Run
from tests.helpers.imports import imported

PYJOULES = (
    "timestamp;tag;duration;package_0;dram_0\n"
    "1735725600.0;a;10;1000000000;100000000\n"
    "1735725620.0;b;10;1000000000;{}\n"
    "1735725630.0;c;10;1000000000;100000000\n"
)
CODECARBON = (
    "timestamp,project_name,run_id,duration,emissions,energy_consumed,cpu_energy,gpu_energy,"
    "ram_energy,gpu_count\n"
    "2025-01-01T10:01:00,a,1,60,0,0.003,0.002,0.0005,0.0005,1\n"
    "2025-01-01T10:02:00,b,2,60,0,0.0025,0.002,{},0.0005,1\n"
    "2025-01-01T10:03:00,c,3,60,0,0.003,0.002,0.0005,0.0005,1\n"
)
ZEUS = (
    "start_time,window_name,elapsed_time,gpu0_energy,gpu1_energy\n"
    "1735725600.0,a,10,1000,500\n1735725610.0,b,10,1000,{}\n1735725620.0,c,10,1000,500\n"
)


def energies(run: Run) -> dict[str, float | None]:
    """Return the joules of every column of a run."""
    [log] = run.logs.values()
    window = run.record.begin_ns, run.record.end_ns
    found = {c.name: window_energy(log, c, window) for c in native_columns(log.domains.values())}
    return {name: None if each is None else each.joules for name, each in found.items()}


@pytest.mark.parametrize(
    ("form", "table", "column", "joules", "other", "zone"),
    [
        ("pyjoules", PYJOULES, "dram_0", 100.0, "package_0", ()),
        ("codecarbon", CODECARBON, "gpu", 1800.0, "cpu", ("--zone", "UTC")),
        ("zeus", ZEUS, "gpu-1", 500.0, "gpu-0", ()),
    ],
)
def test_a_figure_that_is_missing_is_missing_in_that_run_alone(
    tmp_path: Path,
    form: str,
    table: str,
    column: str,
    joules: float,
    other: str,
    zone: tuple[str, ...],
) -> None:
    path = tmp_path / "emissions.csv"
    path.write_text(table.format(""))
    each = [energies(run) for run in imported(tmp_path / "out", form, path, *zone)]
    assert [found[column] for found in each] == [pytest.approx(joules), None, pytest.approx(joules)]
    assert all((found[other] or 0.0) >= 1000 for found in each)


def test_a_figure_of_zero_stays_zero(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(PYJOULES.format("0"))
    each = [energies(run)["dram_0"] for run in imported(tmp_path / "out", "pyjoules", path)]
    assert each == pytest.approx([100.0, 0.0, 100.0])
