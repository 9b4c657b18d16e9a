"""A power that is a function of the CPUs' load, of whatever form, and not of the energy.

Two loads that keep the CPUs equally busy at different power tell a model of the load from a meter:
the model reports the same for both. With the CPU time of every run known, its reported powers lie
on one curve over the load, and scatter about any curve over the reference's power. Without it, the
loads of highest reported power are reported alike while the reference's powers differ.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from calibrate.diagnosis.faults import fault
from calibrate.diagnosis.result import UNEXPLAINED, Diagnosis, Runs
from calibrate.stats import Vector, encode, f_tail

_LOAD = fault("load-model")
#: Runs needed, and the least difference between their loads.
_FEWEST, _SPAN = 6, 0.3
#: Least correlation of the ranks of load and reported power.
_MONOTONE = 0.95
#: How much less the powers have to scatter over the load, and the chance of that for a meter.
_CLOSER, _CHANCE = 0.5, 0.01
#: Loads that are reported alike: so many, within this, ln, at powers that differ by this, ln.
_ALIKE, _SAME, _APART = 3, 0.02, 0.2


def modelled(runs: Runs, found: Diagnosis) -> Diagnosis | None:
    """Return the diagnosis of a model of the load, or None.

    Parameters
    ----------
    runs : all of them.
    found : the verdict on them; only what is unexplained is looked at.
    """
    probe, reference, seconds = (
        np.asarray(values, dtype=np.float64)
        for values in (runs.probe_j, runs.reference_j, runs.seconds)
    )
    good = np.isfinite(probe) & (probe > 0) & (reference > 0)
    if found.name != UNEXPLAINED or not good.all() or probe.size < _FEWEST:
        return None
    reported, true = np.log(probe / seconds), np.log(reference / seconds)
    if runs.busy is not None and np.isfinite(runs.busy).all():
        text = _over_the_load(np.asarray(runs.busy, dtype=np.float64), reported, true)
    else:
        text = _alike(list(runs.workload), reported, true)
    if not text:
        return None
    return replace(
        found,
        name=_LOAD.title,
        conclusive=True,
        key=_LOAD.key,
        keys=((_LOAD.key,),),
        cause=_LOAD.cause,
        sentence=f"{text}: {_LOAD.title}.",
        probability=None,
        reasons=tuple(flag.text for flag in found.flags),
        deciding=None,
    )


def _over_the_load(busy: Vector, reported: Vector, true: Vector) -> str:
    """Return how closely the reported powers follow the load, where they do and no energy."""
    if float(np.ptp(busy)) < _SPAN or _rank_correlation(busy, reported) < _MONOTONE:
        return ""
    over_load, over_power = _scatter(busy, reported), _scatter(true, reported)
    count = busy.size - 2
    chance = f_tail((over_power / max(over_load, 1e-6)) ** 2, count, count)
    if over_load > _CLOSER * over_power or chance > _CHANCE:
        return ""
    return (
        f"The reported power follows the CPUs' load within {100 * over_load:.2g} %, whatever the "
        f"energy, of which no curve leaves less than {100 * over_power:.2g} %"
    )


def _scatter(x: Vector, y: Vector) -> float:
    """Return the root mean square by which points miss the line between their neighbours in x."""
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    width = x[2:] - x[:-2]
    share = np.where(width > 0, (x[1:-1] - x[:-2]) / np.where(width > 0, width, 1.0), 0.5)
    missed = y[1:-1] - (1 - share) * y[:-2] - share * y[2:]
    # The neighbours scatter as well.
    return float(np.sqrt(np.mean(missed**2 / (1 + share**2 + (1 - share) ** 2))))


def _rank_correlation(x: Vector, y: Vector) -> float:
    """Return Spearman's correlation, ties in the order of the runs."""
    a, b = (np.argsort(np.argsort(each, kind="stable")) - (x.size - 1) / 2 for each in (x, y))
    return float(a @ b) / float(a @ a)


def _alike(labels: list[str], reported: Vector, true: Vector) -> str:
    """Return which loads are reported alike though they are not, where others are reported less."""
    names, code = encode(labels, len(labels))
    means = np.array([reported[code == k].mean() for k in range(len(names))])
    powers = np.array([true[code == k].mean() for k in range(len(names))])
    order = np.argsort(-means)
    inside = order[means[order] > means[order[0]] - _SAME]
    apart = float(np.ptp(powers[inside])) if inside.size else 0.0
    less = means[order[inside.size :]]
    if inside.size < _ALIKE or not less.size or apart < _APART:
        return ""
    watts = np.exp(powers[inside])
    said = ", ".join(str(names[i]) for i in inside)
    return (
        f"{said} are reported with the same power, {float(np.exp(means[inside].mean())):.3g} W, "
        f"while they use {watts.min():.3g} to {watts.max():.3g} W"
    )
