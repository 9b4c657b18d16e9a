"""Energy and accuracy of learning algorithms on data sets, as a campaign measured them.

Runs are recognised by their results, whatever they are called: `data`, `algorithm`, `accuracy` and
the numbers of rows, with phases ``fit`` and ``predict`` that count their work. Whether an energy
includes predictions decides on images: it is given for a fit alone, and for a fit and one pass over
the whole test set.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from calibrate.energy import Joules, MeasuredPhase, phase_kind, pooled
from calibrate.store import RunRecord

#: What is counted of an algorithm's energy.
FIT, FIT_AND_TEST = "fit", "fit and test set"
#: Two figures differ where their difference is more than so many standard uncertainties.
COVERAGE = 2.0
_NUMBERS = ("accuracy", "rows", "all_rows", "scored_rows", "test_rows")
_SETTING = ("data", "algorithm", "samples", "sha256", "rows", "scored_rows", "hyperparameters")

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
    """Return every algorithm on every data set by every probe.

    One that was run in several settings gives a case for each.
    """
    groups: dict[tuple[object, ...], list[MeasuredPhase]] = {}
    for each in measured:
        if _is_case(each.run.record):
            setting = (each.run.record.result.get(key) for key in _SETTING)
            groups.setdefault((each.probe, *setting), []).append(each)
    return [case for group in groups.values() for case in _case(group)]


def _is_case(record: RunRecord) -> bool:
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
        said += f" {'<' if is_less(cost(row[one]), cost(row[other])) else '≈'} {other}"
    return said


def is_less(one: Joules, other: Joules) -> Known:
    """Tell whether one energy is less than another, by more than the uncertainty."""
    return is_positive(other.joules - one.joules, math.hypot(one.u_j, other.u_j))


def is_positive(value: float, u: float) -> Known:
    """Tell whether a value is above zero, by more than its uncertainty."""
    return None if abs(value) <= COVERAGE * u else value > 0
