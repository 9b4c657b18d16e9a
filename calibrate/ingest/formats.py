"""The importers by format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from calibrate.errors import UnknownName
from calibrate.ingest.feed import Found, Options

Importer = Callable[[Sequence[Path], Options], Found]


def importers() -> dict[str, Importer]:
    """Return the importers by format."""
    from calibrate.ingest import perun, powerapi, scaphandre
    from calibrate.ingest.boards import ipmi, redfish
    from calibrate.ingest.gpus import dcgm, nvidia_smi
    from calibrate.ingest.mapping import table
    from calibrate.ingest.metrics import prometheus
    from calibrate.ingest.plugs import home_assistant, shelly, tapo
    from calibrate.ingest.processors import alumet, energibridge, perf_stat, turbostat
    from calibrate.ingest.published import ccgrid2023, codecarbon_load, icpe2024
    from calibrate.ingest.trackers import carbontracker, codecarbon, pyjoules, zeus
    from calibrate.ingest.wattmeters import kwollect, ptdaemon

    return {
        "csv": table,
        "codecarbon": codecarbon,
        "pyjoules": pyjoules,
        "carbontracker": carbontracker,
        "zeus": zeus,
        "perun": perun.perun,
        "powerapi": powerapi.powerapi,
        "scaphandre": scaphandre.scaphandre,
        "perf-stat": perf_stat,
        "turbostat": turbostat,
        "energibridge": energibridge,
        "alumet": alumet,
        "nvidia-smi": nvidia_smi,
        "dcgm": dcgm,
        "prometheus": prometheus,
        "ptd": ptdaemon,
        "kwollect": kwollect,
        "redfish": redfish,
        "ipmi": ipmi,
        "home-assistant": home_assistant,
        "shelly": shelly,
        "tapo": tapo,
        "ccgrid2023": ccgrid2023,
        "icpe2024": icpe2024,
        "codecarbon-load": codecarbon_load,
    }


def find_importer(name: str) -> Importer:
    """Return an importer, or raise `UnknownName` with the nearest ones."""
    known = importers()
    if name not in known:
        raise UnknownName("format", name, known)
    return known[name]
