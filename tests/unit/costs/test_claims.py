"""The study's claims: confirmed, denied, or not comparable, on figures made by hand."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from calibrate import analysis, catalog, reporting, store
from calibrate.campaign import Plan, Publication, load_plan
from calibrate.costs import (
    COUNTED,
    FIT,
    FIT_AND_TEST,
    Case,
    Claim,
    board,
    judge_claims,
    ranked,
)
from calibrate.energy import Joules
from calibrate.reporting.chapters.algorithms import algorithm_chapter, claim_chapter
from calibrate.store import PhaseRecord
from tests.helpers.campaigns import SECOND, START, Fake, build, domain, truth


def shipped() -> Publication:
    """The publication that the shipped plan names."""
    publication = load_plan("ml-study").publication
    assert publication is not None
    return publication


PUBLICATION = shipped()
ALGORITHMS, DATA = PUBLICATION.algorithms, PUBLICATION.data
#: Joules of a fit and of a prediction, and accuracy, in the order of `ALGORITHMS`.
Figures = Mapping[str, tuple[tuple[float, float, float], ...]]
#: A world in which all that the study says is so.
AS_CLAIMED: Figures = {
    "wine": ((1.0, 1e-6, 0.60), (10.0, 1e-6, 0.65), (100.0, 1e-6, 0.66), (4000.0, 1e-6, 0.75)),
    "mushroom": ((2.0, 1e-6, 0.80), (20.0, 1e-6, 1.0), (90.0, 1e-6, 0.95), (8000.0, 1e-6, 1.0)),
    "mnist": ((3.0, 1e-6, 0.60), (100.0, 1e-6, 0.92), (300.0, 1e-6, 0.9), (12000.0, 1e-6, 0.98)),
    "fashion": ((3.0, 1e-6, 0.60), (60.0, 1e-6, 0.82), (300.0, 1e-6, 0.8), (12000.0, 1e-6, 0.9)),
}
#: Seconds of one core, scikit-learn 1.9.1, once, taken for joules: most of it is not so.
AS_TIMED: Figures = {
    "wine": ((0.024, 1.1e-6, 0.580), (0.004, 3.4e-5, 0.543), (0.050, 1e-6, 0.516),
             (1.378, 1.6e-6, 0.519)),
    "mushroom": ((0.017, 1.2e-6, 1.0), (0.003, 4.9e-5, 1.0), (0.013, 1e-6, 1.0),
                 (0.628, 1.7e-6, 1.0)),
    "mnist": ((15.3, 7e-7, 0.878), (0.011, 2.09e-3, 0.957), (7.97, 1.3e-6, 0.926),
              (8.83, 2.7e-6, 0.977)),
    "fashion": ((34.6, 7e-6, 0.790), (0.012, 2.06e-3, 0.859), (8.35, 1.2e-6, 0.845),
                (9.03, 2.6e-6, 0.883)),
}  # fmt: skip
ROWS = {"wine": (3918, 980), "mushroom": (6499, 1625), "mnist": (60000, 10000),
        "fashion": (60000, 10000)}  # fmt: skip
ORDER, TREE, NETWORK, ACCURATE, LESS = range(5)


def made(figures: Figures, u: float = 0.001, probe: str = "truth") -> list[Case]:
    """Cases of these figures, every energy known to a relative standard uncertainty."""
    return [
        Case(
            data, name, probe, "package", 2, False, "a file", accuracy,
            ROWS[data][0], ROWS[data][0], ROWS[data][1], ROWS[data][1],
            Joules(fit, u * fit), Joules(one, u * one),
        )
        for data, rows in figures.items()
        for name, (fit, one, accuracy) in zip(ALGORITHMS, rows, strict=True)
    ]  # fmt: skip


def judged(found: list[Case], counted: str = FIT) -> list[Claim]:
    """The claims with one way of counting: three about energy, two about accuracy."""
    return [c for c in judge_claims(found, "truth", PUBLICATION) if c.counted in (counted, "")]


def verdicts(found: list[Case], counted: str = FIT) -> list[str]:
    return [claim.verdict for claim in judged(found, counted)]


def test_a_world_as_claimed_is_confirmed() -> None:
    for counted in COUNTED:
        assert verdicts(made(AS_CLAIMED), counted) == ["confirmed"] * 5
    claims = judged(made(AS_CLAIMED))
    assert claims[ORDER].measured == (
        "Wine, Mushroom, MNIST, Fashion-MNIST: tree < neighbours < regression < network"
    )
    assert claims[NETWORK].measured == "network / tree: 4000 on average, 4000 to 4000"
    assert claims[ACCURATE].why == "clearly most accurate on 3 of 4"


def test_what_was_timed_denies_them() -> None:
    assert verdicts(made(AS_TIMED)) == ["not confirmed"] * 5
    claims = judged(made(AS_TIMED))
    assert claims[ORDER].why == ("they change places: tree and regression, tree and network")
    assert claims[TREE].measured == (
        "neighbours / tree: Wine 0.1667, Mushroom 0.1765, MNIST 0.000719, Fashion-MNIST 0.0003468"
    )
    assert claims[TREE].why == "does not hold on Wine, Mushroom, MNIST, Fashion-MNIST"
    assert claims[NETWORK].why == (
        "dearest: holds on Wine, Mushroom; does not hold on MNIST, Fashion-MNIST; "
        "the mean is not about 4000"
    )
    assert claims[ACCURATE].why == "clearly most accurate on 2 of 4"
    assert claims[LESS].measured == "2.2 % on average (−11.8 %, 0.0 %, 10.1 %, 10.5 %)"


def test_predictions_turn_the_order_on_images() -> None:
    rows = board(made(AS_TIMED), "truth")
    assert ranked(rows["mnist"], FIT) == ("neighbours < regression < network < tree")
    assert ranked(rows["mnist"], FIT_AND_TEST) == ("regression < network < tree < neighbours")
    knn = rows["mnist"]["neighbours"]
    assert knn.fit_and_test.joules == pytest.approx(0.011 + 10000 * 2.09e-3)
    assert knn.thousand.joules == pytest.approx(2.09)
    assert knn.fit_and_test.u_j == pytest.approx(10000 * 2.09e-6, rel=1e-3)


def test_what_is_within_the_uncertainty_is_neither_confirmed_nor_denied() -> None:
    claims = judged(made(AS_CLAIMED, u=0.5))
    assert {claims[place].verdict for place in (ORDER, TREE, NETWORK)} == {"not comparable"}
    assert claims[ORDER].why.startswith("too close to tell: tree and neighbours")
    rows = board(made(AS_CLAIMED, u=0.5), "truth")
    assert "≈" in ranked(rows["wine"], FIT)
    # an order that is turned by more than the uncertainty stays turned
    assert verdicts(made(AS_TIMED, u=0.02))[ORDER] == "not confirmed"


def test_accuracies_on_few_rows_are_too_close_to_tell() -> None:
    few = [replace(case, scored_rows=20) for case in made(AS_CLAIMED)]
    claims = judged(few)
    assert claims[ACCURATE].verdict == "not comparable"
    assert "too close to tell on" in claims[ACCURATE].why
    # equally accurate is not more accurate, on however few rows
    equal = [replace(case, accuracy=1.0) for case in few]
    assert judged(equal)[ACCURATE].verdict == "not confirmed"


def test_synthetic_data_judge_no_accuracy() -> None:
    found = [replace(case, synthetic=case.data == "wine") for case in made(AS_CLAIMED)]
    claims = judged(found)
    assert [claim.verdict for claim in claims] == ["confirmed"] * 3 + ["not comparable"] * 2
    assert claims[LESS].why == "synthetic data have no accuracy of the data set: Wine"
    assert claims[LESS].measured  # the figure is given all the same


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            lambda found: [c for c in found if (c.data, c.algorithm) != ("mnist", "tree")],
            "not measured: tree on MNIST",
        ),
        (
            lambda found: [c for c in found if c.data == "wine"],
            "not measured: tree on Mushroom, neighbours on Mushroom, regression on Mushroom and "
            "9 more",
        ),
        (
            lambda found: [replace(c, rows=9) if c.data == "fashion" else c for c in found],
            "only a part of the rows was learnt from: Fashion-MNIST",
        ),
        (
            lambda found: [*found, replace(found[0], rows=9)],
            "an algorithm ran in several settings on one data set",
        ),
        (lambda found: [replace(c, probe="rapl") for c in found], "not measured: tree on Wine"),
    ],
)  # fmt: skip
def test_what_is_not_the_studys_case_is_not_comparable(change: object, why: str) -> None:
    assert callable(change)
    for counted in COUNTED:
        claims = judged(change(made(AS_CLAIMED)), counted)
        assert [claim.verdict for claim in claims] == ["not comparable"] * 5
        assert all(claim.why.startswith(why) for claim in claims)
        assert all(claim.measured for claim in claims)


def test_a_meter_that_counted_nothing_gives_no_ratio() -> None:
    found = [replace(c, fit=Joules(0.0, 0.1)) if c.algorithm == "tree" else c
             for c in made(AS_CLAIMED)]  # fmt: skip
    claims = judged(found)
    assert "inf" not in claims[TREE].measured and claims[TREE].verdict != "confirmed"
    assert claims[NETWORK].measured == "network / tree: - on average, - to -"


# ---- of a campaign ----


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A campaign of all sixteen, 50 W each; fits and predictions take half of a run each."""
    names = {f"load-{data}-{name}": (data, name) for data in DATA for name in ALGORITHMS}
    half = Fake(lambda watts, seconds: 0.5 * watts * seconds, domain("package-0"))
    made = build(
        tmp_path_factory.mktemp("algorithms") / "campaign",
        {"truth": truth(), "half": half},
        {**dict.fromkeys(names, 50.0), "idle": 5.0},
        (5.0, 5.0),
    )
    for place in made.glob("*-load-*"):
        record = store.read(place / store.RUN, store.RunRecord)
        data, name = names[record.workload]
        fit, one, accuracy = AS_TIMED[data][ALGORITHMS.index(name)]
        phases = (_phase("fit", 0.0, 2.5, 125 / fit), _phase("predict", 2.5, 5.0, 125 / one))
        result = {
            "data": data, "algorithm": name, "accuracy": accuracy, "samples": "real",
            "data_source": "a file", "sha256": "abc", "rows": ROWS[data][0],
            "all_rows": ROWS[data][0], "scored_rows": ROWS[data][1], "test_rows": ROWS[data][1],
        }  # fmt: skip
        changed = record.model_copy(update={"phases": phases, "result": result})
        store.save(place / store.RUN, changed)
    return made


