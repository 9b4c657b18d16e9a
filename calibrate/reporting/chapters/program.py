"""Energy of the user's own program: joules, watt-hours, watts and CO2e, by every probe."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from calibrate.analysis import Analysis
from calibrate.costs import Intensity, Usage, grams_of
from calibrate.quantity import J_PER_KWH, MISSING, figure, percent
from calibrate.reporting.chapters.chapter import Chapter
from calibrate.reporting.chapters.table import Row, Table
from calibrate.reporting.charts.program import program_charts
from calibrate.reporting.emitted import grams_text
from calibrate.tokens import masked

_NOTE = (
    "Of a mean run. By a probe that has a correction: corrected by it; else as reported. ±: "
    "expanded uncertainty (95 %) of one run. Different scopes are different parts of the machine."
)
_CAPTION = "Energy of a mean run by each probe, with its expanded uncertainty (95 %) where known."
#: A longer command is cut.
_LONGEST = 60


def program_chapter(analysis: Analysis) -> Chapter | None:
    """Return the energy of the user's program, where the campaign measured one."""
    if not analysis.program:
        return None
    intensity = analysis.footprint.intensity if analysis.footprint else None
    head, rows = program_rows(analysis.program, intensity)
    main = [each.how == "reference" for each in analysis.program]
    table = Table(
        head,
        tuple(Row(cells, is_main) for cells, is_main in zip(rows, main, strict=True)),
        frozenset(range(2, len(head) - 1)),
    )
    return Chapter(
        "Energy of your program",
        program_sentences(analysis),
        table,
        _NOTE,
        lambda: program_charts(analysis),
        _CAPTION,
    )


def program_sentences(analysis: Analysis) -> tuple[str, ...]:
    """Return what each program used, by the reference, or by the first probe that has a figure."""
    first: dict[str, Usage] = {}
    for each in analysis.program:
        if each.workload not in first or each.how == "reference":
            first[each.workload] = each
    return tuple(_sentence(analysis, each) for each in first.values())


def _sentence(analysis: Analysis, used: Usage) -> str:
    runs = f"mean of {used.runs} runs" if used.runs > 1 else "one run"
    emissions = analysis.footprint.emissions if analysis.footprint else ()
    grams = [
        f", {grams_text(each.grams, each.u_g)} CO2e"
        for each in emissions
        if (each.workload, each.probe) == (used.workload, used.probe)
    ]
    return (
        f"{_called(analysis, used.workload)} used {_joules(used)} by {used.probe} ({used.scope}): "
        f"{figure(used.joules / J_PER_KWH)} kWh, {figure(used.watts)} W over "
        f"{figure(used.seconds)} s{''.join(grams[:1])}; {runs}."
    )


def _called(analysis: Analysis, workload: str) -> str:
    """Return a command as it was typed, or the name of a block."""
    jobs = analysis.campaign.record.jobs
    words = next((job.arguments for job in jobs if job.workload == workload), ())
    typed = " ".join(shlex.join(masked(words)).split()) if words else workload
    return typed if len(typed) <= _LONGEST else f"{typed[: _LONGEST - 3]}..."


def program_rows(
    program: Sequence[Usage], intensity: Intensity | None
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the head and the lines of a table; CO2e where there is an intensity."""
    several = len({each.workload for each in program}) > 1
    emitted = () if intensity is None else ("CO2e / g",)
    head = ("by", "scope", "energy (95 %)", "energy / Wh", "power / W", *emitted, "reading")
    rows = []
    for each in program:
        cells = [
            each.probe,
            each.scope,
            _joules(each),
            figure(1000 * each.joules / J_PER_KWH),
            figure(each.watts),
        ]
        if intensity is not None:
            cells.append(figure(grams_of(each, intensity)))
        cells.append(each.how)
        rows.append((each.workload, *cells) if several else tuple(cells))
    return (("workload", *head) if several else head), rows


def _joules(used: Usage) -> str:
    if used.u_relative is None:
        return f"{figure(used.joules)} J ± {MISSING}"
    return f"{figure(used.joules)} J ± {percent(2 * used.u_relative)}"
