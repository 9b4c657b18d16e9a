"""The command that measures: workloads run while several probes record."""

from __future__ import annotations

import secrets
import shlex
import time
from datetime import date, datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from calibrate.cli.console import elapsed, err, out
from calibrate.cli.help import Commands, examples
from calibrate.cli.memory import require_address_space
from calibrate.cli.options import (
    FAILED,
    INCONCLUSIVE,
    INTERRUPTED,
    Adapters,
    Bench,
    Carbon,
    Faults,
    Need,
    NoBench,
    OptionalPlanName,
    OutFolder,
    Probes,
    Quick,
    Rates,
    Seed,
    Settings,
    WorkloadNames,
    Workloads,
    asked_need,
)
from calibrate.cli.report import render, say_program, say_verdicts
from calibrate.cli.stage import (
    bench_model,
    inside,
    interruptible,
    ready,
    shortfall,
    warn_of_others,
)
from calibrate.errors import CrosswattError

if TYPE_CHECKING:
    from calibrate.analysis import Analysis
    from calibrate.campaign import Plan
    from calibrate.store import Campaign, CampaignRecord

commands = Commands()


@commands.command(
    epilog=examples(
        "crosswatt run --quick --out first",
        "crosswatt run -p rapl -p codecarbon -w gemm -n 5",
        "crosswatt run --plan asr-study --bench desktop --out speech",
        "crosswatt run --until 1% --out precise",
        "crosswatt run --out mine -- python train.py",
        "crosswatt run -p load=codecarbon -s load.force_mode_cpu_load=true",
        "crosswatt run --resume first",
    )
)
def run(
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="CMD", help="Your own command as the workload, after --."),
    ] = None,
    quick: Quick = False,
    plan: OptionalPlanName = None,
    probe: Probes = None,
    workload: WorkloadNames = None,
    folder: OutFolder = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            "--resume", metavar="FOLDER", help="Continue the interrupted campaign in this folder."
        ),
    ] = None,
    trust: Annotated[
        bool,
        typer.Option(
            "--trust",
            help="With --resume: run the programs that the folder names, though it was not "
            "started here by you.",
        ),
    ] = False,
    repeats: Annotated[
        int | None,
        typer.Option(
            "--repeats",
            "-n",
            min=1,
            metavar="N",
            help="How often each workload runs; by default as the plan says, 3 for a command.",
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            "--until",
            metavar="PERCENT",
            help="Repeat until every factor is known to this uncertainty (95 %), such as 1%.",
        ),
    ] = None,
    max_repeats: Annotated[
        int,
        typer.Option(
            "--max-repeats", min=1, metavar="N", help="With --until: stop after so many repeats."
        ),
    ] = 100,
    bench: Bench = None,
    fault: Faults = None,
    no_bench: NoBench = False,
    rate: Rates = None,
    settings: Settings = None,
    need: Need = None,
    carbon: Carbon = None,
    seed: Seed = None,
    adapters: Adapters = None,
    workloads: Workloads = None,
) -> int:
    """Run workloads while several probes measure, then compare, explain, correct, report.

    Where RAPL cannot be read it runs on a simulated machine, and says so. The exit code is 1 when
    a workload failed in every run. It is 2 when the goal of --until was missed, when runs were left
    out, since the plan took more than twice the time it announces (and two minutes), or when runs
    lost the process of a probe or of the workload each time they were repeated.
    """
    from calibrate import bench as benches
    from calibrate import campaign, store
    from calibrate.campaign import (
        at_rates,
        create_campaign,
        on_bench,
        perform_campaign,
        with_reference,
        with_settings,
    )
    from calibrate.cli.progress import watcher
    from calibrate.comparison import Goal, parse_goal
    from calibrate.costs import find_intensity

    started = time.monotonic()
    if carbon is not None:
        find_intensity(carbon, date.today())  # a place that is not known is refused at once
    target = resume or folder or Path(f"crosswatt-{datetime.now():%Y%m%d-%H%M%S}")
    if not resume:
        mine = tuple(workloads or ())
        chosen = _plan(command, quick, plan, workload, mine)
        if chosen.alone:
            raise CrosswattError(
                f"The plan {chosen.title} is for 'crosswatt observe --plan {plan or chosen.title}'."
            )
        target_share = None if until is None else parse_goal(until)
        if target_share is not None and repeats:
            raise CrosswattError("Choose one of --repeats and --until.")
        if target_share is not None or repeats:
            chosen = chosen.model_copy(update={"repeats": repeats or max_repeats})
        model = bench_model(bench, fault or [], no_bench)
        asked, own = probe or chosen.probes, tuple(adapters or ())
        simulated = model is not None or on_bench()
        sources = campaign.sources(asked, own, simulated=simulated)
        sources = with_reference(sources, own, simulated=simulated)
        sources = with_settings(at_rates(sources, rate or ()), settings or ())
        ready(model)  # before anything is written
        order = secrets.randbelow(2**31) if seed is None else seed
        create_campaign(
            target, chosen, sources, order, model, mine, fault or [], target_share,
            need=asked_need(need),
        )  # fmt: skip
    record = store.read(target / store.CAMPAIGN, store.CampaignRecord)
    if not on_bench():
        _tell_withheld(record)
    if resume and not trust:
        campaign.require_own_campaign(target)
    if record.bench and not on_bench():
        options = ["--carbon", carbon] if carbon else []
        return inside(benches.Setup(record.bench, record.faults), target, options)
    goal = None if record.until is None else Goal(record.until)
    warn_of_others()
    try:
        with interruptible(), watcher(out, target) as watching:
            ending = perform_campaign(target, watching, goal=goal, meanwhile=_load_for_report)
    except KeyboardInterrupt:
        err.print(
            f"Interrupted. The finished runs are kept; go on with: "
            f"crosswatt run --resume {shlex.quote(str(target))}"
        )
        return INTERRUPTED
    done = _conclude(target, started, carbon)
    code = shortfall(ending, target)
    if record.until is not None and _missed(done, record.until):
        code = INCONCLUSIVE
    return FAILED if _failures(done.campaign) else code


