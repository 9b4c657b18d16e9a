"""What an energy probe is, and helpers for adapters; standard library only.

contract   `Probe`, `Domain` and what else an adapter file needs
adapter    load an adapter file
available  which probes there are
recorder   the process that records one probe
secret     secrets among the settings of a probe
program    follow the output of a program
counts     performance counters of processes and control groups
formulas   power of processes from their counters
tdp        thermal design power of processors
rapl       RAPL counters, read in three ways
wall       wall meters and power supplies
"""

from calibrate.probe.contract import (
    SCOPES,
    About,
    Basis,
    Domain,
    Kind,
    Probe,
    Target,
    Unavailable,
)
from calibrate.quantity import J_PER_KWH, finite_number

__all__ = [
    "J_PER_KWH",
    "SCOPES",
    "About",
    "Basis",
    "Domain",
    "Kind",
    "Probe",
    "Target",
    "Unavailable",
    "finite_number",
]
