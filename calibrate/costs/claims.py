"""The claims of a publication about learning algorithms, judged on what a campaign measured.

What is claimed is data: see `calibrate.campaign.Publication`. Energies are judged once for a fit
alone and once for a fit and one pass over the whole test set, since a publication may not say
whether it counts predictions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import singledispatch
from itertools import combinations
from typing import Literal

from calibrate.campaign import (
    AccuracyClaim,
    Cheapest,
    Dearest,
    EnergyClaim,
    LessAccurate,
    MostAccurate,
    Publication,
    SameOrder,
    load_plan,
)
from calibrate.costs.algorithms import (
    COUNTED,
    COVERAGE,
    Board,
    Case,
    Known,
    board,
    is_less,
    is_positive,
)
from calibrate.energy import Joules
from calibrate.quantity import number
from calibrate.store import Campaign

#: The plan whose publication is meant where a campaign's own plan names none.
DEFAULT_PLAN = "ml-study"

ClaimVerdict = Literal["confirmed", "not confirmed", "not comparable"]
_Cost = Callable[[Case], Joules]


@dataclass(frozen=True)
class Claim:
    """What a publication claims, and what was measured.

    Parameters
    ----------
    counted : see `COUNTED`; empty for a claim about accuracy.
    measured : the figure.
    why : what the verdict rests on.
    """

    text: str
    counted: str
    verdict: ClaimVerdict
    measured: str
    why: str


@dataclass(frozen=True)
class _Judged:
    """Whether a claim holds, the figure, and what that rests on."""

    holds: Known
    measured: str = ""
    why: str = ""


def asked_publication(campaign: Campaign) -> Publication | None:
    """Return the publication that the plan of a campaign names, or else that of `DEFAULT_PLAN`."""
    recorded = campaign.record.plan.get("publication")
    if recorded:
        return Publication.model_validate(recorded)
    return load_plan(DEFAULT_PLAN).publication


def judge_claims(found: Sequence[Case], probe: str, publication: Publication) -> list[Claim]:
    """Return the claims of a publication beside what one probe measured.

    Energy is comparable where all algorithms ran on all data sets in their whole number of rows,
    accuracy where the data were real besides. Nothing is confirmed or denied that is within the
    uncertainty.
    """
    results = _Results(publication, found, probe)
    no_energy, no_accuracy = _no_energy(results), _no_accuracy(results)
    energy = [
        _claim(claim.text, counted, _judge_energy(claim, results, cost), no_energy)
        for claim in publication.energy
        for counted, cost in COUNTED.items()
    ]
    return energy + [
        _claim(claim.text, "", _judge_accuracy(claim, results), no_accuracy)
        for claim in publication.accuracy
    ]


class _Results:
    """What one probe measured of the cases of a publication."""

    def __init__(self, publication: Publication, found: Sequence[Case], probe: str) -> None:
        self.publication = publication
        self.cases = [case for case in found if case.probe == probe]
        self.board: Board = board(found, probe)

    @property
    def whole(self) -> list[tuple[str, dict[str, Case]]]:
        """Data sets on which all algorithms ran, by their titles, with the cases."""
        names = {*self.publication.algorithms}
        rows = ((title, self.board.get(data, {})) for data, title in self.publication.data.items())
        return [(title, row) for title, row in rows if names <= {*row}]

    def others(self, *names: str) -> list[str]:
        """Return the algorithms but for some."""
        return [name for name in self.publication.algorithms if name not in names]


def _claim(text: str, counted: str, judged: _Judged, obstacle: str) -> Claim:
    """Return a claim with its verdict; an obstacle makes it not comparable, whatever was found."""
    if obstacle:
        return Claim(text, counted, "not comparable", judged.measured or "nothing", obstacle)
    verdicts: dict[Known, ClaimVerdict] = {True: "confirmed", False: "not confirmed"}
    verdict = verdicts.get(judged.holds, "not comparable")
    return Claim(text, counted, verdict, judged.measured, judged.why)


def _no_energy(results: _Results) -> str:
    """Return why energies cannot be held against the publication's, or nothing."""
    publication, rows = results.publication, results.board
    missing = [
        f"{algorithm} on {title}"
        for data, title in publication.data.items()
        for algorithm in publication.algorithms
        if algorithm not in rows.get(data, {})
    ]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 4 else ""
        return f"not measured: {', '.join(missing[:3] if more else missing)}{more}"
    settings = [(case.data, case.algorithm) for case in results.cases]
    if len(settings) > len(set(settings)):
        return "an algorithm ran in several settings on one data set"
    cut = [
        title
        for data, title in publication.data.items()
        if any(case.rows < case.all_rows for case in rows[data].values())
    ]
    return f"only a part of the rows was learnt from: {', '.join(cut)}" if cut else ""