def _tell_withheld(record: CampaignRecord) -> None:
    """Say which secrets of the workloads' commands are not in the record."""
    from calibrate.campaign import withheld_names

    for name in withheld_names(record.jobs):
        err.print(
            f"A likely secret in the command of a workload is not recorded. 'crosswatt run "
            f"--resume' takes it from the environment variable {name}.",
            markup=False,
        )


def _missed(done: Analysis, target: float) -> bool:
    """Say how well each factor is known where one is not known well enough; tell whether so."""
    from calibrate.cli.progress import column_words
    from calibrate.comparison import Goal, least_known

    goal = Goal(target)
    goal.take(done.comparison.pairs)
    known = goal.factors()
    if goal.reached:
        return False
    reached = "; ".join(column_words(each) for each in least_known(known))
    repeats = max((each.repeats for each in known), default=0)
    err.print(
        f"Not every factor is known to {100 * target:g} % after {repeats} repeats: "
        f"{reached or 'no probe has a factor'}.",
        markup=False,
    )
    if any(each.drifts for each in known):
        err.print(
            "The meter drifts: repeats do not help. Look for what changes (temperature, another "
            "program, the reference), let the machine warm up first, and measure again."
        )
    else:
        again = f"crosswatt plan {shlex.quote(str(done.campaign.folder))} --until {100 * target:g}%"
        err.print(f"To see what it takes: {again}", markup=False)
    return True


def _load_for_report() -> None:
    """Import what takes a second where a report needs it, and is free while probes open."""
    for name in (
        "calibrate.analysis",
        "calibrate.reporting",
        "scipy.stats",
        "vl_convert",
    ):
        import_module(name)


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


def _conclude(target: Path, started: float, carbon: str | None) -> Analysis:
    """Analyse, report, and say the verdicts."""
    from calibrate import analysis

    require_address_space()  # it may have been limited meanwhile
    found = analysis.analyze(target, carbon=carbon)
    found.write()
    report = render(found, "html", target / "report.html")
    say_verdicts(found)
    say_program(found)
    out.print(f"Report: {report} ({elapsed(started)} in all)", markup=False)
    return found
