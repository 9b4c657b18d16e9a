"""The command that looks ahead: what a plan will do and tell, and what a pilot says is needed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from calibrate.cli import complete
from calibrate.cli.console import err, out, plain_table, span
from calibrate.cli.help import Commands, examples
from calibrate.cli.options import Quick, Reference, Workloads
from calibrate.errors import CrosswattError
from calibrate.simulated import before_figures

if TYPE_CHECKING:
    from calibrate.campaign import Plan
    from calibrate.store import Job
    from calibrate.studies import Told

commands = Commands()


@commands.command(
    epilog=examples(
        "crosswatt plan default",
        "crosswatt plan ml-study --quick",
        "crosswatt plan my-plan.toml --workloads my-workloads",
        "crosswatt plan first --until 1%",
    )
)
def plan(
    what: Annotated[
        str,
        typer.Argument(
            metavar="PLAN|FOLDER",
            help="A plan, by name or TOML file; or the folder of a pilot campaign.",
            autocompletion=complete.plan_names,
        ),
    ],
    quick: Quick = False,
    until: Annotated[
        str,
        typer.Option(
            "--until",
            metavar="PERCENT",
            help="With a pilot: the uncertainty wanted of every factor.",
        ),
    ] = "1%",
    reference: Reference = None,
    workloads: Workloads = None,
    simulations: Annotated[
        int,
        typer.Option(
            "--simulations", min=1, metavar="N", help="Simulated campaigns for each fault."
        ),
    ] = 5,
) -> None:
    """Show what a plan runs, how long it takes and which faults it can find.

    With the folder of a pilot campaign instead: how many repeats, and how long runs, a wanted
    uncertainty takes.
    """
    from calibrate import store
    from calibrate.comparison import parse_goal

    target = parse_goal(until)
    if (Path(what) / store.CAMPAIGN).is_file():
        _from_pilot(Path(what), target, reference)
    elif Path(what).is_dir():
        raise CrosswattError(f"{what} is no campaign: it has no {store.CAMPAIGN}.")
    else:
        from calibrate.campaign import load_plan, load_quick_plan, plan_jobs

        extra = tuple(workloads or ())
        found = (load_quick_plan if quick else load_plan)(what, extra)
        jobs = _alone(found) if found.alone else plan_jobs(found, 0, extra)
        _steps(found, jobs)
        if not found.alone:
            _tells(found, simulations)


def _alone(found: Plan) -> Sequence[Job]:
    """Return the runs of a plan for `observe`, with the probes that work here.

    Where it would run on the bench, what works there is known when it starts.
    """
    from calibrate.campaign import describe_probes, jobs_alone, rapl_readable
    from calibrate.cli.studies import always_there, observed

    on_bench = not rapl_readable()
    always = always_there(on_bench=on_bench)
    sources = observed(found.probes, always, (), on_bench=on_bench)
    names = [each.name for each in sources]
    fewer = "fewer with --probe, and where a probe cannot be opened there"
    if not on_bench:
        states = {name: state for name, (state, _) in describe_probes(sources).items()}
        missing = [name for name in names if states[name].status != "ok"]
        names = [name for name in names if name not in missing]
        fewer = "fewer with --probe"
        if missing:
            fewer += f". Without {', '.join(missing)}, which cannot be opened here"
    others = [name for name in names if name != always]
    out.print(
        f"For 'crosswatt observe': each workload with none but {always}, with each of "
        f"{', '.join(others)} alone, and with all; {fewer}.",
        markup=False,
    )
    return jobs_alone(found, 0, always, names)


def _steps(found: Plan, jobs: Sequence[Job]) -> None:
    """Print what will run."""
    from calibrate.campaign import announced_s

    about = announced_s(found, jobs) or 0.0
    title = f"{found.title}: {len(jobs)} runs, about {span(about)}, in an order by chance"
    table = plain_table("workload", "arguments", "seconds, repeat by repeat", title=title)
    for step in found.workload:
        lengths = [s for _, each, s in found.in_turn() if each is step]
        table.add_row(
            step.called, " ".join(step.arguments) or "-", ", ".join(f"{s:g}" for s in lengths)
        )
    out.print(table)
    if found.probes:
        out.print(f"Probes: {', '.join(found.probes)}", markup=False)
    if found.lifecycle:
        out.print("Its report extrapolates to when use outweighs training.")
    if found.publication:
        out.print(f"Its report judges the claims of: {found.publication.source}", markup=False)


def _tells(found: Plan, simulations: int) -> None:
    """Print which faults its runs would tell."""
    from rich.progress import track

    from calibrate.studies import METERS, foresee

    told = list(
        track(
            foresee(found, simulations),
            "making up campaigns",
            len(METERS),
            console=err,
            transient=True,
        )
    )
    out.print(
        f"\nWhat its runs tell of a meter ({simulations} SIMULATED campaigns for each fault, 2 % "
        "noise, powers as the workloads usually have them):"
    )
    named = [each.fault for each in told if each.verdict == "named"]
    out.print(f"named, {len(named)} of {len(told)}: {', '.join(named) or 'none'}")
    for words, verdict in (("one of several", "among others"), ("not told", "not told")):
        for each in told:
            if each.verdict == verdict:
                out.print(f"{words}: {_taken(each)}", markup=False)
    if len(named) < len(told):
        out.print(
            "More lengths, more levels of load, and more repeats tell more apart; a diagnosis "
            "names the run that would.",
            style="dim",
        )


def _taken(each: Told) -> str:
    return f"{each.fault} (taken for: {each.instead})" if each.instead else each.fault


def _from_pilot(pilot: Path, target: float, reference: str | None) -> None:
    """Print how many repeats, and how long runs, a wanted uncertainty takes."""
    from calibrate import analysis
    from calibrate.comparison import forecast, seconds_of_repeat

    found = analysis.analyze(pilot, reference)
    label = before_figures(simulated=found.comparison.simulated)
    columns = ("probe", "column", "spread", "repeats", "with --until", "time", "runs of at least")
    title = f"{label}To know every factor to {100 * target:g} %, for these workloads"
    table = plain_table(*columns, title=title)
    repeat_s = seconds_of_repeat(found.campaign)
    for each in forecast(found.comparison.pairs, target, repeat_s):
        if each.sd is None:
            table.add_row(each.probe, each.column, each.reason, *["-"] * 4)
            continue
        table.add_row(
            each.probe,
            each.column,
            f"{100 * each.sd:.2g} %{_correlated(each.lag1)}",
            str(each.repeats),
            f"about {each.sequence}",
            "-" if each.campaign_s is None else span(each.campaign_s),
            "any length"
            if (each.seconds or 0) < 0.1
            else f"{each.seconds:.2g} s ({each.workload})",
        )
    out.print(table)
    out.print(
        "Spread: sd of a repeat. Planned with its upper 80 % limit. Repeats make the error of "
        "chance smaller, not the difference between workloads nor the error of the reference.",
        style="dim",
    )


def _correlated(lag1: float) -> str:
    return f", neighbours correlate with {lag1:.2f}" if lag1 else ""