def _no_accuracy(results: _Results) -> str:
    """Return why accuracies cannot be held against the publication's, or nothing."""
    synthetic = [
        title
        for data, title in results.publication.data.items()
        if any(case.synthetic for case in results.board.get(data, {}).values())
    ]
    if synthetic:
        return f"synthetic data have no accuracy of the data set: {', '.join(synthetic)}"
    return _no_energy(results)


# ---- claims about energy ----


@singledispatch
def _judge_energy(claim: EnergyClaim, results: _Results, cost: _Cost) -> _Judged:
    """Judge a claim about energy; `cost` says what is counted."""
    raise NotImplementedError(claim)


@_judge_energy.register
def _(claim: SameOrder, results: _Results, cost: _Cost) -> _Judged:
    """Judge whether no two algorithms change places between data sets."""
    names = results.publication.algorithms
    orders: dict[tuple[str, ...], list[str]] = {}
    for title, row in results.whole:
        order = tuple(sorted(names, key=lambda name: cost(row[name]).joules))
        orders.setdefault(order, []).append(title)
    measured = "; ".join(f"{', '.join(sets)}: {' < '.join(o)}" for o, sets in orders.items())
    less = {
        pair: [is_less(cost(row[pair[0]]), cost(row[pair[1]])) for _, row in results.whole]
        for pair in combinations(names, 2)
    }
    turned = [f"{a} and {b}" for (a, b), each in less.items() if {True, False} <= {*each}]
    close = [f"{a} and {b}" for (a, b), each in less.items() if None in each]
    if turned:
        return _Judged(False, measured, f"they change places: {', '.join(turned)}")
    if close:
        return _Judged(None, measured, f"too close to tell: {', '.join(close)}")
    return _Judged(True, measured, "every difference is larger than its uncertainty")


@_judge_energy.register
def _(claim: Cheapest, results: _Results, cost: _Cost) -> _Judged:
    """Judge whether one is first and another second, by a ratio within two bounds."""
    judged, ratios = {}, []
    for title, row in results.whole:
        first, second = cost(row[claim.first]), cost(row[claim.second])
        others = [cost(row[name]) for name in results.others(claim.first, claim.second)]
        ratio, u = _ratio(second, first)
        ratios.append(f"{title} {_figure(ratio)}")
        judged[title] = _all([
            *(is_less(one, other) for one in (first, second) for other in others),
            is_less(first, second),
            _within(ratio, u, *claim.ratio),
        ])  # fmt: skip
    measured = f"{claim.second} / {claim.first}: {', '.join(ratios)}"
    return _Judged(_all(judged.values()), measured, _where(judged))


@_judge_energy.register
def _(claim: Dearest, results: _Results, cost: _Cost) -> _Judged:
    """Judge whether one is last, and about how many times another on average."""
    judged, ratios = {}, []
    for title, row in results.whole:
        dearest = cost(row[claim.algorithm])
        judged[title] = _all(
            is_less(cost(row[name]), dearest) for name in results.others(claim.algorithm)
        )
        ratios.append(_ratio(dearest, cost(row[claim.over])))
    if not ratios:
        return _Judged(None)
    mean, u = _mean(ratios)
    near = _about(mean, u, claim.ratio, results.publication.about)
    size = f"about {claim.ratio:g}"
    words = {True: "", False: f"; the mean is not {size}", None: f"; the mean may be {size}"}
    return _Judged(
        _all([near, *judged.values()]),
        f"{claim.algorithm} / {claim.over}: {_figure(mean)} on average, "
        f"{_figure(min(ratios)[0])} to {_figure(max(ratios)[0])}",
        f"dearest: {_where(judged)}{words[near]}",
    )


# ---- claims about accuracy ----


