"""The command line. Exit codes: 0, 1 fail, 2 inconclusive, 64 refused, 69 not possible here."""

from __future__ import annotations

import csv
import json
import secrets
import shlex
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from calibrate import catalog
from calibrate._version import __version__
from calibrate.campaign import add_environment, environments_home, remove_environment
from calibrate.cli import plan as plans
from calibrate.cli.ingest import import_, merge
from calibrate.cli.options import (
    DEFAULT_MODEL,
    FAILED,
    IMPOSSIBLE,
    INTERRUPTED,
    REFUSED,
    Across,
    Adapters,
    Bench,
    Folder,
    NoBench,
    Rates,
    Reference,
    Settings,
    Workloads,
    err,
    out,
)
from calibrate.cli.stage import bench_model, inside, interruptible, ready
from calibrate.cli.studies import characterize, observe
from calibrate.cli.time import align, diff, drift
from calibrate.errors import CrosswattError, Unsupported
from calibrate.simulated import before_figures

if TYPE_CHECKING:
    from calibrate.analysis import Analysis
    from calibrate.campaign import Plan
    from calibrate.conformance import Conformance
    from calibrate.store import Campaign


app = typer.Typer(
    help="Run software energy meters side by side, explain how they disagree, fit corrections.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
)
probes_app = typer.Typer(help="List probes; add releases in interpreters of their own.")
bench_app = typer.Typer(help="The simulated machine.", no_args_is_help=True)
app.add_typer(probes_app, name="probes", invoke_without_command=True)
app.add_typer(bench_app, name="bench")

#: Typer brings its own copy of click and gives this class no public name.
UsageError: type[typer.BadParameter] = typer.BadParameter.__mro__[1]


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    try:
        code = app(args=arguments, standalone_mode=False)
        return code if isinstance(code, int) else 0
    except UsageError as error:
        err.print(f"{error.format_message()} Try 'crosswatt --help'.", style="red", markup=False)
        return REFUSED
    except Unsupported as error:
        err.print(str(error), style="red", markup=False)
        return IMPOSSIBLE
    except CrosswattError as error:
        err.print(str(error), style="red", markup=False)
        return REFUSED
    except OSError as error:  # a file that cannot be written, a full disk
        if error.filename is None:
            raise
        err.print(f"{error.filename}: {error.strerror}.", style="red", markup=False)
        return REFUSED
    except (KeyboardInterrupt, typer.Abort):
        err.print("Interrupted.")
        return INTERRUPTED


