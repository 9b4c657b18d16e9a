"""Meters with clocks of their own: how late each is against the reference, and a campaign mended.

The lag is found in every run by the energy-conserving method (`calibrate.stats.alignment`), which
moves energy in time and never makes or loses any, and takes runs together with weights of their
own uncertainties; where these explain the scatter of the runs too little, the interval is widened
by the Birge ratio. A lag that changes from run to run is a drift. A power that hardly changes shows
no lag: then nothing is mended, and it says so.

Source for the Birge ratio: Bodnar, Elster, Metrologia 51 (2014) 516.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from calibrate import store
from calibrate.comparison import reference_of
from calibrate.energy import Column, headline_column, native_columns, total_energy
from calibrate.errors import CrosswattError
from calibrate.stats import Estimate, Vector, align, t_estimate
from calibrate.store import Campaign, ProbeLog, Run

#: Runs from which a drift is looked for, and the relative lag that is called none.
_LEAST_RUNS = 4
_MAX_LAG_S = 15.0
#: A crystal drifts by 100 ppm, and a clock that is being set by 500.
_MAX_DRIFT_PPM = 1000.0
#: Standard uncertainty for what lies between two readings, as a share of their distance: one step
#: of a meter that looks for an instant is known to 1/sqrt(12) of it, and a run has about ten.
_BETWEEN = 0.1


@dataclass(frozen=True)
class Clock:
    """How a probe's time goes with the reference's.

    Parameters
    ----------
    probe, column : what was aligned, by what of it.
    lag_s : the probe shows what was so long ago, s; None where nothing shows it.
    drift_ppm : change of the lag, microseconds a second; None where the runs are too few.
    middle_ns : the instant for which the lag is.
    runs : how many runs showed it.
    reason : why there is no lag.
    """

    probe: str
    column: str
    lag_s: Estimate | None = None
    drift_ppm: Estimate | None = None
    middle_ns: int = 0
    runs: int = 0
    reason: str = ""

    def at(self, ns: Vector) -> Vector:
        """Return the lag at instants, s; none where none is known."""
        if self.lag_s is None:
            return np.zeros(ns.shape)
        drift = self.drift_ppm.value * 1e-6 if self.drift_ppm else 0.0
        return self.lag_s.value + drift * (ns - self.middle_ns) / 1e9


def clock_offsets(campaign: Campaign, reference: str | None = None) -> list[Clock]:
    """Return the clock of every probe but the reference.

    Raises
    ------
    CrosswattError : there is no reference.
    """
    name = reference_of(campaign.runs, reference)
    whole = _widest(campaign.runs, name)
    found = []
    for probe in (source.name for source in campaign.record.sources if source.name != name):
        column = _widest(campaign.runs, probe)
        if column is None or whole is None:
            found.append(Clock(probe, "-", reason="it has no readings over time"))
            continue
        found.append(_clock(campaign.runs, (name, whole), (probe, column)))
    return found


def _widest(runs: Sequence[Run], probe: str) -> Column | None:
    """Return what speaks for a probe: its widest column that has readings over time."""
    for run in runs:
        log = run.logs.get(probe)
        if log and log.domains:
            timed = [d for d in log.domains.values() if d.kind != "window"]
            return headline_column(native_columns(timed))
    return None


def _clock(runs: Sequence[Run], whole: tuple[str, Column], part: tuple[str, Column]) -> Clock:
    probe, column = part
    lags, errors, middles = [], [], []
    reason = "it was never there together with the reference"
    for run in runs:
        if not (run.logs.get(whole[0]) and run.logs.get(probe)):
            continue
        try:
            one, other = _energy(run.logs[whole[0]], whole[1]), _energy(run.logs[probe], column)
            found = align(*one, *other, max_lag_s=_MAX_LAG_S).lag_s
        except ValueError as error:
            reason = str(error)
            continue
        if found.u is not None and np.isfinite(found.u) and found.u > 0:
            lags.append(found.value)
            # What happened between two readings is not known, and is the same error in every run.
            gap_s = max(float(np.median(np.diff(at))) for at, _ in (one, other))
            errors.append((found.u**2 + (_BETWEEN * gap_s) ** 2) ** 0.5)
            middles.append((run.record.begin_ns + run.record.end_ns) / 2)
    if not lags:
        return Clock(probe, column.name, reason=reason)
    return _together(
        Clock(probe, column.name, runs=len(lags)),
        np.array(lags), np.array(errors), np.array(middles),
    )  # fmt: skip


def _together(empty: Clock, lags: Vector, errors: Vector, middles: Vector) -> Clock:
    """Return one clock of the lags of many runs."""
    weights = errors**-2
    middle = float(np.average(middles, weights=weights))
    mean = float(np.average(lags, weights=weights))
    df = max(1, lags.size - 1)
    birge = max(1.0, float(np.sum(weights * (lags - mean) ** 2) / df) ** 0.5)
    u = float(weights.sum() ** -0.5) * birge
    clock = replace(
        empty, middle_ns=round(middle), lag_s=_estimate(mean, u, df, lags.size, "weighted mean")
    )
    if lags.size < _LEAST_RUNS:
        return clock
    t = (middles - middle) / 1e9
    spread = float(np.sum(weights * t**2))
    slope = float(np.sum(weights * t * (lags - mean)) / spread) if spread > 0 else 0.0
    left = float(np.sum(weights * (lags - mean - slope * t) ** 2) / (lags.size - 2)) ** 0.5
    u_slope = max(1.0, left) / spread**0.5 if spread > 0 else 0.0
    drift = _estimate(slope * 1e6, u_slope * 1e6, lags.size - 2, lags.size, "weighted line")
    # Only a drift that is there, and that a clock can have, is mended.
    there = drift.low is not None and drift.high is not None and drift.low * drift.high > 0
    there = there and abs(drift.value) <= _MAX_DRIFT_PPM
    return replace(clock, drift_ppm=drift if there else None)


def _estimate(value: float, u: float, df: float, runs: int, method: str) -> Estimate:
    return t_estimate(
        value, u, df, level=0.95, method=f"{method}, Birge ratio, t", n_runs=runs, n_clusters=runs
    )


def _energy(log: ProbeLog, column: Column) -> tuple[Vector, Vector]:
    """Return instants (s) and joules since the first of them."""
    found = total_energy(log, column)
    if found is None:
        raise ValueError("it has hardly any readings")
    at, joules = found
    keep = np.concatenate([[True], np.diff(at) > 0])
    return at[keep] / 1e9, joules[keep]


def write_aligned(campaign: Campaign, found: Sequence[Clock], out: Path) -> None:
    """Write the campaign with every lag that is known taken out, into a new folder.

    Raises
    ------
    CrosswattError : there is something at `out` already, or no lag is known.
    """
    known = {clock.probe: clock for clock in found if clock.lag_s is not None}
    if not known:
        raise CrosswattError(
            "There is nothing to align on: "
            + "; ".join(f"{clock.probe}: {clock.reason}" for clock in found)
        )
    with store.changed_copy(campaign.folder, out) as part:
        for run in campaign.runs:
            for probe, clock in known.items():
                if probe in run.logs:
                    _move(part / run.folder.name / f"{probe}.jsonl", clock)
        (part / "clocks.json").write_text(json.dumps(clocks_document(found), indent=1) + "\n")


def clocks_document(found: Sequence[Clock]) -> Mapping[str, object]:
    """Return clocks as JSON has them."""
    return {
        "kind": "clocks",
        "schema": store.SCHEMA,
        "clocks": [
            {
                "probe": clock.probe,
                "column": clock.column,
                "lag_s": asdict(clock.lag_s) if clock.lag_s else None,
                "drift_ppm": asdict(clock.drift_ppm) if clock.drift_ppm else None,
                "runs": clock.runs,
                "reason": clock.reason,
            }
            for clock in found
        ],
    }


def _move(path: Path, clock: Clock) -> None:
    """Take the lag out of one probe's file."""
    lines = []
    for line in store.unpacked_lines(path):
        data = json.loads(line)
        if data["doc"] == "reading":
            lag_ns = round(float(clock.at(np.array([data["before_ns"]]))[0]) * 1e9)
            data["before_ns"] -= lag_ns
            data["after_ns"] -= lag_ns
        elif data["doc"] == "columns":
            _move_columns(path.with_name(data["file"]), data["names"], clock)
        elif data["doc"] == "probe":
            data["facts"]["lag taken out"] = f"{clock.lag_s.value:.3f} s" if clock.lag_s else ""
        lines.append(json.dumps(data) + "\n")
    store.write(path, lines)
    for further in [*store.part_files(path)][1:]:
        further.unlink()  # all is in the first now
    store.pack(path)


def _move_columns(path: Path, names: Sequence[str], clock: Clock) -> None:
    if path.stat().st_size:
        records = np.memmap(path, store.columns_type(names), "r+")
        at = records["at_ns"].astype(float)
        records["at_ns"] -= np.round(clock.at(at) * 1e9).astype(np.int64)
        records.flush()
