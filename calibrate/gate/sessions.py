"""Which runs were made in one go.

Runs of one session share temperature, clocks, and what else ran: they scatter less than runs of
different days. A campaign has several sessions where it was continued later, or where runs were
added to it on several days.
"""

from __future__ import annotations

from calibrate.store import Campaign

#: A pause after which a machine is taken to have forgotten the run before, ns.
PAUSE_NS = 30 * 60 * 10**9


def sessions(campaign: Campaign) -> dict[str, int]:
    """Return the session of every run, by the folder of the run, counted from 0.

    A session ends with a pause of half an hour, or where the machine was started again. Imports
    have no clock that tells of a start.
    """
    runs = sorted(campaign.runs, key=lambda run: (run.record.epoch_ns, run.record.number))
    found: dict[str, int] = {}
    number = 0
    for before, run in zip([None, *runs], runs, strict=False):
        if before is not None:
            last, now = before.record, run.record
            pause = now.epoch_ns - last.epoch_ns - (last.end_ns - last.begin_ns)
            restarted = not campaign.record.is_import and now.begin_ns < last.begin_ns
            number += pause > PAUSE_NS or restarted
        found[run.folder.name] = number
    return found