@singledispatch
def _judge_accuracy(claim: AccuracyClaim, results: _Results) -> _Judged:
    """Judge a claim about accuracy."""
    raise NotImplementedError(claim)


@_judge_accuracy.register
def _(claim: MostAccurate, results: _Results) -> _Judged:
    """Judge on how many data sets no other is as accurate."""
    best: list[Known] = []
    figures = []
    for title, row in results.whole:
        claimed = row[claim.algorithm]
        others = [row[name] for name in results.others(claim.algorithm)]
        best.append(_all(_more_accurate(claimed, other) for other in others))
        top = max(others, key=lambda case: case.accuracy)
        figures.append(
            f"{title} {number(claimed.accuracy)} against {number(top.accuracy)} ({top.algorithm})"
        )
    clear, open_ = best.count(True), best.count(None)
    why = f"clearly most accurate on {clear} of {len(best)}"
    why += f", too close to tell on {open_}" if open_ else ""
    holds = clear >= claim.data_sets
    reachable = clear + open_ >= claim.data_sets
    return _Judged((holds or None) if reachable else False, ", ".join(figures), why)


@_judge_accuracy.register
def _(claim: LessAccurate, results: _Results) -> _Judged:
    """Judge whether the accuracy of one is about a share below that of another, on average."""
    gaps = []
    for _, row in results.whole:
        low, high = row[claim.algorithm], row[claim.than]
        if not high.accuracy:
            return _Judged(None, "", f"the {claim.than} was never right")
        share = low.accuracy / high.accuracy
        u = math.hypot(low.u_accuracy, share * high.u_accuracy) / high.accuracy
        gaps.append((1 - share, u))
    if not gaps:
        return _Judged(None)
    mean, u = _mean(gaps)
    about = results.publication.about
    low_percent, high_percent = 100 * claim.by / about, 100 * claim.by * about
    return _Judged(
        _about(mean, u, claim.by, about),
        f"{_percent(mean)} on average ({', '.join(_percent(gap) for gap, _ in gaps)})",
        f"± {_percent(COVERAGE * u)}; about {100 * claim.by:g} % is {low_percent:g} % to "
        f"{high_percent:g} %",
    )


# ---- figures ----


def _where(judged: Mapping[str, Known]) -> str:
    """Return on which data sets something holds."""
    words = {True: "holds on", False: "does not hold on", None: "too close to tell on"}
    parts = []
    for value, said in words.items():
        titles = [title for title, each in judged.items() if each is value]
        parts += [f"{said} {', '.join(titles)}"] if titles else []
    return "; ".join(parts)


def _all(each: Iterable[Known]) -> Known:
    """Return whether all hold: one that does not settles it, one that is unknown leaves it open."""
    values = list(each)
    return False if False in values else None if None in values else True


def _more_accurate(one: Case, other: Case) -> Known:
    """Tell whether one is right more often than another; what is equal is not."""
    difference = one.accuracy - other.accuracy
    u = math.hypot(one.u_accuracy, other.u_accuracy)
    return is_positive(difference, u) if difference else False


def _ratio(one: Joules, other: Joules) -> tuple[float, float]:
    """Return a ratio and its standard uncertainty, both infinite where nothing was measured."""
    if other.joules <= 0:
        return math.inf, math.inf
    ratio = one.joules / other.joules
    return ratio, math.hypot(one.u_j, ratio * other.u_j) / other.joules


def _mean(figures: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return the mean of figures, each with its standard uncertainty."""
    values, us = zip(*figures, strict=True)
    return sum(values) / len(values), math.hypot(*us) / len(us)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %".replace("-", "\N{MINUS SIGN}")


def _figure(value: float) -> str:
    """Return a value as text; a ratio to nothing has none."""
    return number(value) if math.isfinite(value) else "-"


def _about(value: float, u: float, claimed: float, about: float) -> Known:
    """Tell whether a value is about the figure that is claimed."""
    return _within(value, u, claimed / about, claimed * about)


def _within(value: float, u: float, low: float, high: float) -> Known:
    """Tell whether a value lies in a range, with all of its interval."""
    near, far = value - COVERAGE * u, value + COVERAGE * u
    if far < low or near > high:
        return False
    return True if near >= low and far <= high else None
