"""An analysis as pandas data frames: tidy, one observation a row, units in the names.

Numbers that are not known are NaN, texts that are not known are missing. A frame goes to Parquet
with `pandas.DataFrame.to_parquet`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from calibrate.analysis.finding import Finding
from calibrate.energy import PhasesDocument
from calibrate.errors import UnknownName
from calibrate.stats import Estimate
from calibrate.store import Campaign, ProbeLog, RunRecord, load_logs

if TYPE_CHECKING:
    import pandas as pd


def _estimate(name: str, estimate: Estimate | None) -> dict[str, float | None]:
    """Return the columns of an estimate: its value, standard uncertainty and interval."""
    parts = {"": "value", "_u": "u", "_low": "low", "_high": "high"}
    return {f"{name}{end}": getattr(estimate, part, None) for end, part in parts.items()}


def findings_frame(findings: Iterable[Finding]) -> pd.DataFrame:
    """Return one row for each column of each probe.

    Columns
    -------
    probe, column, headline, scope, reference_scope, basis, family, same_family : what it is.
    runs, runs_with_ratio : how many were compared, and how many of them have a ratio.
    ratio, ratio_u, ratio_low, ratio_high : geometric mean of probe over reference, its standard
        uncertainty and 95 % interval.
    limit_low, limit_high : limits of agreement, estimates of where 95 % of single runs lie.
    within_sd, between_sd : standard deviation of ln(ratio) within and between workloads.
    diagnosis, probability, conclusive : the fault that explains the runs.
    correction, reason, factor, factor_u, factor_low, factor_high, factor_relative_u, offset_w,
    offset_w_u, offset_w_low, offset_w_high : what to do with a reading.
    expanded_u, fit_for : relative expanded uncertainty (95 %) of one corrected run of a new
        workload, and whether that is what is needed.
    release, mode : of the library.
    """
    import pandas as pd

    return pd.DataFrame([_finding_row(finding) for finding in findings])


def _finding_row(finding: Finding) -> dict[str, object]:
    pair, correction = finding.pair, finding.correction
    limits = pair.limits
    return {
        "probe": pair.probe,
        "column": pair.column,
        "headline": pair.headline,
        "scope": pair.scope,
        "reference_scope": pair.reference_scope,
        "basis": pair.basis,
        "family": pair.family,
        "same_family": pair.same_family,
        "runs": len(pair.rows),
        "runs_with_ratio": len(pair.usable),
        **_estimate("ratio", finding.ratio),
        "limit_low": limits.lower.value if limits and limits.lower else None,
        "limit_high": limits.upper.value if limits and limits.upper else None,
        "within_sd": pair.ratio.within_sd if pair.ratio else None,
        "between_sd": pair.ratio.between_sd if pair.ratio else None,
        "diagnosis": finding.diagnosis.name,
        "probability": finding.diagnosis.probability,
        "conclusive": finding.diagnosis.conclusive,
        "correction": correction.verdict,
        "reason": correction.reason,
        **_estimate("factor", correction.factor),
        "factor_relative_u": correction.relative_u,
        **_estimate("offset_w", correction.offset_w),
        "expanded_u": correction.fitness.expanded_u if correction.fitness else None,
        "fit_for": correction.fitness.words if correction.fitness else None,
        "release": correction.release,
        "mode": correction.mode,
    }


def runs_frame(findings: Iterable[Finding]) -> pd.DataFrame:
    """Return one row for each run and column.

    Columns
    -------
    run, workload, repeat : of the run.
    probe, column, scope : of the column.
    seconds : length of the window, s.
    probe_j, reference_j, probe_u_j, reference_u_j : energies in that window, J, with the standard
        uncertainties that the readings leave.
    ratio : probe over reference; NaN where an energy is zero or below.
    """
    import pandas as pd

    rows = [
        {
            "run": row.run,
            "workload": row.workload,
            "repeat": row.repeat,
            "probe": finding.probe,
            "column": finding.column,
            "scope": finding.pair.scope,
            "seconds": row.seconds,
            "probe_j": row.probe_j,
            "reference_j": row.reference_j,
            "probe_u_j": row.u_probe_j,
            "reference_u_j": row.u_reference_j,
            "ratio": np.nan if row.ratio is None else row.ratio,
        }
        for finding in findings
        for row in finding.pair.rows
    ]
    return pd.DataFrame(rows)


def phases_frame(document: PhasesDocument) -> pd.DataFrame:
    """Return one row for each phase of each workload by each probe.

    Columns
    -------
    workload, phase, probe, column, scope : what was measured, by what.
    stretches : how often the phase was measured.
    seconds, joules, u_j, k : its mean length, its energy with the standard uncertainty, and the
        coverage factor of 95 %.
    method, why : ``least squares`` for phases shorter than two updates of the probe, of which
        those of a kind are taken together; why the readings do not tell their power, if so.
    work, unit : its mean work.
    values : means of its figures, by name.
    per_UNIT_j, per_UNIT_u_j : energy of one unit of work, with its standard uncertainty; `k` holds.
    """
    import pandas as pd

    rows = []
    for phase in document.phases:
        row = phase.model_dump(exclude={"per", "values"})
        row |= phase.values
        for unit, per in phase.per.items():
            row |= {f"per_{unit}_j": per.joules, f"per_{unit}_u_j": per.u_j}
        rows.append(row)
    return pd.DataFrame(rows)


def readings_frame(campaign: Campaign, probe: str) -> pd.DataFrame:
    """Return one row for each reading of a probe, read from the campaign's folder.

    Columns
    -------
    run, workload : of the run.
    time_s : middle of the reading, from the start of the window that is compared, s.
    before_ns, after_ns : monotonic instants before and after the reading, ns.
    DOMAIN_j or DOMAIN_w : one column for each domain: the counter or the energy in J, or the
        power in W; NaN where a reading lacks it.

    Raises
    ------
    UnknownName : the probe is not in the campaign; names the nearest.
    """
    import pandas as pd

    names = [source.name for source in campaign.record.sources]
    if probe not in names:
        raise UnknownName("probe in this campaign", probe, names)
    frames = [
        _log_frame(run.record, run.folder.name, log) for run, log in load_logs(campaign, probe)
    ]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def _log_frame(record: RunRecord, run: str, log: ProbeLog) -> pd.DataFrame:
    import pandas as pd

    readings = log.readings
    before, after = np.asarray(readings.before_ns), np.asarray(readings.after_ns)
    values = {
        f"{name}_{'w' if log.domains[name].kind == 'power' else 'j'}": np.asarray(column)
        for name, column in readings.values.items()
        if name in log.domains
    }
    middle_ns = before + (after - before) // 2
    return pd.DataFrame(
        {
            "run": run,
            "workload": record.workload,
            "time_s": (middle_ns - record.begin_ns) / 1e9,
            "before_ns": before,
            "after_ns": after,
            **values,
        }
    )
