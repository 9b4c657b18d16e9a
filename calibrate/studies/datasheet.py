"""A probe's datasheet: how it responds, from a campaign of steps, square waves, levels and rest.

A pure function of a folder that `crosswatt characterize` wrote. Every entry has its uncertainty or
the reason why it could not be had; nothing is taken from what the probe says of itself, but what it
says is put beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from calibrate import store
from calibrate.comparison import Comparison, compare
from calibrate.energy import Column, columns_by_scope, counter_curve, probe_columns, window_energy
from calibrate.errors import CrosswattError, UnknownName
from calibrate.probe import Domain
from calibrate.stats import (
    Estimate,
    Linearity,
    PowerResponse,
    counter_lag,
    deficit,
    duty_cycle,
    integrate,
    linearity,
    noise_w,
    power_response,
    resolution,
    t_estimate,
    update_period,
)
from calibrate.store import Document, Run, Saved

#: Share of a run that is left to a meter to settle before its level is taken.
_SETTLING = 0.4
#: How far back a commanded load is known to be rest, s.
_BEFORE_S = 5.0
#: The workloads that load a GPU as others load the CPUs.
_ON_GPU = {"square": "gpu-square", "integer": "gpu-gemm"}

Curve = tuple[NDArray[np.float64], NDArray[np.float64]]


class Entry(Document):
    """One quantity: an estimate as in `calibrate.stats.estimate`, or why there is none."""

    quantity: str
    unit: str
    estimate: Estimate | None = None
    reason: str = ""


class Sheet(Document):
    """The entries of one domain, and what the probe says of itself."""

    domain: str
    scope: str
    kind: str
    stated_resolution_j: float | None
    stated_wrap_j: float | None
    entries: tuple[Entry, ...]


class Datasheet(Saved):
    """The datasheet of a probe on one machine."""

    kind: Literal["datasheet"] = "datasheet"
    simulated: bool
    machine: str
    probe: str
    facts: dict[str, str]
    reference: str | None
    sheets: tuple[Sheet, ...]


@dataclass(frozen=True)
class _Case:
    """One domain with the runs, and the reference's column of its scope, where there is one."""

    probe: str
    domain: Domain
    runs: Sequence[Run]
    reference: str | None
    beside: Column | None

    def curve(self, run: Run) -> Curve:
        """Return seconds and values of the domain in one run."""
        found = counter_curve(run.logs[self.probe], self.domain)
        return found.at_ns / 1e9, found.value

    def truth(self, run: Run) -> Curve:
        """Return seconds and cumulative joules of the reference in one run."""
        if self.reference is None or self.beside is None:
            raise ValueError(f"There is no reference of scope {self.domain.scope} beside it.")
        log = run.logs[self.reference]
        parts = [counter_curve(log, log.domains[name]) for name in self.beside.parts]
        at = parts[0].at_ns
        joules = sum(np.interp(at, part.at_ns, part.value) for part in parts)
        return at / 1e9, np.asarray(joules, dtype=np.float64)

    def of(self, workload: str) -> list[Run]:
        """Return the runs of a workload, or of its twin for GPUs, the longest first, or refuse."""
        name = _ON_GPU.get(workload, workload) if self.domain.scope.startswith("gpu") else workload
        found = [run for run in self.runs if run.record.workload in (name, workload)]
        found = [run for run in found if run.record.workload == name] or found
        if not found:
            raise ValueError(f"The campaign has no run of the workload {name}.")
        return sorted(found, key=lambda run: -run.record.seconds)


