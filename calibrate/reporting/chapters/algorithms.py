"""Energy and accuracy of learning algorithms, and the claims of a publication beside them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from calibrate.analysis import Analysis
from calibrate.campaign import Publication
from calibrate.costs import (
    COUNTED,
    FIT,
    FIT_AND_TEST,
    Board,
    Case,
    Claim,
    board,
    order,
    ranked,
)
from calibrate.quantity import MISSING, prefixed, spread
from calibrate.reporting.chapters.chapter import Chapter
from calibrate.reporting.chapters.table import Row, Table
from calibrate.reporting.charts.algorithms import algorithm_charts
from calibrate.reporting.charts.chart import looks

_NOTE = (
    "Energy of all that the probe covers while the algorithm ran on one core, rest included; mean "
    "over runs ± standard uncertainty, from the readings and from the scatter; the error of the "
    "probe itself is not in it. Test set: the whole of it, predicted once. Rank: the cheapest is 1."
)
_CAPTION = (
    "Energy is that of one fit, or of one fit and one pass over the whole test set. Bars: two "
    "standard uncertainties; where none is to be seen it is smaller than the marker."
)
_CLAIMS = (
    "The study: {source}. {note} “About” is taken as up to a factor of {about} either way. What "
    "lies within two standard uncertainties of the border is too close to tell, and not comparable."
)


def algorithm_chapter(analysis: Analysis) -> Chapter | None:
    """Return energy and accuracy by data set, algorithm and probe."""
    found, publication = _cases(analysis), analysis.publication
    if not found or publication is None:
        return None
    reference = analysis.comparison.reference
    known = looks(analysis)
    shown = [case for case in found if case.probe in known]
    head = (
        "data", "algorithm", "probe", "one fit", "1000 predictions", "fit and test set",
        "rank by fit", "rank with test", "accuracy",
    )  # fmt: skip
    boards = {name: board(shown, name) for name in known}
    rows = tuple(
        Row(_cells(case, boards[case.probe], publication), case.probe == reference)
        for case in shown
    )
    return Chapter(
        "Learning algorithms",
        (
            *_sources(found, publication),
            *_orders(boards.get(reference, {}), reference, publication),
        ),
        Table(head, rows, frozenset(range(3, 9))),
        _NOTE,
        lambda: algorithm_charts(analysis, publication, boards, known),
        _CAPTION,
    )


def claim_chapter(analysis: Analysis) -> Chapter | None:
    """Return the claims of the publication, by the reference, and whether other probes agree.

    One algorithm alone says nothing about any of them.
    """
    publication = analysis.publication
    if publication is None or not _comparable(analysis.cases, publication):
        return None
    reference = analysis.comparison.reference
    said = analysis.claims[reference]
    others = {name: analysis.claims[name] for name in looks(analysis) if name != reference}
    rows = tuple(
        Row((
            claim.text,
            claim.counted or MISSING,
            claim.verdict,
            claim.measured,
            claim.why,
            _agreement(claim, {name: each[place] for name, each in others.items()}),
        ))
        for place, claim in enumerate(said)
    )  # fmt: skip
    head = ("the study says", "counted", "verdict", f"measured by {reference}", "why",
            "by the other probes")  # fmt: skip
    note = _CLAIMS.format(
        source=publication.source, note=publication.note, about=f"{publication.about:g}"
    )
    return Chapter("The study's claims", (), Table(head, rows), note)


def _comparable(found: Iterable[Case], publication: Publication) -> bool:
    """Tell whether at least two of the publication's algorithms ran on its data sets."""
    names = {case.algorithm for case in found if case.data in publication.data}
    return len(names & {*publication.algorithms}) >= 2


def _cases(analysis: Analysis) -> list[Case]:
    """Return the cases, the reference's first."""
    publication = analysis.publication
    if publication is None:
        return []
    places = {name: place for place, name in enumerate(looks(analysis))}
    return sorted(
        analysis.cases,
        key=lambda case: (
            *publication.place(case.data, case.algorithm),
            places.get(case.probe, len(places)),
        ),
    )


def _sources(found: Sequence[Case], publication: Publication) -> Iterable[str]:
    """Yield where the data are from, and what that means where they were made."""
    by_data = {case.data: case for case in found}
    said = [f"{publication.title(data)}: {_source(case)}" for data, case in by_data.items()]
    yield f"The data. {'. '.join(said)}."
    if any(case.synthetic for case in by_data.values()):
        yield (
            "Synthetic data have the shape of a data set and nothing else: their accuracy says "
            "nothing of it, and their energy only as much as it depends on the shape."
        )


def _source(case: Case) -> str:
    rows = f"{case.rows} of {case.all_rows} rows learnt from"
    if case.scored_rows < case.test_rows:
        rows += f", {case.scored_rows} of {case.test_rows} predicted"
    return f"{'synthetic' if case.synthetic else case.source}, {rows}"


def _orders(rows: Board, reference: str, publication: Publication) -> Iterable[str]:
    """Yield the order by energy on every data set, without and with predictions."""
    for data, row in rows.items():
        fit, both = (ranked(row, counted) for counted in (FIT, FIT_AND_TEST))
        said = (
            f"{fit}, for a fit as with the test set"
            if fit == both
            else (f"{fit} for a fit, {both} with the test set")
        )
        yield f"{publication.title(data)}, by {reference}: {said}."


def _cells(case: Case, rows: Board, publication: Publication) -> tuple[str, ...]:
    row = rows[case.data]
    ranks = [order(row, counted).index(case.algorithm) + 1 for counted in COUNTED]
    return (
        publication.title(case.data) + (" (synthetic)" if case.synthetic else ""),
        case.algorithm,
        f"{case.probe} ({case.scope})",
        *(prefixed(e.joules, e.u_j, "J") for e in (case.fit, case.thousand, case.fit_and_test)),
        *map(str, ranks),
        spread(case.accuracy, case.u_accuracy),
    )


def _agreement(claim: Claim, others: Mapping[str, Claim]) -> str:
    """Return what other probes make of a claim; accuracy is no probe's business."""
    if not claim.counted:
        return MISSING
    by_verdict: dict[str, list[str]] = {}
    for name, other in others.items():
        said = "the same" if other.verdict == claim.verdict else other.verdict
        by_verdict.setdefault(said, []).append(name)
    return "; ".join(f"{said}: {', '.join(names)}" for said, names in by_verdict.items()) or MISSING
