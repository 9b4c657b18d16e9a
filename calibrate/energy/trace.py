"""A recorded run as a power trace that drives the bench."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from calibrate import store
from calibrate.energy.column import REFERENCES
from calibrate.energy.series import Curve, counter_curve
from calibrate.errors import BadFile
from calibrate.scratch import scratch_folder

COLUMN = "time_s"


@contextmanager
def power_trace(source: Path | None) -> Iterator[str | None]:
    """Give the path of a trace as the bench reads it, for as long as it is needed.

    Parameters
    ----------
    source : such a trace already; or the folder of a run, or of a campaign, whose runs are then
        put one after another; or None, which is given back.

    Raises
    ------
    BadFile : the folder holds no run with power in it.
    """
    if source is None or not source.is_dir():
        yield None if source is None else str(source)
        return
    if (source / store.RUN).exists():
        runs: tuple[store.Run, ...] = (store.load_run(source),)
    else:
        runs = store.load_campaign(source).runs
    with scratch_folder() as place:
        path = place / "trace.csv"
        _write(path, [row for run in runs for row in _rows(source, run)])
        yield str(path)


def _rows(source: Path, run: store.Run) -> list[tuple[float, dict[str, float]]]:
    """Return seconds and watts by scope, from the best probe of the run."""
    known = [name for name in REFERENCES if name in run.logs]
    for name in [*known, *sorted(set(run.logs) - set(known))]:
        log = run.logs[name]
        curves = {
            domain.scope: counter_curve(log, domain)
            for domain in log.domains.values()
            if domain.kind == "counter"
        }
        if curves:
            return _watts(curves)
    raise BadFile(source, "holds no energy counter to replay")


def _watts(curves: dict[str, Curve]) -> list[tuple[float, dict[str, float]]]:
    at_ns = next(iter(curves.values())).at_ns
    seconds = np.diff(at_ns) / 1e9
    powers = {scope: np.diff(curve.value) / seconds for scope, curve in curves.items()}
    return [
        (float(step_s), {scope: float(watts[place]) for scope, watts in powers.items()})
        for place, step_s in enumerate(seconds)
    ]


def _write(path: Path, rows: list[tuple[float, dict[str, float]]]) -> None:
    """Write stretches of constant power, one after another; the last line ends the last one."""
    scopes = sorted(rows[0][1])
    at_s = 0.0
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow([COLUMN, *scopes])
        for step_s, watts in rows:
            out.writerow([at_s, *(max(0.0, watts[scope]) for scope in scopes)])
            at_s += step_s
        out.writerow([at_s, *(max(0.0, rows[-1][1][scope]) for scope in scopes)])