@app.callback(invoke_without_command=True)
def top(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Cross-validate software energy meters."""
    if version:
        out.print(f"crosswatt {__version__}")
        raise typer.Exit


@app.command()
def run(
    command: Annotated[
        list[str] | None, typer.Argument(help="A command of your own as the workload, after --.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="The plan 'quick', or the quick form of --plan.")
    ] = False,
    plan: Annotated[
        str | None, typer.Option("--plan", help="A shipped plan by name, or a TOML file.")
    ] = None,
    bench: Bench = None,
    fault: Annotated[
        list[str] | None,
        typer.Option("--fault", help="What is wrong with it: stuck,at_s=20,scope=package-0 ..."),
    ] = None,
    no_bench: NoBench = False,
    probe: Annotated[
        list[str] | None,
        typer.Option(
            "--probe", help="Only this probe; may be repeated. NAME=PROBE gives it another name."
        ),
    ] = None,
    workload: Annotated[
        list[str] | None, typer.Option("--workload", help="Only this workload of the plan.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--out", help="The folder to write; new or empty.")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option("--resume", help="Continue the campaign in this folder.")
    ] = None,
    rate: Rates = None,
    settings: Settings = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Seed of the order of runs.")] = None,
    repeats: Annotated[
        int | None,
        typer.Option("--repeats", min=1, help="How often each workload runs; 3 for a command."),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option("--until", help="Repeat until every factor is known to this: 1% ..."),
    ] = None,
    max_repeats: Annotated[
        int, typer.Option("--max-repeats", min=1, help="With --until: give up after so many.")
    ] = 100,
    adapters: Adapters = None,
    workloads: Workloads = None,
) -> int:
    """Run workloads while several probes measure, then compare, explain, correct and report."""
    from calibrate import bench as benches
    from calibrate import campaign, store
    from calibrate.campaign import (
        at_rates,
        create_campaign,
        on_bench,
        perform_campaign,
        with_settings,
    )
    from calibrate.cli.progress import watcher
    from calibrate.comparison import Goal, parse_goal

    started = time.monotonic()
    target = resume or folder or Path(f"crosswatt-{datetime.now():%Y%m%d-%H%M%S}")
    if not resume:
        mine = tuple(workloads or ())
        chosen = _plan(command, quick, plan, workload, mine)
        target_share = None if until is None else parse_goal(until)
        if target_share is not None and repeats:
            raise CrosswattError("Choose one of --repeats and --until.")
        if target_share is not None or repeats:
            chosen = chosen.model_copy(update={"repeats": repeats or max_repeats})
        model = bench_model(bench, fault or [], no_bench)
        asked, own = probe or chosen.probes, tuple(adapters or ())
        sources = campaign.sources(asked, own, simulated=model is not None)
        sources = with_settings(at_rates(sources, rate or ()), settings or ())
        ready(model)  # before anything is written
        order = secrets.randbelow(2**31) if seed is None else seed
        create_campaign(target, chosen, sources, order, model, mine, fault or [], target_share)
    record = store.read(target / store.CAMPAIGN, store.CampaignRecord)
    if record.bench and not on_bench():
        return inside(benches.Setup(record.bench, record.faults), target)
    goal = None if record.until is None else Goal(record.until)
    try:
        with interruptible(), watcher(out) as watching:
            perform_campaign(target, watching, goal=goal)
    except KeyboardInterrupt:
        err.print(
            f"Interrupted. The finished runs are kept; go on with: "
            f"crosswatt run --resume {shlex.quote(str(target))}"
        )
        return INTERRUPTED
    done = _conclude(target, started)
    if record.until and not (target / store.STOP).exists():
        err.print(
            f"Not every factor is known to {100 * record.until:g} % after all repeats; the report "
            "has what was reached. 'crosswatt plan' says what it takes."
        )
    return FAILED if _failures(done.campaign) else 0


def _failures(campaign: Campaign) -> bool:
    """Say which workloads failed in every run, and where they say why; tell whether there are."""
    good = {run.record.workload for run in campaign.runs if run.record.exit_code == 0}
    failed = {r.record.workload: r for r in campaign.runs if r.record.workload not in good}
    for workload, last in failed.items():
        err.print(
            f"{workload} failed in every run (exit code {last.record.exit_code}); what it said is "
            f"in {last.folder / 'output.log'}.",
            markup=False,
            soft_wrap=True,
        )
    return bool(failed)


def _plan(
    command: list[str] | None,
    quick: bool,
    name: str | None,
    only: list[str] | None,
    extra: tuple[Path, ...],
) -> Plan:
    """Return the plan that the options ask for."""
    from calibrate.campaign import command_plan, load_plan, load_quick_plan, only_workloads

    options = {"--quick": quick, "--plan": name, "--workload": only, "-- CMD": command}
    given = [flag for flag, on in options.items() if on]
    if command and len(given) > 1:
        raise CrosswattError(f"Choose one of {', '.join(given)}: a command is a whole plan.")
    if command:
        return command_plan(command)
    if quick and name:
        found = load_quick_plan(name, extra)
    else:
        found = load_plan("quick" if quick else name or "default", extra)
    return only_workloads(found, only, extra) if only else found


def _conclude(target: Path, started: float) -> Analysis:
    """Analyse, report, and say the verdicts."""
    from calibrate import analysis
    from calibrate.cli.progress import elapsed

    found = analysis.analyze(target)
    found.write()
    report = _render(found, "html", target / "report.html")
    _say(found)
    out.print(f"Report: {report} ({elapsed(started)} in all)", markup=False)
    return found


def _say(found: Analysis) -> None:
    """Print one row per probe, and what dropped out."""
    from calibrate.reporting import verdicts

    comparison = found.comparison
    label = before_figures(simulated=comparison.simulated)
    table = Table(
        title=f"{label}Energy beside {comparison.reference}, {comparison.runs} runs",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    for name in ("probe", "column", "probe / reference", "diagnosis", "correction"):
        table.add_column(name, overflow="fold")
    for verdict in verdicts(found, headlines=True):
        table.add_row(
            verdict.finding.probe,
            verdict.finding.column,
            verdict.ratio,
            verdict.named,
            verdict.correct,
            style=None if verdict.good else "yellow",
        )
    out.print(table)
    for name, why in comparison.alone().items():
        if comparison.probes[name].status != "unavailable":
            out.print(f"{name} is not in this table: {why}.", style="yellow", markup=False)


@app.command()
def analyze(folder: Folder, reference: Reference = None, across: Across = False) -> None:
    """Remake comparison.json, diagnosis.json and calibration.json of a folder."""
    from calibrate import analysis

    found = analysis.analyze(folder, reference, across=across)
    found.write()
    _say(found)


@app.command()
def report(
    folder: Folder,
    form: Annotated[str, typer.Option("--format", help="html, markdown or json.")] = "html",
    target: Annotated[
        Path | None, typer.Option("--out", help="The file; '-' or nothing prints it.")
    ] = None,
    reference: Reference = None,
    across: Across = False,
    carbon: Annotated[
        str | None,
        typer.Option("--carbon", help="CO2e too: a country (FRA), a US state (USA-CA), or g/kWh."),
    ] = None,
) -> None:
    """Write a report of a folder."""
    from calibrate import analysis

    catalog.find("reports", form)
    found = analysis.analyze(folder, reference, carbon=carbon, across=across)
    _render(found, form, None if target in {None, Path("-")} else target)


def _render(found: Analysis, form: str, target: Path | None) -> Path | None:
    """Write a report, or print it where no file is named."""
    from calibrate import store

    text = catalog.load(catalog.find("reports", form)).render(found)
    if target is None:
        sys.stdout.write(text)
    else:
        store.write(target, text)
    return target


@app.command()
def gate(
    folder: Annotated[Path | None, typer.Argument(help="A campaign's folder.")] = None,
    policy: Annotated[Path | None, typer.Option("--policy", help="The rules, TOML.")] = None,
    init: Annotated[
        Path | None, typer.Option("--init", help="Write a policy from this campaign's folder.")
    ] = None,
    target: Annotated[Path | None, typer.Option("--out", help="Where --init writes.")] = None,
) -> int:
    """Judge a campaign by a policy: 0 pass, 1 fail, 2 inconclusive, 64 refused."""
    from calibrate import analysis, store
    from calibrate import gate as gates

    if init:
        if target is None or folder or policy:
            raise CrosswattError("Write it as: crosswatt gate --init FOLDER --out gate.toml")
        if target.exists():
            raise CrosswattError(f"{target} exists; choose another --out.")
        store.write(target, gates.propose(analysis.analyze(init)))
        out.print(f"Policy: {target}", markup=False)
        return 0
    if folder is None or policy is None:
        raise CrosswattError("Write it as: crosswatt gate FOLDER --policy gate.toml")
    rules = gates.load(policy)
    rulings = gates.judge(analysis.analyze(folder, rules.reference), rules)
    for each in rulings:
        out.print(f"{each.state}: {each.probe} {each.column}: {each.sentence}", markup=False)
    state = gates.overall(rulings)
    out.print(state, markup=False)
    return gates.EXIT[state]


app.command()(plans.plan)
app.command("import")(import_)
app.command()(merge)
commands = (observe, characterize, align, diff, drift)
for command in commands:
    app.command()(command)


@app.command()
def correct(
    table: Annotated[
        Path,
        typer.Argument(help="A CSV file; CodeCarbon's emissions.csv or a carbontracker log as is."),
    ],
    calibration: Annotated[
        Path, typer.Option("--calibration", help="The calibration.json of a campaign.")
    ],
    probe: Annotated[
        str, typer.Option("--probe", help="The probe's name in the calibration.")
    ] = "codecarbon",
    energy: Annotated[
        list[str] | None,
        typer.Option("--energy", help="A column with energy, COLUMN or COLUMN=CALIBRATED_COLUMN."),
    ] = None,
    unit: Annotated[str, typer.Option("--unit", help="Its unit: J, kJ, mJ, uJ, Wh, kWh.")] = "J",
    seconds: Annotated[
        str, typer.Option("--seconds", help="The column with the duration in seconds.")
    ] = "seconds",
    target: Annotated[
        Path | None, typer.Option("--out", help="The file; '-' or nothing prints it.")
    ] = None,
) -> None:
    """Apply a calibration to a table of readings, with intervals and reservations."""
    from calibrate import store
    from calibrate.calibration import (
        Columns,
        carbontracker_table,
        codecarbon_columns,
        correct_csv,
        load_calibration,
        read_table,
    )

    found = load_calibration(calibration)
    text = read_table(table)
    log = None if energy else carbontracker_table(text)
    if log is not None:
        text, columns = log, Columns({"energy": None}, "seconds", "kWh")
    elif energy:
        named = (each.partition("=") for each in energy)
        columns = Columns({n: ours or None for n, _, ours in named}, seconds, unit)
    else:
        header = next(csv.reader(text.splitlines()), [])
        columns = codecarbon_columns(header, found, probe)
    made = correct_csv(text, found, probe, columns)
    rows = list(csv.DictReader(made.splitlines()))
    if target is None or target == Path("-"):
        sys.stdout.write(made)
    else:
        store.write(target, made)
    for note, count in Counter(row["crosswatt_notes"] for row in rows).items():
        if note:
            err.print(f"{count} of {len(rows)} rows: {note}", markup=False)


@app.command()
def conformance(
    meter: Annotated[
        list[str] | None,
        typer.Argument(help="Probes; or, with --energy-from, a command, after --."),
    ] = None,
    energy_from: Annotated[
        str | None,
        typer.Option(
            "--energy-from",
            help="Where the command prints energy: a regular expression with one group, or a "
            "path into its JSON such as .cpu.joules",
        ),
    ] = None,
    unit: Annotated[str, typer.Option("--unit", help="Its unit: J, kJ, Wh, kWh, mJ, uJ.")] = "J",
    scope: Annotated[
        str, typer.Option("--scope", help="What it covers: machine (with DRAM), package, gpu.")
    ] = "machine",
    options: Annotated[
        list[str] | None, typer.Option("--set", help="A setting for the probes: key=value.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--scenario", help="Only this scenario; may be repeated.")
    ] = None,
    scenarios: Annotated[
        Path | None, typer.Option("--scenarios", help="Scenarios of your own, TOML.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option("--seconds", help="How long a measurement takes; default 3.3.")
    ] = None,
    tolerance: Annotated[
        float, typer.Option("--tolerance", help="Relative deviation that still is right.")
    ] = 0.01,
    at_once: Annotated[int, typer.Option("--jobs", help="Trials side by side.")] = 3,
    earlier: Annotated[
        list[Path] | None, typer.Option("--from", help="Begin with what --json wrote before.")
    ] = None,
    as_json: Annotated[Path | None, typer.Option("--json", help="Write JSON here.")] = None,
    as_junit: Annotated[Path | None, typer.Option("--junit", help="Write JUnit XML here.")] = None,
    as_html: Annotated[Path | None, typer.Option("--html", help="Write a page here.")] = None,
    adapters: Adapters = None,
) -> int:
    """Put a meter through simulated machines and faults: 0 passed, 1 silently wrong somewhere."""
    from calibrate import bench, campaign
    from calibrate.conformance import (
        SCENARIOS,
        Command,
        MeterUnderTest,
        certificate_document,
        certificate_html,
        certificate_junit,
        load_certificate,
        load_scenarios,
        run_trials,
    )

    if meter:
        bench.check()
    elif not earlier:
        raise CrosswattError("Which meter? Write for example: crosswatt conformance rapl")
    chosen = load_scenarios(scenarios or SCENARIOS, only or ())
    if seconds is not None:
        chosen = chosen.model_copy(update={"seconds": seconds})
    written = (
        (as_json, lambda all_: json.dumps(certificate_document(all_), indent=1) + "\n"),
        (as_junit, certificate_junit),
        (as_html, certificate_html),
    )
    meters: list[MeterUnderTest] = []
    if energy_from is not None:
        meters.append(Command(tuple(meter or ()), energy_from, unit, scope))
    elif meter:
        settings = _settings(options or [])
        probes = campaign.sources(meter, tuple(adapters or ()))
        meters += [replace(each, options={**each.options, **settings}) for each in probes]
    found = [each for path in earlier or () for each in load_certificate(path)]
    _write(written, found)
    for each in meters:
        err.print(f"{each.name}: {len(chosen.scenario)} trials.", markup=False)
        found.append(run_trials(each, chosen, tolerance, at_once))
        _say_conformance(found[-1])
        _write(written, found)  # after every meter: an interruption costs one, not all
    return int(any(each.failed for each in found))


def _write(
    wanted: Iterable[tuple[Path | None, Callable[[list[Conformance]], str]]],
    found: list[Conformance],
) -> None:
    """Write the files that were asked for, once there is anything to write."""
    from calibrate import store

    for path, make in wanted:
        if path and found:
            store.write(path, make(found))


def _settings(texts: list[str]) -> dict[str, str]:
    """Return settings written as key=value."""
    for text in texts:
        if "=" not in text:
            raise CrosswattError(f"{text!r} is not a setting; write it as key=value.")
    return dict(text.split("=", 1) for text in texts)


def _say_conformance(found: Conformance) -> None:
    """Print one meter's table, and what is wrong with it."""
    from calibrate import conformance as conformances
    from calibrate.conformance import MEANING, certificate_row
    from calibrate.quantity import number

    table = Table(box=None, pad_edge=False, title=f"{found.meter} (simulated machines)")
    table.title_justify = "left"
    for heading in ("scenario", "verdict", "reported/true", "why"):
        table.add_column(heading, justify="right" if "/" in heading else "left")
    styles = {"right": "green", "silent": "bold red", "stopped": "bold red", "misled": "yellow"}
    for outcome in found.outcomes:
        cells = [Text(cell) for cell in certificate_row(outcome)]
        cells[1].stylize(styles.get(outcome.verdict, ""))
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


@app.command()
def doctor(adapters: Adapters = None) -> None:
    """Say what can be measured here, by which probe, in which mode, and why not the rest."""
    from calibrate import campaign
    from calibrate.campaign import describe_machine
    from calibrate.cli import doctor as doctors
    from calibrate.cli.doctor import conditions

    here = describe_machine()
    out.print(f"Machine: {here.label}, {here.cpus} CPUs, kernel {here.kernel}", markup=False)
    for line in conditions():
        out.print(line, markup=False)
    known = campaign.sources(extra=tuple(adapters or ()))
    doctors.table(out, known)


@probes_app.callback(invoke_without_command=True)
def probes(context: typer.Context) -> None:
    """List the probes that there are."""
    if context.invoked_subcommand:
        return
    from calibrate.cli.doctor import catalogue

    catalogue(out)


@probes_app.command()
def add(
    requirement: Annotated[str, typer.Argument(help="An exact release: codecarbon==1.2.0")],
) -> None:
    """Make an environment with another release of a library; it becomes a probe."""
    made = add_environment(requirement)
    out.print(f"Probe {made.name} is there ({environments_home() / made.name}).", markup=False)
    for repair in made.repairs:
        out.print(f"  mended so that it imports: {repair}", markup=False)


@probes_app.command()
def remove(name: Annotated[str, typer.Argument(help="For example codecarbon-1.2.0")]) -> None:
    """Delete such an environment."""
    remove_environment(name)


@bench_app.command("exec")
def bench_exec(
    command: Annotated[list[str], typer.Argument(help="What to run, after --.")],
    model: Annotated[str, typer.Option("--model", help="A model, or a TOML file.")] = DEFAULT_MODEL,
    fault: Annotated[
        list[str] | None, typer.Option("--fault", help="What is wrong with it; see 'bench faults'.")
    ] = None,
    replay: Annotated[
        Path | None,
        typer.Option("--replay", help="Power from this CSV or campaign, not from this host."),
    ] = None,
    speed: Annotated[
        float, typer.Option("--speed", help="Seconds of the replay that pass in a second.")
    ] = 1.0,
    load: Annotated[
        str | None, typer.Option("--load", help="CPU use by the clock: 0.9x1.5,0.2x0.5")
    ] = None,
) -> int:
    """Run any command on a simulated machine."""
    from calibrate import bench
    from calibrate.energy import power_trace

    with power_trace(replay) as path:
        wanted = bench.Setup(model, tuple(fault or ()), path, speed, load)
        return bench.execute(wanted, command)


@bench_app.command("models")
def bench_models() -> None:
    """List the models."""
    from calibrate import bench

    for name in bench.names():
        out.print(f"{name}: {bench.load(name).title}", markup=False)


@bench_app.command("faults")
def bench_faults() -> None:
    """List the faults that a simulated machine can have."""
    from calibrate.bench import KINDS

    table = Table(box=None, pad_edge=False)
    for title in ("fault", "where", "what it does to those it strikes"):
        table.add_column(title)
    for name, kind in KINDS.items():
        shown = name if kind.value is None else f"{name}={kind.value:g}"
        table.add_row(shown, kind.group, kind.summary)
    out.print(table)
