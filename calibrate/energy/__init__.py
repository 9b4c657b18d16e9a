"""From readings to joules: the energy of any window, with its uncertainty.

column      what a probe reports that can be compared: a domain, or a sum of domains
series      energy over time, and the energy of one window
window      what readings leave open at the ends of a window
stretch     the energy of a part of a run, however short
phase       the energy of the phases that a workload marks
phase_power power of phases that are shorter than a meter's update, of one kind together
trace       a recorded run as a power trace for the bench
"""

from calibrate.energy.column import (
    REFERENCES,
    Column,
    column_of_all,
    columns_by_scope,
    columns_inside,
    headline_column,
    native_columns,
    probe_columns,
    wholes_of,
)
from calibrate.energy.phase import (
    MeasuredPhase,
    Per,
    PhaseEnergy,
    PhasesDocument,
    RunMeters,
    campaign_phases,
    measured_phases,
    phase_index,
    phase_kind,
    phase_meters,
    phases_by,
    phases_to_show,
    pooled,
    run_meters,
    together,
)
from calibrate.energy.series import Energy, counter_curve, power_curve, total_energy, window_energy
from calibrate.energy.stretch import Joules
from calibrate.energy.trace import power_trace

__all__ = [
    "REFERENCES",
    "Column",
    "Energy",
    "Joules",
    "MeasuredPhase",
    "Per",
    "PhaseEnergy",
    "PhasesDocument",
    "RunMeters",
    "campaign_phases",
    "column_of_all",
    "columns_by_scope",
    "columns_inside",
    "counter_curve",
    "headline_column",
    "measured_phases",
    "native_columns",
    "phase_index",
    "phase_kind",
    "phase_meters",
    "phases_by",
    "phases_to_show",
    "pooled",
    "power_curve",
    "power_trace",
    "probe_columns",
    "run_meters",
    "together",
    "total_energy",
    "wholes_of",
    "window_energy",
]
