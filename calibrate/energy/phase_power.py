"""Power of phases that are shorter than a meter's update: of all phases of one kind together.

One such phase cannot be seen between two readings; see `calibrate.energy.stretch`. Of many that
have the same power, each interval between readings holds another share, and least squares tell the
power; see `calibrate.stats.state_powers`. Where phases lie in one another, each set of kinds that
are active at once has a power of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibrate.energy.stretch import Renewals, StretchMeter
from calibrate.stats import StatePowers, state_powers, state_powers_of_watts, t_quantile

#: Phases of fewer updates are short: they need not have a whole gap between readings of their own.
SHORT = 2.0
#: Phases of a kind below which a run says nothing of them.
_LEAST = 8
#: A set of kinds that takes less of the time is no state: marks need a moment themselves.
_MOMENT = 0.005


@dataclass(frozen=True)
class KindPower:
    """Mean power of all phases of a kind in one run by one probe.

    Parameters
    ----------
    watts, u_w : with its standard uncertainty.
    df : its degrees of freedom.
    """

    watts: float
    u_w: float
    df: float

    @property
    def k(self) -> float:
        """Coverage factor of 95 %."""
        return t_quantile(0.975, self.df)


@dataclass(frozen=True)
class NotTold:
    """Why the readings do not tell the power of short phases: a sentence."""

    why: str


@dataclass(frozen=True)
class _States:
    """Which set of kinds is active when, between the first phase and the last.

    Parameters
    ----------
    edges_s : shape (m + 1,).
    state : which of the sets, shape (m,).
    kinds : of all phases, k of them.
    active : whether a kind is active in a set, shape (sets, k).
    stretch_s : seconds of one phase of each kind in each set, shape (k, sets).
    """

    edges_s: NDArray[np.float64]
    state: NDArray[np.intp]
    kinds: tuple[str, ...]
    active: NDArray[np.bool_]
    stretch_s: NDArray[np.float64]


Spans = Mapping[str, Sequence[tuple[int, int]]]


def kind_powers(spans: Spans, meter: StretchMeter) -> dict[str, KindPower | NotTold]:
    """Return the power of each kind of phase that is short for a meter.

    Parameters
    ----------
    spans : kind -> begin and end of each of its phases in one run, CLOCK_MONOTONIC ns.
    meter : of the same run.

    Returns
    -------
    kind -> power, or why the readings do not tell it; kinds of longer phases are left out.
    """
    update_ns = meter.renewed_ns
    short = [kind for kind, each in spans.items() if _mean_ns(each) < SHORT * update_ns]
    if not short or not math.isfinite(update_ns):
        return {}
    few: dict[str, KindPower | NotTold] = {
        k: NotTold(_few_words(len(spans[k]))) for k in short if len(spans[k]) < _LEAST
    }
    rest = [kind for kind in short if kind not in few]
    if not rest:
        return few
    origin_ns = min(begin for each in spans.values() for begin, _ in each)
    states = _states(spans, origin_ns)
    try:
        powers = [_fit(each, states, origin_ns) for each in meter.renewals]
    except ValueError as why:
        return few | dict.fromkeys(rest, NotTold(str(why)))
    return few | {kind: _of(kind, states, powers) for kind in rest}


def _mean_ns(each: Sequence[tuple[int, int]]) -> float:
    return float(np.mean([end - begin for begin, end in each]))


def _few_words(n: int) -> str:
    return (
        f"They are shorter than two updates of the meter, and there are {n} of a kind in a run; "
        f"their mean power takes {_LEAST}."
    )


def _states(spans: Spans, origin_ns: int) -> _States:
    """Return the sets of kinds that are active, in seconds from an origin."""
    kinds = tuple(spans)
    begins = [np.sort([begin - origin_ns for begin, _ in spans[kind]]) for kind in kinds]
    ends = [np.sort([end - origin_ns for _, end in spans[kind]]) for kind in kinds]
    edges = np.unique(np.concatenate(begins + ends))
    middle, length = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 1e9
    on = np.stack(
        [
            np.searchsorted(begin, middle) > np.searchsorted(end, middle)
            for begin, end in zip(begins, ends, strict=True)
        ],
        axis=1,
    )
    rows, which = np.unique(on, axis=0, return_inverse=True)
    which = _without_moments(which.reshape(-1), length)
    known, which = np.unique(which, return_inverse=True)
    active = rows[known]
    spent = np.bincount(which, weights=length, minlength=known.size)
    many = np.array([len(spans[kind]) for kind in kinds])
    return _States(edges / 1e9, which.reshape(-1), kinds, active, active.T * spent / many[:, None])


def _without_moments(which: NDArray[np.intp], length: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the states, those that take hardly any time counted to the one before or after."""
    share = np.bincount(which, weights=length) / length.sum()
    kept = np.flatnonzero(share[which] >= _MOMENT)
    before = np.clip(np.searchsorted(kept, np.arange(which.size), side="right") - 1, 0, None)
    return np.asarray(which[kept[before]])


def _fit(renewals: Renewals, states: _States, origin_ns: int) -> StatePowers:
    at_s = (renewals.at_ns - origin_ns) / 1e9
    new = np.concatenate([[True], np.diff(at_s) > 0])
    find = state_powers_of_watts if renewals.power else state_powers
    return find(at_s[new], renewals.value[new], states.edges_s, states.state)


def _of(kind: str, states: _States, powers: Sequence[StatePowers]) -> KindPower | NotTold:
    """Return the power of a kind: the mean over the states in which it is active."""
    spent = states.stretch_s[states.kinds.index(kind)]
    if not spent.sum():
        return NotTold("Its phases take less time than their marks.")
    share = spent / spent.sum()
    watts = sum(float(share @ each.watts) for each in powers)
    # One meter read all its parts, and may be wrong in them alike.
    u_w = sum(math.sqrt(max(float(share @ each.covariance @ share), 0.0)) for each in powers)
    df = min(float(each.df[share > 0].min()) for each in powers)
    found = KindPower(watts, u_w, df)
    level = max(float(np.abs(each.watts).max()) for each in powers)
    if found.k * u_w > level:
        return NotTold(
            "Intervals between readings hold nearly the same share of each kind of phase, so that "
            "their powers cannot be told apart. Let the phases last for other times, read at "
            "another pace, or record for longer."
        )
    return found