def _phase(name: str, begin_s: float, end_s: float, work: float) -> PhaseRecord:
    return PhaseRecord(
        name=name, begin_ns=START + int(begin_s * SECOND), end_ns=START + int(end_s * SECOND),
        work=work, unit=name,
    )  # fmt: skip


def test_cases_are_found_by_their_results_in_the_studys_order(folder: Path) -> None:
    found = [c for c in analysis.analyze(folder).cases if c.probe == "truth"]
    assert [(c.data, c.algorithm) for c in found] == [(d, a) for d in DATA for a in ALGORITHMS]
    for case in found:
        fit, one, accuracy = AS_TIMED[case.data][ALGORITHMS.index(case.algorithm)]
        assert case.runs == 2
        assert case.fit.joules == pytest.approx(fit)
        assert case.prediction.joules == pytest.approx(one)
        assert case.fit_and_test.joules == pytest.approx(fit + case.test_rows * one)
        assert case.accuracy == accuracy


def test_the_chapters_have_every_case_and_every_claim(folder: Path) -> None:
    found = analysis.analyze(folder)
    table = algorithm_chapter(found)
    assert table is not None
    assert len(table.table.rows) == 2 * 16
    first, second = (row.cells for row in table.table.rows[:2])
    assert first[:3] == ("Wine", "tree", "truth (package-0)")
    assert first[6:8] == ("2", "1")  # the cheapest once predictions are counted
    assert second[2] == "half (package-0)"
    assert second[3] == "12 ± 0 mJ"
    charts = table.charts()
    assert [chart.title for chart in charts if chart.title.endswith(", fit")] == [
        f"{name}, fit" for name in DATA.values()
    ]
    assert len(charts) == 3 * len(DATA) == len({chart.name for chart in charts})
    assert all(chart.simulated for chart in charts)
    assert {row["probe"] for row in charts[0].rows} == {"truth", "half"}
    assert (
        "Wine, by truth: neighbours < tree < regression < network for a fit, "
        "tree < neighbours < regression < network with the test set." in table.words
    )
    claims = claim_chapter(found)
    assert claims is not None
    assert [row.cells[2] for row in claims.table.rows] == ["not confirmed"] * 8
    assert claims.table.rows[0].cells[5] == "the same: half"
    for form in ("html", "markdown"):
        page = catalog.load(catalog.find("reports", form)).render(found)
        assert "Learning algorithms" in page and "claims" in page


