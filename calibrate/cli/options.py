"""What the commands share: options, and exit codes.

A letter means one thing in all commands: -b bench, -f format, -h help, -n repeats, -o out,
-p probe, -q quick, -r reference, -s set, -V version, -w workload.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calibrate.cli import complete

FAILED, INCONCLUSIVE, REFUSED, IMPOSSIBLE, INTERNAL, LOST, INTERRUPTED = 1, 2, 64, 69, 70, 75, 130
DEFAULT_MODEL = "desktop"

ENERGY_UNITS = "J, kJ, mJ, uJ, Wh or kWh"


Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder of a campaign.")]
Quick = Annotated[
    bool, typer.Option("--quick", "-q", help="The plan 'quick', or the quick form of a plan.")
]
_PLAN = typer.Option(
    "--plan",
    metavar="PLAN",
    help="A shipped plan by name, or a TOML file.",
    autocompletion=complete.plan_names,
)
PlanName = Annotated[str, _PLAN]
OptionalPlanName = Annotated[str | None, _PLAN]
Probes = Annotated[
    list[str] | None,
    typer.Option(
        "--probe",
        "-p",
        metavar="PROBE",
        help="Only this probe, beside the truth on a simulated machine; may be repeated. "
        "ALIAS=PROBE gives it another name, so that one probe can run several times with different "
        "settings.",
        autocompletion=complete.probe_names,
    ),
]
WorkloadNames = Annotated[
    list[str] | None,
    typer.Option(
        "--workload",
        "-w",
        metavar="WORKLOAD",
        help="Only this workload of the plan; may be repeated.",
        autocompletion=complete.workload_names,
    ),
]
Bench = Annotated[
    str | None,
    typer.Option(
        "--bench",
        "-b",
        metavar="MODEL",
        help="Run on a simulated machine: a model by name, or a TOML file.",
        autocompletion=complete.bench_models,
    ),
]
NoBench = Annotated[
    bool, typer.Option("--no-bench", help="Measure this machine even without RAPL.")
]
Faults = Annotated[
    list[str] | None,
    typer.Option(
        "--fault",
        metavar="FAULT",
        help="A fault of the simulated machine, such as stuck,at_s=20,scope=package-0; may be "
        "repeated. 'crosswatt bench faults' lists them.",
        autocompletion=complete.bench_faults,
    ),
]
OutFolder = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", metavar="FOLDER",
        help="The folder to write, new or empty; by default a new one named after the time.",
    ),
]  # fmt: skip
Rates = Annotated[
    list[str] | None,
    typer.Option(
        "--rate", metavar="PROBE=HZ", help="Readings per second of a probe; may be repeated."
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        "-s",
        metavar="PROBE.KEY=VALUE",
        help="A setting of a probe; may be repeated.",
    ),
]
Seed = Annotated[
    int | None, typer.Option("--seed", metavar="N", help="Seed for the order of the runs.")
]
Adapters = Annotated[
    list[Path] | None,
    typer.Option(
        "--adapters", metavar="FOLDER", help="A folder with your own adapters; may be repeated."
    ),
]
Workloads = Annotated[
    list[Path] | None,
    typer.Option(
        "--workloads", metavar="FOLDER", help="A folder with your own workloads; may be repeated."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON to standard output.")]
Across = Annotated[
    bool,
    typer.Option("--across", help="Also compare different scopes, such as RAPL with the wall."),
]
Need = Annotated[
    str | None,
    typer.Option(
        "--need",
        metavar="SHARE",
        help="The uncertainty (95 %) of one corrected reading that is good enough; by default the "
        "campaign's, or 5%.",
    ),
]
Reference = Annotated[
    str | None,
    typer.Option(
        "--reference",
        "-r",
        metavar="PROBE",
        help="The probe that the others are compared with; by default the best there is.",
        autocompletion=complete.probe_names,
    ),
]


def asked_need(text: str | None) -> float | None:
    """Return the need that an option states as a share, if it does."""
    from calibrate.comparison import parse_goal

    return None if text is None else parse_goal(text)


ReportFile = Annotated[
    Path | None,
    typer.Option("--report", metavar="FILE", help="Also write a page with charts, HTML."),
]
Carbon = Annotated[
    str | None,
    typer.Option(
        "--carbon",
        metavar="PLACE",
        help="Also CO2e: a country (FRA), a US state (USA-CA), or g/kWh.",
    ),
]
LogZone = Annotated[
    str | None,
    typer.Option(
        "--zone", metavar="ZONE", help="The zone of times without one: UTC, Europe/Paris ..."
    ),
]
LogUnit = Annotated[
    str | None,
    typer.Option(
        "--unit", metavar="UNIT", help="The unit of values without one: W, mW, J, kWh ..."
    ),
]
LogScope = Annotated[
    str | None,
    typer.Option(
        "--scope", metavar="SCOPE", help="What the meter covers, where the file lacks it."
    ),
]
LogMapping = Annotated[
    Path | None,
    typer.Option("--mapping", metavar="FILE", help="What the columns of a CSV file are, TOML."),
]
