"""The command that tests a meter on simulated machines and faults."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from calibrate.cli import complete
from calibrate.cli.console import err, out, plain_table, print_json
from calibrate.cli.help import Commands, examples
from calibrate.cli.options import (
    ENERGY_UNITS,
    Adapters,
    AsJson,
    Settings,
)
from calibrate.errors import CrosswattError

if TYPE_CHECKING:
    from calibrate.conformance import Conformance, MeterUnderTest

commands = Commands()

_STYLES = {"right": "green", "silent": "bold red", "stopped": "bold red", "misled": "yellow"}


@commands.command(
    epilog=examples(
        "crosswatt conformance codecarbon",
        "crosswatt conformance rapl --scenario wrap --scenario vm",
        "crosswatt conformance codecarbon pyjoules -o meters.json -o meters.html",
        "crosswatt conformance codecarbon -s codecarbon.rapl_include_dram=true",
        "crosswatt conformance --energy-from 'used (.+) J' -- my-meter {load}",
    )
)
def conformance(
    meter: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="METER",
            help="Probes; or, with --energy-from, a command, after --.",
            autocompletion=complete.probe_names,
        ),
    ] = None,
    energy_from: Annotated[
        str | None,
        typer.Option(
            "--energy-from",
            metavar="WHERE",
            help="Where the command prints energy: a regular expression with one group, or a "
            "path into its JSON such as .cpu.joules",
        ),
    ] = None,
    unit: Annotated[
        str, typer.Option("--unit", metavar="UNIT", help=f"The unit of energy: {ENERGY_UNITS}.")
    ] = "J",
    scope: Annotated[
        str,
        typer.Option(
            "--scope",
            metavar="SCOPE",
            help="What the command covers: machine (with DRAM), package or gpu.",
        ),
    ] = "machine",
    settings: Settings = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--scenario", metavar="SCENARIO", help="Only this scenario; may be repeated."),
    ] = None,
    scenarios: Annotated[
        Path | None, typer.Option("--scenarios", metavar="FILE", help="Your own scenarios, TOML.")
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            "--seconds", metavar="S", help="How long one measurement takes; by default 3.3."
        ),
    ] = None,
    tolerance: Annotated[
        float,
        typer.Option(
            "--tolerance", metavar="SHARE", help="Largest relative error that counts as right."
        ),
    ] = 0.01,
    at_once: Annotated[
        int, typer.Option("--jobs", "-j", metavar="N", help="Trials side by side.")
    ] = 3,
    earlier: Annotated[
        list[Path] | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="Start from the results in an earlier JSON file; may be repeated.",
        ),
    ] = None,
    targets: Annotated[
        list[Path] | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="A file to write: .json, .html, or .xml for JUnit; may be repeated.",
        ),
    ] = None,
    as_json: AsJson = False,
    adapters: Adapters = None,
) -> int:
    """Test a meter on simulated machines with faults.

    Each of about forty scenarios runs the meter beside the truth. The exit code is 1 when the
    meter was silently wrong, crashed or hung in any of them.
    """
    from calibrate import bench
    from calibrate.conformance import (
        SCENARIOS,
        certificate_document,
        load_certificate,
        load_scenarios,
        run_trials,
    )

    _check_suffixes(targets or ())
    if meter:
        bench.check()
    elif not earlier:
        raise CrosswattError("Which meter? Write for example: crosswatt conformance rapl")
    chosen = load_scenarios(scenarios or SCENARIOS, only or ())
    if seconds is not None:
        chosen = chosen.model_copy(update={"seconds": seconds})
    meters = _meters(meter or [], energy_from, unit, scope, settings or (), adapters or ())
    found = [each for path in earlier or () for each in load_certificate(path)]
    _write(targets or (), found)
    for each in meters:
        err.print(f"{each.name}: {len(chosen.scenario)} trials.", markup=False)
        found.append(run_trials(each, chosen, tolerance, at_once))
        if not as_json:
            _print_results(found[-1])
        _write(targets or (), found)  # after every meter: an interruption costs one, not all
    for path in targets or ():
        (err if as_json else out).print(f"Written: {path}", markup=False)
    if as_json:
        print_json(json.dumps(certificate_document(found), indent=1))
    return int(any(each.failed for each in found))


def _meters(
    names: list[str],
    energy_from: str | None,
    unit: str,
    scope: str,
    settings: Sequence[str],
    adapters: Sequence[Path],
) -> Sequence[MeterUnderTest]:
    """Return what is tested: a command, or probes with their settings."""
    from calibrate import campaign
    from calibrate.conformance import Command

    if energy_from is not None:
        if settings:
            raise CrosswattError("--set is for probes; give a command its own options.")
        return [Command(tuple(names), energy_from, unit, scope)]
    if not names:
        return []
    return campaign.with_settings(campaign.sources(names, adapters), settings)


def _check_suffixes(targets: Iterable[Path]) -> None:
    """Refuse a file whose suffix names no form, before anything is measured."""
    for path in targets:
        if path.suffix not in {".json", ".html", ".xml"}:
            raise CrosswattError(f"{path}: write .json, .html, or .xml for JUnit.")


def _write(targets: Iterable[Path], found: list[Conformance]) -> None:
    """Write the files that were asked for, once there is anything to write."""
    from calibrate import store
    from calibrate.conformance import certificate_document, certificate_html, certificate_junit

    for path in targets if found else ():
        if path.suffix == ".json":
            text = json.dumps(certificate_document(found), indent=1) + "\n"
        else:
            text = (certificate_html if path.suffix == ".html" else certificate_junit)(found)
        store.write(path, text)


def _print_results(found: Conformance) -> None:
    """Print one meter's table, and what is wrong with it."""
    from calibrate import conformance as conformances
    from calibrate.conformance import MEANING, certificate_row
    from calibrate.quantity import number

    table = plain_table(title=f"{found.meter} (simulated machines)")
    for heading in ("scenario", "verdict", "reported/true", "why"):
        table.add_column(heading, justify="right" if "/" in heading else "left")
    for outcome in found.outcomes:
        cells = [Text(cell) for cell in certificate_row(outcome)]
        cells[1].stylize(_STYLES.get(outcome.verdict, ""))
        table.add_row(*cells)
    out.print(table)
    counts = Counter(outcome.verdict for outcome in found.outcomes)
    out.print(", ".join(f"{counts[name]} {name}" for name in MEANING if counts[name]))
    for each in found.faults:
        reported = f" [{each.reference}]" if each.reference else ""
        out.print(f"- {each.text} ({', '.join(each.scenarios)}){reported}", markup=False)
    repair = conformances.repair(found)
    if repair:
        low, high = number(repair.low), number(repair.high)
        where = ", ".join(repair.machines)
        out.print(f"Multiply its figures by {low} to {high} ({where}).", markup=False)
