"""An import without a reference: its energies, dates and gaps, and what could serve as one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from calibrate.energy import wholes_of
from calibrate.ingest import LogColumn
from calibrate.logcheck.series import series_of
from calibrate.logcheck.windowed import Measured, measure
from calibrate.probe import Domain
from calibrate.store import Campaign, ProbeLog, Run

#: Runs that are listed; of more, the first.
MOST_RUNS = 500
#: Formats whose counts are of whole runs.
_WHOLE_RUNS = frozenset(("codecarbon", "pyjoules", "carbontracker", "zeus", "perun", "perf-stat"))
_NEED = 0.05


@dataclass(frozen=True)
class Listed:
    """The energy of a column in a run.

    Parameters
    ----------
    run : its folder's name.
    workload : what ran.
    begin : ISO 8601, UTC; empty where the files have no date.
    probe, column, scope : the meter and what it covers.
    measured : the energy, U, gaps, and what the log does not allow.
    """

    run: str
    workload: str
    begin: str
    probe: str
    column: str
    scope: str
    measured: Measured


@dataclass(frozen=True)
class Inventory:
    """What an import has, as long as nothing in it is the reference.

    Parameters
    ----------
    form : the format that it was made from.
    runs : how many there are.
    rows : every column of the first of them.
    could_serve : a sentence for each way to a reference.
    """

    form: str
    runs: int
    rows: tuple[Listed, ...]
    could_serve: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """What there is, in a sentence."""
        probes = sorted({row.probe for row in self.rows})
        runs = "1 run" if self.runs == 1 else f"{self.runs:,} runs"
        return (
            f"{runs} of {', '.join(probes) or 'no meter'}, imported from {self.form}; nothing in "
            "it is the reference, so that no meter is judged."
        )

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it; what is not known is null."""
        return {
            "kind": "inventory",
            "schema": 1,
            "format": self.form,
            "runs": self.runs,
            "columns": [
                {
                    "run": row.run, "workload": row.workload, "begin": row.begin or None,
                    "seconds": row.measured.seconds, "probe": row.probe, "column": row.column,
                    "scope": row.scope, "joules": row.measured.joules,
                    "expanded_j": row.measured.expanded_j, "k": row.measured.k,
                    "step_s": row.measured.step_s, "gaps": row.measured.gaps[0],
                    "gaps_s": row.measured.gaps[1],
                    "codes": [reason.code.value for reason in row.measured.reasons],
                }
                for row in self.rows
            ],
            "could_serve": list(self.could_serve),
        }  # fmt: skip


def take_inventory(campaign: Campaign) -> Inventory:
    """Return what an import has."""
    form = campaign.record.imported or "files"
    rows = [
        row for run in campaign.runs[:MOST_RUNS] for row in _rows(run, whole=form in _WHOLE_RUNS)
    ]
    return Inventory(form, len(campaign.runs), tuple(rows), tuple(_could_serve(campaign)))


def _rows(run: Run, *, whole: bool) -> Iterator[Listed]:
    """Yield the energy of every column of a run."""
    record = run.record
    begin_ns, end_ns = record.begin_ns, record.end_ns
    dated = begin_ns >= 946_684_800_000_000_000  # 2000: what has no date stands before
    begin = datetime.fromtimestamp(begin_ns / 1e9, UTC).isoformat(timespec="seconds")
    for name, log in run.logs.items():
        for domain in log.domains.values():
            column = _column(log, domain, exact=whole and domain.kind != "power")
            if column.at_ns.size < 2 or end_ns <= begin_ns:
                continue
            series = series_of(column, begin_ns)
            seconds = (end_ns - begin_ns) / 1e9
            # A figure that is renewed now and then is known up to its last renewal.
            late_s = 2 * (series.update_s or 0.0)
            first, last = float(series.at_s[0]), float(series.at_s[-1])
            window = (
                first if 0 < first <= late_s else 0.0,
                last if seconds - late_s <= last < seconds else seconds,
            )
            yield Listed(
                run.folder.name, record.workload, begin if dated else "", name, domain.name,
                domain.scope, measure(series, *window, _NEED),
            )  # fmt: skip


def _column(log: ProbeLog, domain: Domain, *, exact: bool) -> LogColumn:
    """Return the readings of a column of a run."""
    taken = log.readings
    value = taken.values.get(domain.name, np.full(len(taken), np.nan))
    at_ns = taken.before_ns + (taken.after_ns - taken.before_ns) // 2
    there = np.isfinite(value)
    at_ns, value = at_ns[there], value[there]
    new = np.concatenate([np.diff(at_ns) > 0, [True]]) if at_ns.size else there[:0]
    return LogColumn(domain, at_ns[new], value[new], exact=exact)


def _could_serve(campaign: Campaign) -> Iterator[str]:
    """Yield the ways to a reference: a meter of the import, or one of elsewhere."""
    scopes: dict[str, set[str]] = {}
    for run in campaign.runs:
        for name, log in run.logs.items():
            scopes.setdefault(name, set()).update(d.scope for d in log.domains.values())
    for name, own in scopes.items():
        others = {other: theirs for other, theirs in scopes.items() if other != name}
        alike = sorted(other for other, theirs in others.items() if theirs & own)
        inside = sorted(
            other
            for other, theirs in others.items()
            if other not in alike and any(set(wholes_of(part)) & own for part in theirs)
        )
        covers = ", ".join(sorted(own))
        if alike:
            yield (
                f"{name} covers what {', '.join(alike)} covers ({covers}): report FOLDER "
                f"--reference {name}, if it is the better meter."
            )
        if inside:
            yield (
                f"{name} ({covers}) covers more than {', '.join(inside)}, which lies in it: report "
                f"FOLDER --reference {name} --across."
            )
    yield (
        "A wall meter's log of the same time, imported by itself and joined: crosswatt merge "
        "FOLDER WALL --out BOTH."
    )
    yield (
        "A calibration of this meter, made by crosswatt run beside a reference, corrects these "
        "energies: crosswatt correct, or crosswatt check LOG --calibration FILE."
    )
