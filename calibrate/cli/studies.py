"""Commands about probes themselves: what they cost and do to each other, how they respond."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from calibrate.cli import complete
from calibrate.cli.console import err, out, plain_table, print_json
from calibrate.cli.help import Commands, examples
from calibrate.cli.options import (
    INCONCLUSIVE,
    Adapters,
    AsJson,
    Bench,
    Faults,
    NoBench,
    OutFolder,
    PlanName,
    Probes,
    Rates,
    Reference,
    Seed,
    Settings,
)
from calibrate.cli.stage import bench_model, perform, ready
from calibrate.errors import CrosswattError
from calibrate.probe.adapter import load_probe
from calibrate.simulated import before_figures

if TYPE_CHECKING:
    from calibrate.analysis import Analysis
    from calibrate.campaign import Source
    from calibrate.studies import Datasheet, Observation, Sheet

commands = Commands()

#: How often the truth is read for a datasheet: windows of 25 ms are to be seen.
_TRUTH_HZ = 500
#: How often a sensor is read for a datasheet; trackers, which measure by themselves, are not.
_SHEET_HZ, _TRACKER_S = 100, 0.15


@commands.command(
    epilog=examples(
        "crosswatt observe --out effects",
        "crosswatt observe -p rapl -p codecarbon --bench desktop",
        "crosswatt observe effects --json",
    )
)
def observe(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="FOLDER", help="The folder of an earlier one; prints it, measures nothing."
        ),
    ] = None,
    probe: Probes = None,
    plan: PlanName = "observe",
    reference: Reference = None,
    bench: Bench = None,
    no_bench: NoBench = False,
    target: OutFolder = None,
    seed: Seed = None,
    as_json: AsJson = False,
    adapters: Adapters = None,
) -> int:
    """Measure what probes do to the machine and to each other.

    Each probe runs alone, all run together, and none runs; only the reference is always there.
    """
    from calibrate import studies
    from calibrate.campaign import create_campaign, load_plan
    from calibrate.reporting import interference_page

    code = 0
    if folder is None:
        model = bench_model(bench, [], no_bench)
        chosen = load_plan(plan)
        always = reference or always_there(on_bench=model is not None)
        sources = observed(
            probe or chosen.probes, always, adapters or (), on_bench=model is not None
        )
        folder = target or Path(f"crosswatt-observe-{datetime.now():%Y%m%d-%H%M%S}")
        order = secrets.randbelow(2**31) if seed is None else seed
        ready(model)
        create_campaign(folder, chosen, sources, order, model, alone=always)
        code = perform(folder, model, [], as_json=as_json)
        if code not in (0, INCONCLUSIVE):
            return code
    found = studies.observe(folder)
    _say_effects(found, as_json=as_json)
    _write_page(folder / "observe.html", interference_page(found), as_json=as_json)
    return code


def _write_page(path: Path, page: str, *, as_json: bool) -> None:
    """Write a page into a campaign's folder, and say where it is."""
    from calibrate import store

    store.write(path, page)
    (err if as_json else out).print(f"Report: {path}", markup=False)


def always_there(*, on_bench: bool) -> str:
    """Return the reference that is beside all others when they are observed."""
    return "truth" if on_bench else "rapl"


def observed(
    names: Sequence[str], always: str, adapters: Sequence[Path], *, on_bench: bool
) -> list[Source]:
    """Return the probes that `observe` runs alone and together, the reference among them."""
    from calibrate import campaign

    sources = campaign.sources([*names], adapters, simulated=on_bench)
    if always in {source.name for source in sources}:
        return list(sources)
    return [*campaign.sources([always], adapters), *sources]


