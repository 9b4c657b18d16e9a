"""What a mean run of a workload uses: joules by the reference, and by each probe, corrected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from calibrate.calibration import (
    Calibration,
    Corrected,
    CorrectedReading,
    Correction,
    Corrector,
)
from calibrate.comparison import Comparison, Pair, PairedRun, widest_pair
from calibrate.errors import CrosswattError
from calibrate.store import Campaign, Document


class Usage(Document):
    """Energy of a mean run of one workload, by one probe.

    ``how``: ``reference``, ``corrected`` by the probe's calibration, ``needs no correction``, or
    ``as reported``, of which nobody knows the uncertainty. ``u_relative`` is half of the relative
    expanded uncertainty (95 %), None where it is not known. ``reported_j`` is what the probe says.
    """

    workload: str
    probe: str
    scope: str
    runs: int
    seconds: float
    how: str
    joules: float
    reported_j: float
    u_relative: float | None

    @property
    def watts(self) -> float:
        """Mean power."""
        return self.joules / self.seconds


def workload_usage(
    comparison: Comparison, calibration: Calibration, workloads: Sequence[str] | None = None
) -> tuple[Usage, ...]:
    """Return the energy of a mean run of workloads: by the reference, then by each probe.

    A probe's joules are what its calibration makes of every run, by any form; the uncertainty is
    that of one run of a new workload.

    Parameters
    ----------
    comparison, calibration : of a campaign.
    workloads : of these; None means all.
    """
    return tuple(_usage(comparison, calibration, workloads or comparison.workloads))


def own_workloads(campaign: Campaign) -> tuple[str, ...]:
    """Return the workloads that are the user's: a command of theirs, or a block of their code."""
    jobs = {job.workload: job for job in campaign.record.jobs}
    names = dict.fromkeys(run.record.workload for run in campaign.runs)
    return tuple(name for name in names if name not in jobs or not jobs[name].script)


def _usage(
    comparison: Comparison, calibration: Calibration, workloads: Sequence[str]
) -> Iterator[Usage]:
    widest = widest_pair(comparison.pairs)
    for workload in workloads:
        if widest:
            yield from _by_reference(comparison.reference, widest, workload)
        for pair in comparison.pairs:
            if pair.headline:
                yield from _by_probe(pair, workload, calibration)


def _by_reference(name: str, pair: Pair, workload: str) -> Iterator[Usage]:
    rows = [row for row in pair.rows if row.workload == workload]
    if not rows:
        return
    joules = sum(row.reference_j for row in rows) / len(rows)
    reading = sum(row.u_reference_j for row in rows) / len(rows) / joules if joules > 0 else 0.0
    yield Usage(
        workload=workload,
        probe=name,
        scope=pair.reference_scope,
        runs=len(rows),
        seconds=_seconds(rows),
        how="reference",
        joules=joules,
        reported_j=joules,
        u_relative=(reading**2 + (pair.u_reference or 0.0) ** 2) ** 0.5,
    )


def _seconds(rows: Sequence[PairedRun]) -> float:
    return sum(row.seconds for row in rows) / len(rows)


def _by_probe(pair: Pair, workload: str, calibration: Calibration) -> Iterator[Usage]:
    rows = [row for row in pair.rows if row.workload == workload]
    if not rows:
        return
    found = next(
        c for c in calibration.corrections if (c.probe, c.column) == (pair.probe, pair.column)
    )
    reported_j = sum(row.probe_j for row in rows) / len(rows)
    joules, how, u = reported_j, "as reported", None
    made = _corrected(rows, found, calibration)
    if made:
        joules = sum(each.joules for each in made) / len(made)
        how = "needs no correction" if found.verdict == "not needed" else "corrected"
        u = _half_of_expanded(made, joules)
    yield Usage(
        workload=workload,
        probe=pair.probe,
        scope=pair.scope,
        runs=len(rows),
        seconds=_seconds(rows),
        how=how,
        joules=joules,
        reported_j=reported_j,
        u_relative=u,
    )


def _corrected(
    rows: Sequence[PairedRun], found: Correction, calibration: Calibration
) -> list[Corrected[float]]:
    """Return every run as `crosswatt correct` corrects it; none where one cannot be."""
    corrector = Corrector(calibration)
    readings = [CorrectedReading(r.probe_j, r.seconds, None, None, date.today()) for r in rows]
    try:
        return [corrector.apply(reading, found, anyway=True) for reading in readings]
    except CrosswattError:
        return []


def _half_of_expanded(made: Sequence[Corrected[float]], joules: float) -> float | None:
    """Return half of the relative expanded uncertainty, which runs of a workload have in common."""
    if joules <= 0:
        return None
    reach = [
        max(each.high - each.joules, each.joules - each.low)
        for each in made
        if each.low is not None and each.high is not None
    ]
    return sum(reach) / len(reach) / joules / 2 if len(reach) == len(made) else None
