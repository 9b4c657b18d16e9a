"""What the report of an import says as long as nothing in it is the reference."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from calibrate.cli.console import out, plain_table
from calibrate.errors import CrosswattError

if TYPE_CHECKING:
    from calibrate.logcheck import Inventory

HEAD = ("run", "begin, UTC", "s", "meter", "column", "energy, J", "U, J", "W", "gaps", "codes")
NUMERIC = (2, 5, 6, 7)
#: Rows that a terminal shows.
_SHOWN = 40


def report_inventory(folder: Path, form: str, target: Path | None) -> None:
    """Write, or print, the energies of an import, and what could serve as a reference.

    Parameters
    ----------
    folder : the import.
    form : html, markdown or json.
    target : the file to write; None for ``report`` in the folder, ``-`` prints it.
    """
    from calibrate import store
    from calibrate.logcheck import take_inventory

    suffixes = {"html": "html", "markdown": "md", "json": "json"}
    if form not in suffixes:
        raise CrosswattError(
            f"Nothing in {folder} is the reference; the format {form} needs one: --reference NAME."
        )
    found = take_inventory(store.load_campaign(folder))
    text = {"html": _html, "markdown": _markdown, "json": _json}[form](found)
    path = target or folder / f"report.{suffixes[form]}"
    if path == Path("-"):
        sys.stdout.write(text)
        return
    store.write(path, text)
    _show(found)
    out.print(f"Report: {path}", markup=False)


def _rows(found: Inventory) -> list[tuple[str, ...]]:
    from calibrate.quantity import MISSING, figure

    rows: list[tuple[str, ...]] = []
    for row in found.rows:
        made = row.measured
        watts = None if made.joules is None else made.joules / made.seconds
        gaps = f"{made.gaps[0]}, {figure(made.gaps[1])} s" if made.gaps[0] else "0"
        codes = ", ".join(dict.fromkeys(reason.code.value for reason in made.reasons))
        rows.append(
            (
                row.run, row.begin.removesuffix("+00:00") or "date not known",
                figure(made.seconds), row.probe, row.column, figure(made.joules),
                figure(made.expanded_j), figure(watts), gaps, codes or MISSING,
            )
        )  # fmt: skip
    return rows


def _facts(found: Inventory) -> dict[str, str]:
    begins = sorted(row.begin for row in found.rows if row.begin)
    listed = len({row.run for row in found.rows})
    return {
        "Format": found.form,
        "Runs": f"{found.runs:,}" + (f", the first {listed} listed" if listed < found.runs else ""),
        "First run": begins[0] if begins else "date not known",
        "Last run": begins[-1] if begins else "date not known",
    }


def _html(found: Inventory) -> str:
    from calibrate.reporting import inventory_page

    return inventory_page(
        found.sentence, _facts(found), HEAD, _rows(found), NUMERIC, found.could_serve
    )


def _markdown(found: Inventory) -> str:
    from calibrate.escaping import markdown_text

    def line(cells: tuple[str, ...]) -> str:
        return f"| {' | '.join(map(markdown_text, cells))} |"

    facts = [f"- {name}: {markdown_text(value)}" for name, value in _facts(found).items()]
    ways = [f"- {markdown_text(each)}" for each in found.could_serve]
    table = [line(HEAD), "|" + "---|" * len(HEAD), *map(line, _rows(found))]
    parts = [
        "# Energies, and no reference", markdown_text(found.sentence), "\n".join(facts),
        "\n".join(table), "## What could serve as a reference", "\n".join(ways),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _json(found: Inventory) -> str:
    return json.dumps(found.to_json(), indent=1, allow_nan=False) + "\n"


def _show(found: Inventory) -> None:
    """Print the sentence, the energies and the ways to a reference."""
    out.print(found.sentence, markup=False)
    table = plain_table(*HEAD)
    for column in NUMERIC:
        table.columns[column].justify = "right"
    rows = _rows(found)
    for row in rows[:_SHOWN]:
        table.add_row(*row)
    out.print(table)
    if len(rows) > _SHOWN:
        out.print(f"and {len(rows) - _SHOWN} more in the report", markup=False)
    for each in found.could_serve:
        out.print(each, markup=False)
