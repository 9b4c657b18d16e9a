"""Markdown: for a comment on a pull request, or a job's summary."""

from collections.abc import Iterable, Sequence

from calibrate import reporting
from calibrate.analysis import Analysis
from calibrate.reporting import (
    Card,
    Chapter,
    Digest,
    Table,
    before_figures,
    campaign_chapters,
)
from calibrate.reporting import markdown_text as _cell

SUFFIX = "md"

_HEAD = ("", "probe", "probe / reference", "verdict", "correction")


def render(analysis: Analysis) -> str:
    """Return the verdicts first, and everything else folded away."""
    said = reporting.digest(analysis)
    label = before_figures(simulated=said.simulated)
    blocks = [f"### {label}{_cell(said.sentence)}", f"crosswatt: {_cell(said.title)}"]
    if said.simulated:
        blocks.append(f"> **{said.label.upper()}**: no number here is of real hardware.")
    blocks += [
        f"{_fact(said, 'Runs')}; reference {_cell(said.reference)}; "
        f"crosswatt {_fact(said, 'crosswatt')}; {_fact(said, 'Date')}.",
        _grid(_HEAD, (_verdict(card) for card in said.cards)),
        _corrections(said.corrections),
    ]
    if said.left.rows:
        blocks += ["**Not measured**", _table(said.left)]
    folded = (
        ("Why", _reasons(said.cards)),
        ("Agreement of all columns", _table(said.agreement)),
        ("Corrections of all columns", _table(said.corrections)),
        ("Probes and modes", _table(said.probes)),
        ("Workloads", _table(said.workloads)),
        *((each.name, _chapter(each)) for each in campaign_chapters(analysis)),
        ("CO2e", _carbon(said)),
        ("How this was measured", _facts(said)),
        ("Method and raw data", _prose((*said.method, *said.raw, *said.sources))),
    )
    blocks += [_folded(name, body, said.label) for name, body in folded]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _verdict(card: Card) -> tuple[str, ...]:
    return (card.symbol, f"{card.probe} ({card.column})", card.ratio, card.sentence, card.correct)


def _corrections(table: Table) -> str:
    """Return the corrections of the worst columns in short; the whole table is folded away."""
    wanted = range(len(table.head) - 1)  # all but the reason, which the verdicts have said
    rows = [[row.cells[place] for place in wanted] for row in table.rows if row.main]
    if not rows:
        return ""
    return "**Corrections**\n\n" + _grid([table.head[place] for place in wanted], rows)


def _reasons(cards: Iterable[Card]) -> str:
    lines = []
    for card in cards:
        lines.append(f"- {_cell(card.probe)}: {_cell(card.sentence)}")
        lines += [f"  - {_cell(line)}" for line in card.lines]
    return "\n".join(lines)


def _chapter(each: Chapter) -> str:
    parts = (_prose(each.words), _table(each.table), _cell(each.note))
    return "\n\n".join(part for part in parts if part)


def _carbon(said: Digest) -> str:
    return f"{_table(said.carbon)}\n\n{_cell(said.carbon_note)}" if said.carbon.rows else ""


def _facts(said: Digest) -> str:
    return _grid(("", ""), ((fact.name, fact.words) for fact in said.facts))


def _fact(said: Digest, name: str) -> str:
    return _cell(next(fact.words for fact in said.facts if fact.name == name))


def _prose(paragraphs: Iterable[str]) -> str:
    return "\n\n".join(_cell(words) for words in paragraphs)


def _table(table: Table) -> str:
    rows = [
        [
            f"**{_cell(row.cells[0])}**" if row.main else _cell(row.cells[0]),
            *map(_cell, row.cells[1:]),
        ]
        for row in table.rows
    ]
    return _lines(table.head, rows, table.numeric) if rows else ""


def _grid(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return _lines(head, [[_cell(cell) for cell in row] for row in rows])


def _lines(
    head: Sequence[str], rows: Sequence[Sequence[str]], numeric: frozenset[int] = frozenset()
) -> str:
    """Return a table whose cells are escaped already."""
    rule = ["---:" if place in numeric else "---" for place in range(len(head))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def _folded(name: str, body: str, label: str) -> str:
    """Return a part that opens on a click; it says for itself what machine it is of."""
    if not body:
        return ""
    of = f" ({label})" if label else ""
    return f"<details><summary>{name}{of}</summary>\n\n{body}\n\n</details>"
