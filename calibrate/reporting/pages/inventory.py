"""An import in which nothing is the reference, as a page: what it has, and what could be one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from calibrate.reporting.chapters.table import Row, Table
from calibrate.reporting.page import Page, Part
from calibrate.reporting.rendering import render_page


def inventory_page(
    sentence: str,
    facts: Mapping[str, str],
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    numeric: Sequence[int],
    could_serve: Sequence[str],
) -> str:
    """Return the page of an import without a reference.

    Parameters
    ----------
    sentence : what there is.
    facts : name -> what is known before all else.
    head, rows, numeric : a table of energies, and which of its columns are numbers.
    could_serve : ways to a reference, a sentence each.
    """
    ways = (("", tuple(could_serve)),)
    table = Table(tuple(head), tuple(Row(tuple(row)) for row in rows), frozenset(numeric))
    return render_page(
        Page(
            kicker="an import without a reference",
            title="Energies, and no reference",
            sentence=sentence,
            facts=facts,
            parts=(
                Part("energies", "Energies", tables=(("", table, ""),), open=True),
                Part("reference", "What could serve as a reference", lists=ways),
            ),
            notes=(
                "U (95 %) does not contain the meters' own error, which only a reference shows.",
            ),
        )
    )
