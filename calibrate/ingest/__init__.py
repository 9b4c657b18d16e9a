"""Other people's measurements, made a campaign: one importer a format.

feed        what an importer hands over
opened      files, packed or not
long        a long table, as it is read
sheet       rows of delimited text
documents   objects of JSON; bson has those of MongoDB's dumps
stamps      lines beside the time at which they were written
prometheus  what was extracted from Prometheus
trackers, perun, powerapi, scaphandre, processors, gpus, wattmeters, plugs, boards
            what meters write
published   folders that were published with a paper
mapping     any CSV by a short mapping file
folder      the campaign that comes of it
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from calibrate.errors import UnknownName
from calibrate.ingest.feed import Found, Options

Importer = Callable[[Sequence[Path], Options], Found]


def formats() -> dict[str, Importer]:
    """Return the importers by format."""
    from calibrate.ingest import (
        boards,
        gpus,
        mapping,
        perun,
        plugs,
        powerapi,
        processors,
        published,
        scaphandre,
        trackers,
        wattmeters,
    )

    return {
        "csv": mapping.table,
        "codecarbon": trackers.codecarbon,
        "pyjoules": trackers.pyjoules,
        "carbontracker": trackers.carbontracker,
        "zeus": trackers.zeus,
        "perun": perun.perun,
        "powerapi": powerapi.powerapi,
        "scaphandre": scaphandre.scaphandre,
        "perf-stat": processors.perf_stat,
        "turbostat": processors.turbostat,
        "energibridge": processors.energibridge,
        "alumet": processors.alumet,
        "nvidia-smi": gpus.nvidia_smi,
        "dcgm": gpus.dcgm,
        "ptd": wattmeters.ptdaemon,
        "kwollect": wattmeters.kwollect,
        "redfish": boards.redfish,
        "ipmi": boards.ipmi,
        "home-assistant": plugs.home_assistant,
        "shelly": plugs.shelly,
        "tapo": plugs.tapo,
        "ccgrid2023": published.ccgrid2023,
        "icpe2024": published.icpe2024,
        "codecarbon-load": published.codecarbon_load,
    }


def find(name: str) -> Importer:
    """Return an importer, or raise `UnknownName` with the nearest ones."""
    known = formats()
    if name not in known:
        raise UnknownName("format", name, known)
    return known[name]
