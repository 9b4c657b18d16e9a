"""Energy against quality: cumulative, by every probe, with a knee where one can be told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibrate import analysis, catalog, store
from calibrate.costs import Epoch, Learning
from calibrate.costs.learning import Learnings, find_knee
from calibrate.reporting import campaign_chapters
from calibrate.reporting.chapters.learning import learning_chapter
from calibrate.store import PhaseRecord
from tests.helpers.campaigns import SECOND, START, Fake, build, domain, learnings_of, truth

#: What is heard wrong after each of five epochs; the third is as good as the best.
RATES = (1.0, 0.5, 0.11, 0.10, 0.105)
U = 0.02
#: Watts of the truth; an epoch is 1.5 s of training and 0.5 s of examination, after 1 s of init.
WATTS = 50.0


def phases(rates: Sequence[float] = RATES, name: str = "wer", u: float | None = U) -> list[object]:
    """Marks of a training."""
    made: list[tuple[str, float, float, dict[str, Any]]] = [("init", 0.0, 1.0, {})]
    for number, rate in enumerate(rates, 1):
        at = 2.0 * number - 1
        values = {name: rate} | ({} if u is None else {f"{name}_u": u})
        made.append((f"train[{number}]", at, at + 1.5, {"loss": 1.0}))
        made.append((f"eval[{number}]", at + 1.5, at + 2.0, values))
    return [
        PhaseRecord(
            name=kind,
            begin_ns=START + int(begin * SECOND),
            end_ns=START + int(end * SECOND),
            values=values,
        )
        for kind, begin, end, values in made
    ]


def mark(folder: Path, *each: Sequence[object], arguments: Sequence[Sequence[str]] = ()) -> Path:
    """Put marks into the runs of the workload asr, one after the other."""
    places = sorted(folder.glob("*-asr"))
    for place, marks, words in zip(places, each, arguments or [()] * len(places), strict=True):
        record = store.read(place / store.RUN, store.RunRecord)
        changed = {"phases": tuple(marks), "arguments": tuple(words)}
        store.save(place / store.RUN, record.model_copy(update=changed))
    return folder


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A campaign of the truth and a meter that says a thousandth, with two runs of asr."""
    fakes = {"truth": truth(), "meter": Fake(lambda w, s: w * s / 1000, domain())}
    return build(tmp_path / "campaign", fakes, {"asr": WATTS, "idle": 20.0}, (11.0, 11.0))


def only(folder: Path) -> Learning:
    (found,) = learnings_of(folder).learnings
    return found


def test_energy_is_counted_from_the_begin_of_the_first_phase(bare: Path) -> None:
    found = only(mark(bare, phases(), phases()))
    assert (found.workload, found.quality, found.runs) == ("asr", "wer", 2)
    assert [each.epoch for each in found.epochs] == [1, 2, 3, 4, 5]
    assert [(each.value, each.u) for each in found.epochs] == [(rate, U) for rate in RATES]
    reference, meter = found.spent
    assert (reference.probe, meter.probe, meter.runs) == ("truth", "meter", 2)
    wanted = [WATTS * (1 + 2 * number) for number in range(1, 6)]
    assert reference.joules == pytest.approx(wanted)
    assert meter.joules == pytest.approx([each / 1000 for each in wanted])


def test_the_truth_is_told_in_the_scope_of_the_others(tmp_path: Path) -> None:
    """It knows more than they do: beside a meter of the package, its package."""
    fakes = {"truth": truth(), "meter": Fake(lambda w, s: w * s, domain())}
    folder = mark(build(tmp_path / "c", fakes, {"asr": WATTS}, (11.0,)), phases())
    path = folder / "001-asr" / "truth.jsonl"
    documents = [json.loads(line) for line in path.read_text().splitlines()]
    whole = documents[0]["domains"][0] | {"name": "psys", "scope": "psys"}
    documents[0]["domains"].append(whole)
    for each in documents:
        if each["doc"] == "reading":
            each["values"]["psys"] = 2 * each["values"]["package-0"]
    path.write_text("".join(json.dumps(each) + "\n" for each in documents))
    reference, meter = only(folder).spent
    assert (reference.column, reference.scope) == ("package-0", meter.scope)
    assert reference.joules == pytest.approx(meter.joules)


def test_the_knee_is_the_earliest_epoch_as_good_as_the_best(bare: Path) -> None:
    found = only(mark(bare, phases(), phases()))
    assert found.knee == 2 and found.why == ""
    share, u = found.spent[0].after(found.knee)
    assert share == pytest.approx(1 - 7 / 11)
    assert 0 <= u < 1


