"""The command for the log that somebody already has."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from calibrate.cli import complete
from calibrate.cli.console import err, out, print_json
from calibrate.cli.help import Commands, examples
from calibrate.cli.options import AsJson, LogMapping, LogScope, LogUnit, LogZone, asked_need
from calibrate.errors import CrosswattError

if TYPE_CHECKING:
    from calibrate.logcheck import Answer, Measured

commands = Commands()

_UNIT = re.compile(r"[A-Za-z][A-Za-z0-9 _-]{0,39}")
_COUNT = re.compile(r"\d{1,15}(?:\.\d{1,9})?(?:[eE]\+?\d{1,2})?", re.ASCII)


@commands.command(
    epilog=examples(
        "crosswatt check gpu.csv --zone UTC --from +10s --to +70s --per tokens=12345",
        "crosswatt check wall.csv --from 2026-12-01T12:00Z --to 2026-12-01T12:05Z",
        "crosswatt check power.csv --mapping columns.toml --from +0s --to +5min --json",
    )
)
def check(
    log: Annotated[
        list[Path], typer.Argument(metavar="LOG", help="The log; several files of one format.")
    ],
    begin: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="TIME",
            help="Where the window begins: ISO 8601 with a zone, seconds since 1970, or an offset "
            "from the beginning of the log (+10s, +2.5min); by default the beginning.",
        ),
    ] = None,
    end: Annotated[
        str | None,
        typer.Option("--to", metavar="TIME", help="Where it ends; by default with the log."),
    ] = None,
    per: Annotated[
        list[str] | None,
        typer.Option(
            "--per",
            metavar="UNIT=N",
            help="Also joules per unit of work, of which there were so many: tokens=12345, "
            "images=600, 'audio seconds=3600'; may be repeated.",
        ),
    ] = None,
    need: Annotated[
        str,
        typer.Option("--need", metavar="SHARE", help="The U (95 %) that is good enough."),
    ] = "5%",
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-f",
            metavar="FORMAT",
            help="A format of 'crosswatt import'; by default what the log's beginning shows.",
            autocompletion=complete.import_formats,
        ),
    ] = None,
    zone: LogZone = None,
    unit: LogUnit = None,
    scope: LogScope = None,
    mapping: LogMapping = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            "--column",
            metavar="COLUMN",
            help="A column to add up; may be repeated. By default those of the widest meter, each "
            "part of the machine once.",
        ),
    ] = None,
    readings: Annotated[
        str | None,
        typer.Option(
            "--readings",
            metavar="FORM",
            help="What a figure of power is: 'sampled', the power at its time, or 'averaged', the "
            "mean since the one before; by default as the format tells, else sampled.",
        ),
    ] = None,
    update: Annotated[
        float | None,
        typer.Option(
            "--update-period",
            metavar="SECONDS",
            help="How often the meter is renewed, where the log is too slow to show it.",
        ),
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(
            "--calibration", metavar="FILE", help="Correct by this calibration.json of a campaign."
        ),
    ] = None,
    probe: Annotated[
        str | None,
        typer.Option(
            "--probe",
            "-p",
            metavar="PROBE",
            help="The meter, as the calibration calls it; PROBE.COLUMN where it has several.",
            autocompletion=complete.probe_names,
        ),
    ] = None,
    max_bad: Annotated[
        int,
        typer.Option(
            "--max-bad", min=0, metavar="N", help="Stop when more lines than this are bad."
        ),
    ] = 1000,
    as_json: AsJson = False,
) -> int:
    """Say what energy a log has in a window, with U, and what it does not allow to say.

    For a log that you already have: nvidia-smi, DCGM, CodeCarbon, kwollect, any table. The exit
    code is that of the gate: 0 where U is within the need, 1 where the log contradicts itself, 2
    where it does not allow to say.
    """
    from calibrate import gate, logcheck

    if readings not in (None, "sampled", "averaged"):
        raise CrosswattError(f"--readings {readings!r} is neither 'sampled' nor 'averaged'.")
    if update is not None and not 0 < update <= 86_400:
        raise CrosswattError(f"--update-period {update:g} is not above 0 and at most a day.")
    if probe and not calibration:
        raise CrosswattError("--probe names a meter of --calibration FILE, which is not given.")
    question = logcheck.Question(
        begin, end, _per(per or []), asked_need(need) or logcheck.NEED, tuple(column or ()),
        readings, update, calibration, probe,  # type: ignore[arg-type]
    )  # fmt: skip
    found = logcheck.check_log(
        log, question, form, zone=zone, unit=unit, scope=scope, mapping=mapping,
        max_rejected=max_bad,
    )  # fmt: skip
    if as_json:
        print_json(json.dumps(found.to_json(), indent=1, allow_nan=False))
    else:
        show(found)
    return gate.EXIT[found.state]


def _per(given: Sequence[str]) -> dict[str, float]:
    """Return how many units of work were done, by unit."""
    found = {}
    for text in given:
        unit, equals, count = text.rpartition("=")
        unit = unit.strip()
        if not (equals and _UNIT.fullmatch(unit) and _COUNT.fullmatch(count.strip())):
            raise CrosswattError(
                f"--per {text[:60]!r} is not UNIT=N; write for example --per tokens=12345."
            )
        if not float(count) > 0:
            raise CrosswattError(f"--per {text[:60]!r}: there is no energy per unit of none.")
        found[unit] = float(count)
    return found


def show(found: Answer) -> None:
    """Print an answer: the energy first, then what it is made of, then what is not allowed."""
    from calibrate.quantity import figure, percent

    columns = " + ".join(each.name for each in found.measured)
    out.print(f"{found.probe}: {columns}", markup=False, style="bold")
    out.print(f"{found.begin} to {found.end}, {figure(found.seconds)} s", markup=False)
    out.print(f"energy   {_energy(found.joules, found.expanded_j, found.k)}", markup=False)
    if found.joules is not None:
        kwh = figure(found.joules / 3.6e6)
        out.print(f"         {kwh} kWh, {figure(found.joules / found.seconds)} W", markup=False)
    if found.corrected:
        made = found.corrected
        out.print(f"corrected {_energy(made.joules, made.expanded_j, None)}", markup=False)
        for note in made.notes:
            err.print(note, markup=False)
    for rate in found.rates:
        unit = rate.unit.removesuffix("s")
        out.print(f"per {unit}  {_energy(rate.joules, rate.expanded_j, None)}", markup=False)
    if found.parts and found.joules:
        largest = [
            f"{name} {percent(u_j / found.joules)}" for name, u_j in list(found.parts.items())[:4]
        ]
        out.print(f"u is made of: {', '.join(largest)}", markup=False)
    for each in found.measured:
        out.print(_meter(each), markup=False)
    for pair in found.agreements:
        verb = "agree" if pair.agrees else "differ"
        out.print(
            f"count and integral {verb}: {pair.power} is {percent(pair.difference, sign=True)} "
            f"beside {pair.count}, U {percent(pair.expanded)}",
            markup=False,
        )
    out.print(f"{found.gain[:1].upper()}{found.gain[1:]}.", markup=False)
    for name, why in found.left:
        out.print(f"not added: {name}, {why}", markup=False)
    for note in found.notes:
        out.print(note, markup=False)
    for reason in found.reasons:
        column = f" {reason.column}:" if reason.column else ""
        out.print(f"[{reason.code.value}]{column} {reason.text}", markup=False)
    out.print(
        f"{found.state}: U {percent(found.share)}, needed {percent(found.need)}", markup=False
    )


def _energy(joules: float | None, expanded: float | None, k: float | None) -> str:
    """Return an energy with U, or that it is not known."""
    from calibrate.quantity import figure, fitting, percent, prefixed

    if joules is None:
        return "not known"
    if expanded is None:
        prefix, size = fitting(joules, "GMk mµ") if joules else ("", 1.0)
        return f"{figure(joules / size)} {prefix}J, U not known"
    factor = "" if k is None else f", k = {k:.2f}"
    share = f", {percent(expanded / joules)}" if joules > 0 else ""
    return f"{prefixed(joules, expanded, 'J')} (U, 95 %{factor}{share})"


def _meter(each: Measured) -> str:
    """Return how a column was read."""
    from calibrate.quantity import counted, figure

    words = f"{each.name}: {counted(each.readings, 'new figure')}, every {figure(each.step_s)} s"
    if each.seen:
        words += " (the update period, seen in the log)"
    elif each.update_s is not None and each.update_s < each.step_s:
        words += f"; update period {figure(each.update_s)} s, as stated or documented"
    kind = {"sampled": "power at its time", "averaged": "mean since the one before",
            "counter": "count"}[each.form]  # fmt: skip
    words += f"; {kind}"
    if each.gaps[0]:
        words += f"; {counted(each.gaps[0], 'gap')}, {figure(each.gaps[1])} s"
    if each.form != "counter" and each.late_j:
        words += f"; a delay of 1 s would move {figure(each.late_j)} J over the ends"
    return words
