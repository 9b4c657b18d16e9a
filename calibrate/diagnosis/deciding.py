"""The run that would tell explanations apart which the runs at hand leave open."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from calibrate.diagnosis.case import MOST_ALIASES, Fitted, _Case
from calibrate.diagnosis.irregular import IrregularModel
from calibrate.diagnosis.models import Table
from calibrate.diagnosis.result import Deciding
from calibrate.diagnosis.structures import StructureModel
from calibrate.diagnosis.words import _digits, _part

#: Smallest probability of an explanation that is worth a run.
_OPEN = 0.02
#: Least difference of two ratios, ln, that a run would show.
_SEEN = 0.02


def open_group(case: _Case, fitted: list[Fitted]) -> list[Fitted]:
    """Return the explanations that the runs leave open, the likeliest first."""
    return [
        each
        for each, candidate in zip(fitted, case.candidates, strict=True)
        if candidate.explains and candidate.probability >= _OPEN
    ][:MOST_ALIASES]


def decide(case: _Case, group: list[Fitted]) -> Deciding | None:
    """Return the run that would tell the first two of these explanations apart."""
    if len(group) < 2:
        return None
    one, other = group[0][0], group[1][0]
    said = f"{one.name} and {other.name} cannot be told apart here; "
    kind = _another_kind(group)
    if kind:
        return _made(group, f"{said}{kind}")
    grid = _grid(case.table)
    expected = _expected(case.table, group, grid)
    best = int(np.argmax(np.abs(np.log(expected[0] / expected[1]))))
    low, high = (float(each[best]) for each in expected)
    if abs(math.log(low / high)) < _SEEN:
        chance = any(isinstance(model, IrregularModel) for model, _ in group[:2])
        return _made(
            group,
            f"{said}more repeats of the shortest runs would: what strikes by chance scatters there."
            if chance
            else f"No run would tell {one.name} from {other.name}: look at what the probe says of "
            "its units, its sockets and its parts.",
        )
    power_w, seconds = (float(each) for each in grid[best])
    text = (
        f"{said}a run of {_digits(seconds)} s at {_digits(power_w)} W would: it gives a ratio of "
        f"{_part(low, low)} by the one and {_part(high, high)} by the other."
    )
    return _made(group, text, power_w, seconds, (low, high))


def _another_kind(group: list[Fitted]) -> str:
    """Return what tells them apart where power and length of a run do not."""
    structures = [m.structure for m, _ in group[:2] if isinstance(m, StructureModel)]
    if any(each.needs_parts for each in structures):
        return "a run that uses that part much more, or not at all, would."
    if any(each.needs_load for each in structures):
        return (
            "two loads that keep the CPUs equally busy at different power would, such as integer "
            "arithmetic and a matrix product."
        )
    return ""


def _grid(table: Table) -> NDArray[np.float64]:
    """Return powers and lengths of runs that could be made, W and s, shape (n, 2)."""
    power, seconds = table.power_w, table.seconds
    watts = (float(power.min()), float(power.max()), 2 * float(power.max()))
    long = (float(seconds.min()) / 4, float(seconds.max()), 10 * float(seconds.max()))
    return np.array([(w, s) for w in watts for s in long])


def _expected(
    table: Table, group: list[Fitted], grid: NDArray[np.float64]
) -> list[NDArray[np.float64]]:
    """Return the ratios that the first two expect of steady runs after rest, shape (n,) each."""
    blank = np.zeros(len(grid))
    trial = Table(
        blank, grid[:, 0], blank.astype(np.intp), blank, 0.0, grid[:, 1], table.idle_w,
        wraps_at_j=table.wraps_at_j,
    )  # fmt: skip
    return [np.exp(model.predicted(trial, fit)) for model, fit in group[:2]]


def _made(
    group: list[Fitted],
    sentence: str,
    power_w: float | None = None,
    seconds: float | None = None,
    ratios: tuple[float, float] | None = None,
) -> Deciding:
    names = tuple(model.name for model, _ in group)
    keys = tuple(tuple(fault.key for fault in model.faults) for model, _ in group if model.faults)
    return Deciding(names, power_w, seconds, ratios, sentence, keys)