@commands.command(
    epilog=examples(
        "crosswatt characterize codecarbon --out sheet",
        "crosswatt characterize rapl --bench desktop --fault stale=0.2",
        "crosswatt characterize rapl --folder sheet --domain package-0 --json",
    )
)
def characterize(
    probe: Annotated[
        str,
        typer.Argument(
            metavar="PROBE",
            help="The probe; with --folder, one of that campaign.",
            autocompletion=complete.probe_names,
        ),
    ],
    folder: Annotated[
        Path | None,
        typer.Option(
            "--folder", metavar="FOLDER", help="The folder of a campaign; measures nothing."
        ),
    ] = None,
    domain: Annotated[
        str | None,
        typer.Option("--domain", metavar="DOMAIN", help="Only this domain of the probe."),
    ] = None,
    plan: PlanName = "characterize",
    bench: Bench = None,
    fault: Faults = None,
    no_bench: NoBench = False,
    target: OutFolder = None,
    rate: Rates = None,
    settings: Settings = None,
    as_json: AsJson = False,
    adapters: Adapters = None,
) -> int:
    """Measure how a probe responds, and write its datasheet.

    Update period, resolution, averaging window, duty cycle, lag, noise, linearity and more, each
    with its uncertainty, or the reason why it could not be measured.
    """
    from calibrate import campaign, store, studies
    from calibrate.campaign import at_rates, create_campaign, load_plan, with_settings
    from calibrate.reporting import datasheet_page

    code = 0
    if folder is None:
        model = bench_model(bench, fault or [], no_bench)
        chosen = load_plan(plan)
        beside = [name for name in ("truth" if model else "rapl",) if name != probe]
        sources = campaign.sources([*beside, probe], adapters or ())
        # The reference is to be finer than what is seen beside it.
        own = [] if model is None or probe == "truth" else [f"truth={_TRUTH_HZ}"]
        adapter = load_probe(sources[-1].adapter)
        if 1 / _SHEET_HZ < adapter.period_s < _TRACKER_S:
            own.append(f"{probe}={_SHEET_HZ}")
        sources = at_rates(sources, [*own, *(rate or ())])
        sources = with_settings(sources, settings or ())
        folder = target or Path(f"crosswatt-{probe}-{datetime.now():%Y%m%d-%H%M%S}")
        ready(model)
        create_campaign(folder, chosen, sources, secrets.randbelow(2**31), model, (), fault or [])
        code = perform(folder, model, fault or [], as_json=as_json)
        if code not in (0, INCONCLUSIVE):
            return code
    found = studies.characterize(folder, probe, domain)
    store.save(folder / f"datasheet-{probe}.json", found)
    if as_json:
        print_json(found.model_dump_json(indent=1, by_alias=True))
    else:
        for sheet in found.sheets:
            out.print(_sheet(found, sheet))
    page = datasheet_page(found, _analysis(folder))
    _write_page(folder / f"datasheet-{probe}.html", page, as_json=as_json)
    return code


def _analysis(folder: Path) -> Analysis | None:
    """Return the analysis of a campaign, whose power is drawn; None without a reference."""
    from calibrate.analysis import analyze

    try:
        return analyze(folder)
    except CrosswattError:
        return None


def _sheet(found: Datasheet, sheet: Sheet) -> Table:
    """Return the datasheet of one domain as a table."""
    from calibrate.reporting import SHEET_HEAD, sheet_rows

    label = before_figures(simulated=found.simulated)
    beside = f", beside {found.reference}" if found.reference else ", without a reference"
    title = f"{label}{found.probe} {sheet.domain} ({sheet.kind}){beside}"
    table = plain_table(*SHEET_HEAD, title=title)
    for cells, known in sheet_rows(sheet):
        table.add_row(*cells, style=None if known else "dim")
    return table


def _say_effects(found: Observation, *, as_json: bool) -> None:
    """Print the interference matrix: conditions by what they affect."""
    from calibrate.reporting import EFFECTS_NOTE, effect_tables, effects_sentence

    if as_json:
        print_json(found.model_dump_json(indent=1))
        return
    out.print(effects_sentence(found), style="bold", markup=False)
    label = before_figures(simulated=found.simulated)
    for workload, head, rows in effect_tables(found):
        title = f"{label}What measuring changes, workload {workload}, beside {found.reference}"
        table = plain_table(*head, title=title)
        for row in rows:
            table.add_row(*row)
        out.print(table)
    out.print(EFFECTS_NOTE, style="dim")