@pytest.mark.parametrize(
    ("values", "us", "sign", "knee", "why"),
    [
        ((0.5, 0.3, 0.1), (0.02,) * 3, -1, None, "still improving"),
        ((0.5, 0.6, 0.7), (0.02,) * 3, -1, 0, ""),
        ((0.5, 0.9, 0.91, 0.92), (0.03,) * 4, 1, 1, ""),
        ((0.5, 0.1, 0.2), (None,) * 3, -1, None, "is not known"),
        ((0.5,), (0.1,), -1, None, "still improving"),
    ],
)
def test_where_the_knee_is(
    values: Sequence[float], us: Sequence[float | None], sign: int, knee: int | None, why: str
) -> None:
    pairs = zip(values, us, strict=True)
    epochs = [Epoch(epoch=n, value=v, u=u) for n, (v, u) in enumerate(pairs, 1)]
    place, said = find_knee(epochs, sign)
    assert place == knee and why in said


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.floats(0.001, 0.5))
def test_no_epoch_is_better_than_the_knee_by_more_than_its_uncertainty(
    values: list[float], u: float
) -> None:
    epochs = [Epoch(epoch=n, value=value, u=u) for n, value in enumerate(values)]
    place, _ = find_knee(epochs, -1)
    last = len(values) - 1 if place is None else place
    assert values[last] <= min(values) + u
    assert all(value > min(values) + u for value in values[:last])


def test_runs_of_other_arguments_are_not_mixed(bare: Path) -> None:
    words = (("--seed", "1"), ("--seed", "2"))
    worse = phases([0.9] * 5)
    found = learnings_of(mark(bare, phases(), worse, arguments=words))
    assert [each.arguments for each in found.learnings] == list(words)
    assert [each.epochs[-1].value for each in found.learnings] == [RATES[-1], 0.9]


def test_runs_that_differ_say_so_in_the_uncertainty(bare: Path) -> None:
    other = phases([rate + 0.2 for rate in RATES])
    found = only(mark(bare, phases(), other))
    assert found.epochs[1].value == pytest.approx(0.6)
    assert found.epochs[1].u == pytest.approx(0.1)  # half of the difference, above the 0.02


def test_epochs_that_some_runs_lack_are_left_out(bare: Path) -> None:
    found = only(mark(bare, phases(), phases(RATES[:3])))
    assert (len(found.epochs), found.ended, len(found.spent[0].joules)) == (3, 1, 3)


@pytest.mark.parametrize(
    "marks",
    [
        [],
        phases(RATES, "words"),
        [each for each in phases() if not each.name.startswith("train")],  # type: ignore[attr-defined]
    ],
)
def test_what_does_not_learn_has_no_chapter(bare: Path, marks: Sequence[object]) -> None:
    mark(bare, marks, marks)
    assert not learnings_of(bare).learnings
    found = analysis.analyze(bare)
    assert learning_chapter(found) is None
    found.write()
    assert not (bare / analysis.LEARNING).exists()


def test_reports_have_the_figure_and_its_table(bare: Path) -> None:
    found = analysis.analyze(mark(bare, phases(), phases()))
    chapter = next(
        each for each in campaign_chapters(found) if each.name == "Energy against quality"
    )
    (words,) = chapter.words
    assert "was 100.0 ± 2.0 % after epoch 1 and 10.5 ± 2.0 % after epoch 5" in words
    assert "From epoch 3 on" in words and "Of the energy, 36 % was spent after it" in words
    assert chapter.table.head[:2] == ("epoch", "word error rate")
    assert [row.main for row in chapter.table.rows] == [False, False, True, False, False]
    assert chapter.table.rows[2].cells[2].startswith("350 ±")
    near, far = chapter.charts()  # a meter that tells a thousandth has a chart of its own
    assert near.simulated and far.simulated
    assert "truth 150 to 550 J" in near.alt and "truth" not in far.alt
    assert [row["knee"] for row in near.rows][:5] == ["no", "no", "yes", "no", "no"]
    for form in ("html", "markdown"):
        text = catalog.load(catalog.find("reports", form)).render(found)
        assert "Energy against quality" in text and "standard" in text
    found.write()
    saved = store.read(bare / analysis.LEARNING, Learnings)
    assert saved.simulated and saved.learnings[0].knee == 2


def test_accuracy_may_have_no_uncertainty(bare: Path) -> None:
    marks = phases((0.5, 0.8, 0.9), "accuracy", None)
    found = only(mark(bare, marks, marks))
    assert found.quality == "accuracy" and found.knee is None
    (words,) = learning_chapter(analysis.analyze(bare)).words  # type: ignore[union-attr]
    assert "There is no knee: the uncertainty of its quality is not known." in words
