"""What is said of meters in a table of runs: sentences, tables, and one page with figures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from calibrate.agreement import Agreement, Entry, MeterAgreement, NotAvailable, entries
from calibrate.quantity import MISSING, brief, p_value, rounded, share_in_brackets
from calibrate.reporting.chapters.table import Row, Table
from calibrate.reporting.charts.meters import drawn_words, meter_charts
from calibrate.reporting.page import Page, Part
from calibrate.reporting.rendering import render_page
from calibrate.stats import Estimate

#: What to know of methods that have no clusters, where there are groups.
INDEPENDENT = (
    "The least-squares line through the origin, York's line and Lin's concordance take every run "
    "as independent. Where the runs of a group share an error, their intervals are too narrow."
)
ONE_COUNTER = (
    "three-cornered hat: It is valid only where no two of these meters read the same counter."
)
P_MEANS = (
    "p is the probability of a value as far by chance from what is tested: no change with the "
    "level, an exponent of 1, a straight line, one factor; for equivalence, of a pass by luck."
)
_CAPTION = (
    "A point is one run. Energies: with the line on which both are equal and those that were "
    "fitted. Ratios: mean (line) with its interval (shaded), limits of agreement (dashed), and 1 "
    "(dotted) where it is near."
)


@dataclass(frozen=True)
class AgreementSection:
    """What is said of one meter, or of all together.

    Parameters
    ----------
    name : of the meter, or "All meters together".
    facts : runs, groups and rows left out, as one line.
    words : the answer in sentences.
    rows : one a number: method, quantity, value, interval, p.
    how : of each row, how its number was made; empty where that of the row before was made so.
    notes : what to know before relying on them.
    missing : method -> why it has no result.
    meter : whose figures are drawn; None for all together.
    """

    name: str
    facts: str
    words: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    how: tuple[str, ...]
    notes: tuple[str, ...]
    missing: tuple[tuple[str, str], ...]
    meter: MeterAgreement | None = None


def agreement_sections(found: Agreement) -> list[AgreementSection]:
    """Return what is said of each meter, and of all together."""
    said = entries(found)
    out = []
    for meter in found.meters:
        own = [entry for entry in said if entry.meter == meter.test]
        notes = _notes(own) + ((INDEPENDENT,) if meter.runs.group is not None else ())
        words = tuple(_words(found, meter))
        out.append(_section(meter.test, _facts(found, meter), words, own, notes, meter))
    together = [entry for entry in said if entry.meter == "all meters"]
    notes, facts = _notes(together), ""
    if not isinstance(found.hat, NotAvailable):
        notes += (ONE_COUNTER,)
        facts = _counted(found.hat.n_runs, found.rows - found.hat.n_runs)
    out.append(_section("All meters together", facts, (), together, notes, None))
    return out


def _section(
    name: str,
    facts: str,
    words: tuple[str, ...],
    own: list[Entry],
    notes: tuple[str, ...],
    meter: MeterAgreement | None,
) -> AgreementSection:
    told = [entry for entry in own if entry.quantity]
    before = [("", ""), *((entry.method, entry.how) for entry in told)]
    how = tuple("" if (e.method, e.how) == b else e.how for e, b in zip(told, before, strict=False))
    missing = tuple((entry.method, entry.why) for entry in own if entry.why)
    return AgreementSection(
        name, facts, words, tuple(map(entry_cells, told)), how, notes, missing, meter
    )


def _facts(found: Agreement, meter: MeterAgreement) -> str:
    """Return how many runs and groups there are, and how many rows were left out."""
    told = _counted(meter.runs.n, meter.runs.left_out)
    if meter.runs.group is None:
        return told
    return f"{len(set(meter.runs.group))} groups by {found.group}, {told}"


def _counted(runs: int, left_out: int) -> str:
    """Return how many runs were used, and how many rows were not."""
    if not left_out:
        return f"{runs} runs"
    return f"{runs} runs; {left_out} {'row' if left_out == 1 else 'rows'} left out: no value"


def _words(found: Agreement, meter: MeterAgreement) -> Iterator[str]:
    """Yield the answer in sentences."""
    if isinstance(meter.ratio, NotAvailable):
        yield f"There is no ratio. {meter.ratio.why}"
        return
    yield _mean_words(f"{meter.test} / {found.reference}", meter.ratio.ratio, found.level)
    spans = list(_spans(meter))
    if spans:
        yield f"{'; '.join(spans)}."
    if not isinstance(meter.equivalence, NotAvailable):
        answer = {"pass": "yes", "fail": "no", "inconclusive": "not decided; measure more"}
        state = answer[meter.equivalence.state]
        yield f"Is the mean ratio within {100 * found.margin:g} % of 1? {state.capitalize()}."
    yield from _factor_words(meter, 1 - found.level)


def _factor_words(meter: MeterAgreement, alpha: float) -> Iterator[str]:
    """Yield whether one factor is enough."""
    if not isinstance(meter.one_factor, NotAvailable):
        p = meter.one_factor.p_value
        yield (
            f"One factor does not serve all groups ({_chance(p)})."
            if p < alpha
            else f"One factor may serve all groups ({_chance(p)})."
        )
    if not isinstance(meter.power, NotAvailable):
        p = meter.power.p_value
        yield (
            f"The ratio changes with the level ({_chance(p)}): a factor is not enough."
            if p < alpha
            else f"No change of the ratio with the level is seen ({_chance(p)})."
        )


def _mean_words(name: str, mean: Estimate, level: float) -> str:
    """Return the mean ratio as a sentence."""
    told = f"{name} is {_value(mean.value, mean.low, mean.high)}"
    if mean.low is None or mean.high is None:
        return f"{told}, without an interval."
    told += f" ({_span(mean.low, mean.high)}, {100 * level:g} %)"
    if mean.low <= 1 <= mean.high:
        return f"{told}: no difference of the means is seen."
    if not 0.5 < mean.value < 2:
        return f"{told}."
    way = "more" if mean.value > 1 else "less"
    return f"{told}: it reads {100 * abs(mean.value - 1):.2g} % {way} on average."


def _spans(meter: MeterAgreement) -> Iterator[str]:
    """Yield between what ratios single runs lie."""
    if not isinstance(meter.limits, NotAvailable):
        low, high = meter.limits.lower, meter.limits.upper
        if low is not None and high is not None:
            share = share_in_brackets(meter.limits.expected_share, " of new runs to expect")
            yield f"Limits of agreement {_span(low.value, high.value)}{share}"
    if not isinstance(meter.next_run, NotAvailable) and meter.next_run.low is not None:
        new = " of a new group" if meter.next_run.n_clusters > 1 else ""
        span = _span(meter.next_run.low, meter.next_run.high or 0.0)
        yield f"the next run{new} is expected within {span}"


def _notes(own: Iterable[Entry]) -> tuple[str, ...]:
    """Return what to know, each once, behind the methods that it is about."""
    about: dict[str, list[str]] = {}
    for entry in own:
        for check in entry.checks:
            methods = about.setdefault(check, [])
            if entry.method not in methods:
                methods.append(entry.method)
    return tuple(f"{', '.join(methods)}: {check}" for check, methods in about.items())


# ---- numbers as text ----


def entry_cells(entry: Entry) -> tuple[str, ...]:
    """Return an entry as cells: method, quantity, value, interval, p."""
    unit = "" if entry.unit == "1" else f" {entry.unit}"
    value = span = MISSING
    if entry.value is not None:
        value = _value(entry.value, entry.low, entry.high) + unit
    if entry.low is not None and entry.high is not None:
        span = _span(entry.low, entry.high) + unit
    p = MISSING if entry.p_value is None else p_value(entry.p_value)
    quantity = f"{entry.quantity}: {entry.state}" if entry.state else entry.quantity
    return entry.method, quantity, value, span, p


def _value(value: float, low: float | None, high: float | None) -> str:
    """Return a value in the digits that its interval leaves, three where there is none."""
    return brief(value) if low is None or high is None else rounded(low, high, value)[0]


def _span(low: float, high: float) -> str:
    """Return an interval in the digits of half its width."""
    return " to ".join(rounded(low, high, low, high))


def _chance(value: float) -> str:
    """Return a probability with its name."""
    return f"p {p_value(value)}" if value < 0.001 else f"p = {p_value(value)}"


def column_names(level: float) -> tuple[str, ...]:
    """Return the names of the columns of a section's rows."""
    return "method", "quantity", "value", f"{100 * level:g} % interval", "p"