def characterize(folder: Path, probe: str, domain: str | None = None) -> Datasheet:
    """Return the datasheet of a probe from a campaign.

    Parameters
    ----------
    folder : a campaign's folder, best of the plan ``characterize``.
    probe : its name.
    domain : only this domain of it; all unless given.

    Raises
    ------
    UnknownName : the probe or the domain is not in the campaign.
    CrosswattError : the probe completed no run.
    """
    campaign = store.load_campaign(folder)
    names = [source.name for source in campaign.record.sources]
    if probe not in names:
        raise UnknownName("probe in this campaign", probe, names)
    tried = [run for run in campaign.runs if run.record.exit_code == 0 and probe in run.logs]
    runs = [run for run in tried if run.record.probes[probe].status == "ok"]
    if not runs:
        reasons = {run.record.probes[probe].reason for run in tried}
        told = "; ".join(sorted(reasons)) or "no run is finished"
        raise CrosswattError(f"{probe} completed no run in {folder}: {told}.")
    described = runs[0].logs[probe]
    if domain is not None and domain not in described.domains:
        raise UnknownName(f"domain of {probe}", domain, described.domains)
    reference = _reference(names, probe, runs)
    comparison = compare(campaign, reference) if reference else None
    return Datasheet(
        simulated=campaign.record.machine.simulated,
        machine=campaign.record.machine.label,
        probe=probe,
        facts=described.facts,
        reference=reference,
        sheets=tuple(
            _sheet(probe, each, runs, reference, comparison)
            for name, each in described.domains.items()
            if domain in (None, name)
        ),
    )


def _reference(names: Sequence[str], probe: str, runs: Sequence[Run]) -> str | None:
    """Return what the probe is seen beside: the truth, a wall meter, or raw RAPL."""
    for name in ("truth", "wall", "rapl"):
        if name in names and name != probe and all(run.logs[name].domains for run in runs):
            return name
    return None


def _sheet(
    probe: str,
    domain: Domain,
    runs: Sequence[Run],
    reference: str | None,
    comparison: Comparison | None,
) -> Sheet:
    beside = None
    if reference:
        log = next(run.logs[reference] for run in runs if run.logs[reference].domains)
        beside = columns_by_scope(probe_columns(log.domains.values())).get(domain.scope)
    having = [run for run in runs if domain.name in run.logs[probe].domains]
    case = _Case(probe, domain, having, reference, beside)
    # Each is several entries, and found once.
    response, line = cache(lambda: _response(case)), cache(lambda: _line(case, comparison))
    made = [("cost of a read", "s", lambda: _cost(case))]
    if domain.kind != "window":
        made += [
            ("update period", "s", lambda: _update(case)),
            ("resolution", "J" if domain.kind == "counter" else "W", lambda: _resolution(case)),
            ("noise at rest, over 1 s", "W", lambda: _noise(case)),
        ]
    if domain.kind == "counter":
        made += [("lag", "s", lambda: _lag(case)), ("wrap", "J", lambda: _wrap(case))]
    if domain.kind == "power":
        made += [
            ("averaging window", "s", lambda: _span(response(), "window")),
            ("time constant", "s", lambda: _span(response(), "exponential")),
            ("lag", "s", lambda: response().lag_s),
            ("mean delay", "s", lambda: response().mean_delay_s),
            ("duty cycle", "1", lambda: duty_cycle(_span(response(), "window"), _update(case))),
        ]
    made += [
        ("gain", "1", lambda: line().gain),
        ("offset", "W", lambda: line().offset_w),
        ("largest deviation from the line", "W", lambda: _worst(line())),
        ("idle offset", "W", lambda: _idle(case, comparison)),
        ("deficit at start and stop", "s", lambda: _deficit(case, comparison)),
    ]
    return Sheet(
        domain=domain.name,
        scope=domain.scope,
        kind=domain.kind,
        stated_resolution_j=domain.resolution_j,
        stated_wrap_j=domain.wraps_at_j,
        entries=tuple(_entry(*each) for each in made),
    )


def _entry(quantity: str, unit: str, find: Callable[[], Estimate]) -> Entry:
    """Return a quantity, or the reason why the runs do not show it."""
    try:
        return Entry(quantity=quantity, unit=unit, estimate=find())
    except ValueError as why:
        return Entry(quantity=quantity, unit=unit, reason=str(why))