def test_a_plan_of_ones_own_names_another_publication(folder: Path, tmp_path: Path) -> None:
    mine = shutil.copytree(folder, tmp_path / "mine")
    record = store.read(mine / store.CAMPAIGN, store.CampaignRecord)
    publication = {
        "source": "A paper of ours, table 2",
        "data": {"wine": "Wine", "mnist": "Digits"},
        "algorithms": ["tree", "neighbours"],
        "energy": [
            {
                "kind": "cheapest", "text": "neighbours are cheapest, 2 to 2000 times",
                "first": "neighbours", "second": "tree", "ratio": [2.0, 2000.0],
            }
        ],
    }  # fmt: skip
    plan = {**record.plan, "publication": publication}
    store.save(mine / store.CAMPAIGN, record.model_copy(update={"plan": plan}))
    found = analysis.analyze(mine)
    chapter = claim_chapter(found)
    assert chapter is not None and "A paper of ours, table 2" in chapter.note
    first, second = chapter.table.rows
    assert first.cells[:3] == ("neighbours are cheapest, 2 to 2000 times", FIT, "confirmed")
    assert second.cells[1:3] == (FIT_AND_TEST, "not confirmed")
    assert "Digits" in first.cells[3]


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"algorithms": ["tree"]}, "algorithms"),
        ({"energy": [{"kind": "cheapest", "text": "x"}]}, "first"),
        ({"energy": [{"kind": "greenest", "text": "x"}]}, "kind"),
        (
            {"accuracy": [{"kind": "most accurate", "text": "x", "algorithm": "oracle",
                           "data_sets": 1}]},
            "oracle",
        ),
    ],
)  # fmt: skip
def test_a_publication_that_cannot_be_judged_is_refused(
    change: dict[str, object], key: str
) -> None:
    plan = {
        "title": "mine",
        "workload": [{"name": "idle"}],
        "publication": {
            "source": "x", "data": {"wine": "Wine"}, "algorithms": ["tree", "network"], **change
        },
    }  # fmt: skip
    with pytest.raises(ValidationError, match=key):
        Plan.model_validate(plan)


def test_of_many_workloads_a_table_has_the_ends(folder: Path) -> None:
    table = reporting.digest(analysis.analyze(folder)).corrections
    [cell] = [row.cells[table.head.index("error left when held out")] for row in table.rows]
    assert cell.startswith("17 workloads: ") and cell.count(" %") == 2


def test_other_campaigns_have_no_such_chapters(tmp_path: Path) -> None:
    found = analysis.analyze(build(tmp_path / "campaign", {"truth": truth()}))
    assert algorithm_chapter(found) is None
    assert claim_chapter(found) is None
