"""The chapters of a page in the order of the reader's questions, each with charts and tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from calibrate.analysis import Analysis
from calibrate.quantity import figure
from calibrate.reporting.chapters import campaign_chapters
from calibrate.reporting.chapters.chapter import Chapter
from calibrate.reporting.chapters.table import Row, Table
from calibrate.reporting.charts.agreement import agreement_charts
from calibrate.reporting.charts.chart import Chart
from calibrate.reporting.charts.correcting import budget_charts, correction_charts
from calibrate.reporting.charts.power import power_charts
from calibrate.reporting.charts.ratios import ratio_charts
from calibrate.reporting.tables import Digest

#: Chapters that stand first: of the user's own program, and of a study.
FIRST = (
    "Energy of your program",
    "Energy against quality",
    "Learning algorithms",
    "The study's claims",
    "Lifecycle",
)


@dataclass(frozen=True)
class Part:
    """A chapter of a page.

    Parameters
    ----------
    anchor : its name in addresses.
    name : its heading.
    words : paragraphs before all else.
    charts : drawn side by side.
    caption : how to read the charts.
    tables : each with a heading and a note; folded away, but where the chapter has nothing else.
    lists : each with a heading and its lines.
    open : its tables are shown whatever else it has.
    """

    anchor: str
    name: str
    words: tuple[str, ...] = ()
    charts: tuple[Chart, ...] = ()
    caption: str = ""
    tables: tuple[tuple[str, Table, str], ...] = ()
    lists: tuple[tuple[str, tuple[str, ...]], ...] = ()
    open: bool = False

    @property
    def empty(self) -> bool:
        """Whether there is nothing to show."""
        shown = any(table.rows for _, table, _ in self.tables)
        return not (self.words or self.charts or self.lists or shown)

    @property
    def folded(self) -> bool:
        """Whether its tables are shown on demand only."""
        return not self.open and bool(self.charts or self.words)


@dataclass(frozen=True)
class Page:
    """A page about probes, or about several campaigns.

    Parameters
    ----------
    kicker : what it is about.
    title : its name in a list of windows.
    sentence : the answer, in a sentence.
    facts : name -> what is known before all else, such as the machine.
    parts : its chapters.
    simulated : its figures are of a simulated machine.
    notes : what to know at the end.
    """

    kicker: str
    title: str
    sentence: str
    facts: Mapping[str, str]
    parts: tuple[Part, ...]
    simulated: bool = False
    notes: tuple[str, ...] = ()


def page_parts(analysis: Analysis, said: Digest) -> list[Part]:
    """Return the chapters of a campaign's page, those of a program or a study first."""
    chapters = [_of_chapter(each) for each in campaign_chapters(analysis)]
    study = [each for each in chapters if each.name in FIRST]
    rest = [each for each in chapters if each.name not in FIRST]
    parts = (*study, *_measured(analysis, said), *rest, *_last(said))
    return [part for part in parts if not part.empty]


def _measured(analysis: Analysis, said: Digest) -> Iterator[Part]:
    """Yield what the comparison of probes shows."""
    yield Part(
        "power",
        "Power over time",
        charts=tuple(power_charts(analysis)),
        caption="As reported, nothing multiplied; for every workload the run of middle length. "
        "Time 0 is its start; the window that is compared is shaded. A probe that is far off has "
        "a chart of its own.",
    )
    yield Part(
        "agreement",
        "Agreement",
        charts=tuple(agreement_charts(analysis)),
        caption="A point is a run. Line: mean; dashed: limits of agreement, estimates of where "
        "95 % of single runs lie; dotted: 1.",
        tables=(
            (
                "All columns",
                said.agreement,
                "Bold: the worst column of each probe. “consistency only”: both read "
                "the same source, so that agreement says nothing of accuracy.",
            ),
        ),
    )
    yield Part(
        "corrections",
        "Correction, before and after",
        charts=tuple(correction_charts(analysis)),
        caption="Mean error of each workload as reported, and after a correction that was fitted "
        "without it. Shaded: expanded uncertainty (95 %) of one new run of a new workload.",
        tables=(
            (
                "All corrections",
                said.corrections,
                "Tried with: mean power and length of the runs that the correction was fitted to.",
            ),
        ),
    )
    yield Part(
        "uncertainty",
        "What the uncertainty is made of",
        charts=tuple(budget_charts(analysis)),
        caption="Of one corrected reading: a new run of a workload that was not measured.",
    )
    yield Part(
        "ratios",
        "Ratio by workload and by length",
        charts=tuple(ratio_charts(analysis)),
        caption="A point is a run. Line: mean; shaded: its 95 % interval; dashed: limits of "
        "agreement; dotted: 1. The charts of a probe have one axis of ratios.",
    )


def _of_chapter(chapter: Chapter) -> Part:
    return Part(
        anchor(chapter.name),
        chapter.name,
        chapter.words,
        charts=tuple(chapter.charts()),
        caption=chapter.caption,
        tables=(("Table", chapter.table, chapter.note),),
    )


def anchor(name: str) -> str:
    """Return a name as it stands in an address."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _last(said: Digest) -> Iterator[Part]:
    """Yield what is looked up and not read."""
    if said.carbon.rows:
        yield Part("co2e", "CO2e", tables=(("", said.carbon, said.carbon_note),))
    left = () if said.left.rows else ("Everything planned was measured and compared.",)
    yield Part("left", "Not measured", left, tables=(("", said.left, ""),))
    yield Part(
        "probes",
        "Probes and workloads",
        tables=(
            (
                "Probes",
                said.probes,
                "Late: share of due readings that were skipped because the probe was busy. Share "
                "of one CPU: what the probe itself costs, the observer effect.",
            ),
            ("Workloads", said.workloads, ""),
        ),
    )


def chart_table(chart: Chart, most: int = 200) -> Table:
    """Return the data of a chart as a table of at most so many rows."""
    keys = [*chart.fields]
    rows = tuple(Row(tuple(_cell(row.get(key)) for key in keys)) for row in chart.rows[:most])
    numeric = {
        place
        for place, key in enumerate(keys)
        if any(isinstance(row.get(key), float) for row in chart.rows[:most])
    }
    return Table(tuple(chart.fields.values()), rows, frozenset(numeric))


def _cell(value: float | str | None) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else figure(value)