def _cost(case: _Case) -> Estimate:
    """Return how long a read takes: the median, with the middle half as its interval."""
    took = np.concatenate(
        [
            (log.readings.after_ns - log.readings.before_ns) / 1e9
            for log in (run.logs[case.probe] for run in case.runs)
        ]
    )
    if not took.size:
        raise ValueError("It was never read.")
    low, middle, high = (float(q) for q in np.quantile(took, [0.25, 0.5, 0.75]))
    return Estimate(
        middle, None, low, high, 0.5, "median and middle half of all reads", took.size, 1
    )


def _update(case: _Case) -> Estimate:
    return update_period(*case.curve(case.of("square")[0]))


def _resolution(case: _Case) -> Estimate:
    return resolution(np.concatenate([case.curve(run)[1] for run in case.of("square")]))


def _noise(case: _Case) -> Estimate:
    """Return the noise at rest, without the runs' lead in and out."""
    run = case.of("idle")[0]
    at, value = case.curve(run)
    inside = (at >= run.record.begin_ns / 1e9) & (at <= run.record.end_ns / 1e9)
    at, value = at[inside], value[inside]
    if at.size < 2:
        raise ValueError("The idle run has no readings.")
    return noise_w(at, integrate(at, value) if case.domain.kind == "power" else value)


def _lag(case: _Case) -> Estimate:
    run = case.of("square")[0]
    return counter_lag(*case.curve(run), *case.truth(run)).lag_s


def _response(case: _Case) -> PowerResponse:
    """Return how a power responds beside the reference, or else beside the load's own marks."""
    run = case.of("square")[0]
    if case.beside is not None:
        return power_response(*case.curve(run), *case.truth(run))
    found = power_response(*case.curve(run), *_commanded(run), watts_known=False)
    said = "The load's own marks are the reference: a device that follows them late looks late."
    span, lag, delay = (
        replace(each, checks=(*each.checks, said))
        for each in (found.span_s, found.lag_s, found.mean_delay_s)
    )
    return replace(found, span_s=span, lag_s=lag, mean_delay_s=delay)


def _span(found: PowerResponse, form: str) -> Estimate:
    """Return the window or the time constant of a response, or say that it has the other."""
    if found.form != form:
        raise ValueError(
            "It averages over a window: see there."
            if found.form == "window"
            else "It responds exponentially: see its time constant."
        )
    return found.span_s


def _commanded(run: Run) -> Curve:
    """Return the course of a square wave as its marks have it: seconds, and seconds of load.

    Gain and offset of a meter are fitted with its window, so that the load needs no watts (Yang,
    Adamek & Armour, arXiv:2312.02741, section 4.2, who program the load for that).
    """
    high = [(p.begin_ns / 1e9, p.end_ns / 1e9) for p in run.record.phases if p.name == "high"]
    if len(high) < 2:
        raise ValueError(
            "There is no reference beside it, and the run has no marks of a square wave."
        )
    edges = np.ravel(high)
    ends = run.record.recording_ns / 1e9 - _BEFORE_S, run.record.stopped_ns / 1e9
    at = np.concatenate([[min(ends[0], edges[0] - _BEFORE_S)], edges, [max(ends[1], edges[-1])]])
    loaded = np.concatenate([[0.0], np.cumsum([b - a for a, b in high])])
    seconds = np.concatenate([[0.0], np.repeat(loaded, 2)[1:-1], [loaded[-1]]])
    fine = np.arange(at[0], at[-1], 0.001)
    return fine, np.asarray(np.interp(fine, at, seconds))


def _wrap(case: _Case) -> Estimate:
    """Return the range of a counter that was seen to wrap: what it fell by, and rose meanwhile."""
    found = []
    for run in case.runs:
        log = run.logs[case.probe]
        value = log.readings.values.get(case.domain.name, np.array([]))
        at = log.readings.before_ns / 1e9
        there = ~np.isnan(value)
        value, at = value[there], at[there]
        for i in np.flatnonzero(np.diff(value) < 0):
            near = slice(max(i - 50, 0), i + 1)
            if i >= 2:
                rate = float(value[near][-1] - value[near][0]) / float(at[near][-1] - at[near][0])
                found.append(float(value[i] - value[i + 1]) + rate * float(at[i + 1] - at[i]))
    if not found:
        raise ValueError("The counter did not wrap while it was watched.")
    n = len(found)
    u = float(np.std(found, ddof=1)) / n**0.5 if n > 1 else None
    return t_estimate(
        float(np.mean(found)), u, max(n - 1, 1), level=0.95,
        method="fall, and rise at the rate before it", n_runs=n, n_clusters=1,
    )  # fmt: skip