# ---- a page ----


def agreement_page(found: Agreement, source: str) -> str:
    """Return one page that needs no network; `source` says where the table is from."""
    sections = agreement_sections(found)
    names = ", ".join(found.test)
    title = f"{names} beside {found.reference}" if found.reference else f"{names}, no reference"
    answers = [section.words[0] for section in sections if section.words]
    parts = [_part(found, section, place) for place, section in enumerate(sections)]
    return render_page(
        Page(
            kicker="how far are these meters apart?",
            title=title,
            sentence=" ".join(answers) or f"{title}.",
            facts={
                "Table": f"{source}, {found.rows} rows",
                "Reference": found.reference or "none",
                "Groups": found.group or "none: every run counts as independent",
                "Margin, level": f"{100 * found.margin:g} %, {100 * found.level:g} %",
            },
            parts=tuple(part for part in parts if not part.empty),
            notes=(P_MEANS,),
        )
    )


def _part(found: Agreement, section: AgreementSection, place: int) -> Part:
    head = (*column_names(found.level), "how")
    rows = tuple(Row((*cells, how)) for cells, how in zip(section.rows, section.how, strict=True))
    missing = tuple(f"{method}: {why}" for method, why in section.missing)
    words = (section.facts, *section.words) if section.facts else section.words
    return Part(
        anchor=f"meter-{place}",
        name=section.name,
        words=words,
        charts=tuple(meter_charts(found, section.meter, f"meter-{place}")) if section.meter else (),
        caption=_CAPTION + (drawn_words(section.meter) if section.meter else ""),
        tables=(("Numbers", Table(head, rows, frozenset({2, 4})), ""),),
        lists=(("Before relying on it", section.notes), ("Not available", missing)),
        open=True,
    )
