"""Energy and accuracy of learning algorithms on data sets, beside what a study claims of them.

The study is "IA et empreinte environnementale" (EcoSD, 2022), figure 5: decision tree, k nearest
neighbours, logistic regression and neural network on Wine, Mushroom, MNIST and Fashion-MNIST. It
does not say whether predictions are counted, and on images they decide: energies are compared once
for a fit alone, once for a fit and one pass over the whole test set.

Runs are recognised by their results, whatever they are called: `data`, `algorithm`, `accuracy` and
the numbers of rows, with phases ``fit`` and ``predict`` that count their work.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Literal

from calibrate.energy import Joules, MeasuredPhase, phase_kind, pooled
from calibrate.quantity import number
from calibrate.store import RunRecord

#: In the order in which they are shown.
DATA = {"wine": "Wine", "mushroom": "Mushroom", "mnist": "MNIST", "fashion": "Fashion-MNIST"}
ALGORITHMS = ("tree", "neighbours", "regression", "network")
#: What is counted of an algorithm's energy.
FIT, FIT_AND_TEST = "fit", "fit and test set"

#: "About" is taken as up to this factor, either way.
ABOUT = 2.0
#: The study's figures: neighbours over tree, network over tree, what the tree lacks in accuracy.
NEIGHBOURS_OVER_TREE = (5.0, 40.0)
NETWORK_OVER_TREE = 4000.0
TREE_BELOW_NETWORK = 0.25
MOST_ACCURATE_ON = 3
#: Two figures differ where their difference is more than so many standard uncertainties.
_COVERAGE = 2.0
_NUMBERS = ("accuracy", "rows", "all_rows", "scored_rows", "test_rows")
_SETTING = ("data", "algorithm", "samples", "sha256", "rows", "scored_rows", "hyperparameters")

ClaimVerdict = Literal["confirmed", "not confirmed", "not comparable"]
#: Cases of one probe: data set -> algorithm -> case.
Board = dict[str, dict[str, "Case"]]
#: True, False, or None: too close to be told.
Known = bool | None


@dataclass(frozen=True)
class Case:
    """An algorithm on a data set, by one probe.

    Parameters
    ----------
    rows, all_rows : learnt from, and how many the data set has for that.
    scored_rows, test_rows : predicted for `accuracy`, and how many the test set has.
    fit, prediction : energy of one, mean over runs.
    """

    data: str
    algorithm: str
    probe: str
    scope: str
    runs: int
    synthetic: bool
    source: str
    accuracy: float
    rows: int
    all_rows: int
    scored_rows: int
    test_rows: int
    fit: Joules
    prediction: Joules

    @property
    def fit_and_test(self) -> Joules:
        """Return the energy of a fit and of one pass over the whole test set."""
        return self.fit + self.prediction.times(self.test_rows)

    @property
    def thousand(self) -> Joules:
        """Return the energy of a thousand predictions."""
        return self.prediction.times(1000)

    @property
    def u_accuracy(self) -> float:
        """Return the standard uncertainty of the accuracy: the test set is a sample.

        With one more right and one more wrong, so that none is certain (Laplace's rule).
        """
        share = (self.accuracy * self.scored_rows + 1) / (self.scored_rows + 2)
        return math.sqrt(share * (1 - share) / self.scored_rows)


#: What is counted, and how a case gives it.
COUNTED: dict[str, Callable[[Case], Joules]] = {
    FIT: lambda case: case.fit,
    FIT_AND_TEST: lambda case: case.fit_and_test,
}


def cases(measured: Iterable[MeasuredPhase]) -> list[Case]:
    """Return every algorithm on every data set by every probe, in the study's order.

    One that was run in several settings gives a case for each.
    """
    groups: dict[tuple[object, ...], list[MeasuredPhase]] = {}
    for each in measured:
        if _told(each.run.record):
            setting = (each.run.record.result.get(key) for key in _SETTING)
            groups.setdefault((each.probe, *setting), []).append(each)
    found = [case for group in groups.values() for case in _case(group)]
    return sorted(found, key=place)


def place(case: Case) -> tuple[int, str, int]:
    """Return where a case is shown: the study's data sets and algorithms first, in its order."""
    data, known = list(DATA), list(ALGORITHMS)
    return (
        data.index(case.data) if case.data in data else len(data),
        case.data,
        known.index(case.algorithm) if case.algorithm in known else len(known),
    )


def _told(record: RunRecord) -> bool:
    """Tell whether a run's results say what was learnt, by what, and how well."""
    result = record.result
    return all(isinstance(result.get(key), str) for key in ("data", "algorithm")) and all(
        isinstance(result.get(key), int | float) for key in _NUMBERS
    )


def _case(group: Sequence[MeasuredPhase]) -> Iterable[Case]:
    """Yield the case of runs in one setting, where they have both phases."""
    fits, predictions = (_each(group, name) for name in ("fit", "predict"))
    if not fits or not predictions:
        return
    first, result = group[0], group[0].run.record.result
    numbers = {key: float(str(result[key])) for key in _NUMBERS}
    yield Case(
        data=str(result["data"]),
        algorithm=str(result["algorithm"]),
        probe=first.probe,
        scope=first.column.scope,
        runs=len(fits),
        synthetic=result.get("samples") == "synthetic",
        source=f"{result.get('data_source')}, sha256 {result.get('sha256')}",
        accuracy=numbers["accuracy"],
        rows=int(numbers["rows"]),
        all_rows=int(numbers["all_rows"]),
        scored_rows=int(numbers["scored_rows"]),
        test_rows=int(numbers["test_rows"]),
        fit=pooled(fits),
        prediction=pooled(predictions),
    )


def _each(group: Sequence[MeasuredPhase], name: str) -> list[Joules]:
    """Return the energy of one unit of work of a phase, run by run."""
    return [
        each.energy.times(1 / each.phase.work)
        for each in group
        if phase_kind(each.phase.name) == name and each.phase.work
    ]


def board(found: Iterable[Case], probe: str) -> Board:
    """Return the cases of one probe by data set and algorithm; of several settings, the last."""
    made: Board = {}
    for case in found:
        if case.probe == probe:
            made.setdefault(case.data, {})[case.algorithm] = case
    return made


def order(row: Mapping[str, Case], counted: str) -> list[str]:
    """Return algorithms on one data set, the cheapest first."""
    return sorted(row, key=lambda name: COUNTED[counted](row[name]).joules)


def ranked(row: Mapping[str, Case], counted: str) -> str:
    """Return algorithms on one data set, the cheapest first; ≈ where two are too close to tell."""
    names = order(row, counted)
    cost = COUNTED[counted]
    said = names[0]
    for one, other in pairwise(names):
        said += f" {'<' if _less(cost(row[one]), cost(row[other])) else '≈'} {other}"
    return said


# ---- the study's claims ----


@dataclass(frozen=True)
class Claim:
    """What the study says, and what was measured.

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


def judge_claims(found: Sequence[Case], probe: str) -> list[Claim]:
    """Return the study's claims beside what one probe measured.

    Energy is comparable where all algorithms ran on all data sets in their whole number of rows,
    accuracy where the data were real besides. Nothing is confirmed or denied that is within the
    uncertainty.
    """
    rows = board(found, probe)
    said = [
        _said(text, counted, judge(rows, COUNTED[counted]), _no_energy(found, rows, probe))
        for text, judge in _OF_ENERGY
        for counted in COUNTED
    ]
    return said + [
        _said(text, "", judge(rows), _no_accuracy(found, rows, probe))
        for text, judge in _OF_ACCURACY
    ]


#: What a claim comes to: whether it holds, the figure, what that rests on.
_Judged = tuple[Known, str, str]


def _said(text: str, counted: str, judged: _Judged, obstacle: str) -> Claim:
    """Return a claim with its verdict; an obstacle makes it not comparable, whatever was found."""
    holds, measured, why = judged
    if obstacle:
        return Claim(text, counted, "not comparable", measured or "nothing", obstacle)
    verdicts: dict[Known, ClaimVerdict] = {True: "confirmed", False: "not confirmed"}
    return Claim(text, counted, verdicts.get(holds, "not comparable"), measured, why)


def _no_energy(found: Sequence[Case], rows: Board, probe: str) -> str:
    """Return why energies cannot be held against the study's, or nothing."""
    missing = [
        f"{algorithm} on {title}"
        for data, title in DATA.items()
        for algorithm in ALGORITHMS
        if algorithm not in rows.get(data, {})
    ]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 4 else ""
        return f"not measured: {', '.join(missing[:3] if more else missing)}{more}"
    mine = [(case.data, case.algorithm) for case in found if case.probe == probe]
    if len(mine) > len(set(mine)):
        return "an algorithm ran in several settings on one data set"
    cut = [DATA[data] for data in DATA if any(c.rows < c.all_rows for c in rows[data].values())]
    return f"only a part of the rows was learnt from: {', '.join(cut)}" if cut else ""


def _no_accuracy(found: Sequence[Case], rows: Board, probe: str) -> str:
    """Return why accuracies cannot be held against the study's, or nothing."""
    made = [
        DATA[data] for data in DATA if any(case.synthetic for case in rows.get(data, {}).values())
    ]
    if made:
        return f"synthetic data have no accuracy of the data set: {', '.join(made)}"
    return _no_energy(found, rows, probe)


def _same_order(rows: Board, cost: Callable[[Case], Joules]) -> _Judged:
    """Judge whether no two algorithms change places between data sets."""
    orders: dict[tuple[str, ...], list[str]] = {}
    for data, row in _whole(rows):
        names = tuple(sorted(ALGORITHMS, key=lambda name: cost(row[name]).joules))
        orders.setdefault(names, []).append(DATA[data])
    measured = "; ".join(f"{', '.join(sets)}: {' < '.join(o)}" for o, sets in orders.items())
    told = {
        pair: [_less(cost(row[pair[0]]), cost(row[pair[1]])) for _, row in _whole(rows)]
        for pair in combinations(ALGORITHMS, 2)
    }
    turned = [f"{a} and {b}" for (a, b), each in told.items() if {True, False} <= {*each}]
    close = [f"{a} and {b}" for (a, b), each in told.items() if None in each]
    if turned:
        return False, measured, f"they change places: {', '.join(turned)}"
    if close:
        return None, measured, f"too close to tell: {', '.join(close)}"
    return True, measured, "every difference is larger than its uncertainty"


def _tree_cheapest(rows: Board, cost: Callable[[Case], Joules]) -> _Judged:
    """Judge whether the tree is first and neighbours second, 5 to 40 times as dear."""
    low, high = NEIGHBOURS_OVER_TREE
    judged, ratios = {}, []
    for data, row in _whole(rows):
        tree, second = cost(row["tree"]), cost(row["neighbours"])
        others = [cost(row[name]) for name in ("regression", "network")]
        ratio, u = _ratio(second, tree)
        ratios.append(f"{DATA[data]} {_figure(ratio)}")
        judged[data] = _all([
            *(_less(one, other) for one in (tree, second) for other in others),
            _less(tree, second),
            _within(ratio, u, low, high),
        ])  # fmt: skip
    return _all(judged.values()), f"neighbours / tree: {', '.join(ratios)}", _where(judged)


def _network_dearest(rows: Board, cost: Callable[[Case], Joules]) -> _Judged:
    """Judge whether the network is last, about 4000 times as dear as the tree on average."""
    judged, ratios = {}, []
    for data, row in _whole(rows):
        network = cost(row["network"])
        judged[data] = _all(
            _less(cost(row[name]), network) for name in ALGORITHMS if name != "network"
        )
        ratios.append(_ratio(network, cost(row["tree"])))
    if not ratios:
        return None, "", ""
    mean = sum(ratio for ratio, _ in ratios) / len(ratios)
    u = math.hypot(*(u for _, u in ratios)) / len(ratios)
    near = _within(mean, u, NETWORK_OVER_TREE / ABOUT, NETWORK_OVER_TREE * ABOUT)
    size = {True: "", False: "; the mean is not about 4000", None: "; the mean may be about 4000"}
    return (
        _all([near, *judged.values()]),
        f"network / tree: {_figure(mean)} on average, "
        f"{_figure(min(ratios)[0])} to {_figure(max(ratios)[0])}",
        f"dearest: {_where(judged)}{size[near]}",
    )


def _network_most_accurate(rows: Board) -> _Judged:
    """Judge on how many data sets nothing is as accurate as the network."""
    best: list[Known] = []
    figures = []
    for data, row in _whole(rows):
        network = row["network"]
        others = [row[name] for name in ALGORITHMS if name != "network"]
        best.append(_all(_more_accurate(network, other) for other in others))
        top = max(others, key=lambda case: case.accuracy)
        figures.append(
            f"{DATA[data]} {number(network.accuracy)} against {number(top.accuracy)} "
            f"({top.algorithm})"
        )
    clear, open_ = best.count(True), best.count(None)
    why = f"clearly most accurate on {clear} of {len(best)}"
    why += f", too close to tell on {open_}" if open_ else ""
    holds = clear >= MOST_ACCURATE_ON
    reachable = clear + open_ >= MOST_ACCURATE_ON
    return (holds or None) if reachable else False, ", ".join(figures), why


def _tree_less_accurate(rows: Board) -> _Judged:
    """Judge whether the tree's accuracy is about a quarter below the network's, on average."""
    gaps = []
    for _, row in _whole(rows):
        tree, network = row["tree"], row["network"]
        if not network.accuracy:
            return None, "", "the network was never right"
        share = tree.accuracy / network.accuracy
        u = math.hypot(tree.u_accuracy, share * network.u_accuracy) / network.accuracy
        gaps.append((1 - share, u))
    if not gaps:
        return None, "", ""
    mean = sum(gap for gap, _ in gaps) / len(gaps)
    u = math.hypot(*(u for _, u in gaps)) / len(gaps)
    holds = _within(mean, u, TREE_BELOW_NETWORK / ABOUT, TREE_BELOW_NETWORK * ABOUT)
    said = ", ".join(_percent(gap) for gap, _ in gaps)
    return (
        holds,
        f"{_percent(mean)} on average ({said})",
        f"± {_percent(_COVERAGE * u)}; about 25 % is {100 * TREE_BELOW_NETWORK / ABOUT:g} % to "
        f"{100 * TREE_BELOW_NETWORK * ABOUT:g} %",
    )


_OF_ENERGY: tuple[tuple[str, Callable[[Board, Callable[[Case], Joules]], _Judged]], ...] = (
    ("the order by energy is the same on every data set", _same_order),
    ("the tree is cheapest, 5 to 40 times below neighbours, which are second", _tree_cheapest),
    ("the network is dearest, about 4000 times the tree on average", _network_dearest),
)
_OF_ACCURACY: tuple[tuple[str, Callable[[Board], _Judged]], ...] = (
    ("the network is most accurate on three data sets of four", _network_most_accurate),
    ("the tree is about 25 % less accurate than the network", _tree_less_accurate),
)


def _whole(rows: Board) -> list[tuple[str, dict[str, Case]]]:
    """Return the study's data sets on which all four algorithms ran."""
    return [(data, rows[data]) for data in DATA if {*ALGORITHMS} <= {*rows.get(data, {})}]


def _where(judged: Mapping[str, Known]) -> str:
    """Return on which data sets something holds."""
    words = {True: "holds on", False: "does not hold on", None: "too close to tell on"}
    parts = []
    for value, said in words.items():
        sets = [DATA[data] for data, each in judged.items() if each is value]
        parts += [f"{said} {', '.join(sets)}"] if sets else []
    return "; ".join(parts)


def _all(each: Iterable[Known]) -> Known:
    """Return whether all hold: one that does not settles it, one that is unknown leaves it open."""
    values = list(each)
    return False if False in values else None if None in values else True


def _less(one: Joules, other: Joules) -> Known:
    return _positive(other.joules - one.joules, math.hypot(one.u_j, other.u_j))


def _more_accurate(one: Case, other: Case) -> Known:
    """Tell whether one is right more often than another; what is equal is not."""
    difference = one.accuracy - other.accuracy
    u = math.hypot(one.u_accuracy, other.u_accuracy)
    return _positive(difference, u) if difference else False


def _positive(value: float, u: float) -> Known:
    return None if abs(value) <= _COVERAGE * u else value > 0


def _ratio(one: Joules, other: Joules) -> tuple[float, float]:
    """Return a ratio and its standard uncertainty, both infinite where nothing was measured."""
    if other.joules <= 0:
        return math.inf, math.inf
    ratio = one.joules / other.joules
    return ratio, math.hypot(one.u_j, ratio * other.u_j) / other.joules


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %".replace("-", "\N{MINUS SIGN}")


def _figure(value: float) -> str:
    """Return a value as text; a ratio to nothing has none."""
    return number(value) if math.isfinite(value) else "-"


def _within(value: float, u: float, low: float, high: float) -> Known:
    """Tell whether a value lies in a range, with all of its interval."""
    near, far = value - _COVERAGE * u, value + _COVERAGE * u
    if far < low or near > high:
        return False
    return True if near >= low and far <= high else None