def _rows(case: _Case, comparison: Comparison | None) -> list[Any]:
    """Return the runs of this domain beside the reference."""
    for pair in comparison.pairs if comparison else ():
        if pair.probe == case.probe and pair.column == case.domain.name:
            return list(pair.rows)
    raise ValueError(f"There is no reference of scope {case.domain.scope} beside it.")


def _line(case: _Case, comparison: Comparison | None) -> Linearity:
    loads = {run.folder.name: _load(run) for run in case.runs}
    if case.domain.kind == "window":
        rows = [row for row in _rows(case, comparison) if row.run in loads]
        levels = [
            (loads[row.run], row.reference_j / row.seconds, row.probe_j / row.seconds)
            for row in rows
        ]
    else:
        levels = [
            (_load(run), *level) for run in case.runs if (level := _level(case, run)) is not None
        ]
    return linearity([x for _, x, _ in levels], [y for *_, y in levels], [w for w, *_ in levels])


def _load(run: Run) -> str:
    """Return the label of a run's load, which runs of any length share."""
    return " ".join((run.record.workload, *run.record.settings))


def _level(case: _Case, run: Run) -> tuple[float, float] | None:
    """Return the mean power of the end of a run by the reference and by the probe.

    What a late meter still shows of the time before is left behind in the run's beginning.
    """
    at, joules = case.truth(run)
    begin, end = run.record.begin_ns, run.record.end_ns
    window = begin + round(_SETTLING * (end - begin)), end
    domain = case.domain
    whole = Column(domain.name, domain.scope, domain.basis, domain.family, (domain.name,))
    found = window_energy(run.logs[case.probe], whole, window)
    if found is None or at[0] * 1e9 > window[0] or at[-1] * 1e9 < window[1]:
        return None
    first, last = np.interp([window[0] / 1e9, window[1] / 1e9], at, joules)
    return float(last - first) / found.seconds, found.joules / found.seconds


def _worst(found: Linearity) -> Estimate:
    return Estimate(
        found.worst_w, None, None, None, 0.95, f"level at {found.worst_at_w:.3g} W",
        found.gain.n_runs, found.gain.n_clusters,
    )  # fmt: skip


def _idle(case: _Case, comparison: Comparison | None) -> Estimate:
    """Return what it shows at rest beyond the reference."""
    rows = [row for row in _rows(case, comparison) if row.workload == "idle"]
    if not rows:
        raise ValueError("The campaign has no idle run beside a reference.")
    each = [(row.probe_j - row.reference_j) / row.seconds for row in rows]
    u = float(np.std(each, ddof=1)) / len(each) ** 0.5 if len(each) > 1 else None
    return t_estimate(
        float(np.mean(each)), u, max(len(each) - 1, 1), level=0.95,
        method="difference at rest, t on runs", n_runs=len(each), n_clusters=1,
    )  # fmt: skip


def _deficit(case: _Case, comparison: Comparison | None) -> Estimate:
    load = {run.folder.name for run in case.of("integer")}
    rows = [row for row in _rows(case, comparison) if row.run in load]
    powers = [row.reference_j / row.seconds for row in rows]
    # One level: others bring in what the meter makes of other loads.
    full = [row for row, w in zip(rows, powers, strict=True) if w > 0.85 * max(powers)]
    if len(full) < 4:
        raise ValueError(f"{len(full)} runs of one load; a deficit takes 4 of different lengths.")
    return deficit(
        [row.seconds for row in full],
        [row.probe_j for row in full],
        [row.reference_j for row in full],
    )
