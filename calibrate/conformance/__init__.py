"""Try one meter on many simulated machines and faults, and certify the result.

trials        what is tried, and what each trial found
trial         one trial: a process on the simulated machine
naming        classify a reading against the known true energy
certificate   the results as JSON, JUnit and a page
"""

from calibrate.conformance.certificate import (
    MEANING,
    certificate_document,
    certificate_html,
    certificate_junit,
    certificate_row,
    load_certificate,
    repair,
)
from calibrate.conformance.naming import KnownEnergy, explain
from calibrate.conformance.trials import (
    SCENARIOS,
    Command,
    Conformance,
    MeterUnderTest,
    load_scenarios,
    run_trials,
)

__all__ = [
    "MEANING",
    "SCENARIOS",
    "Command",
    "Conformance",
    "KnownEnergy",
    "MeterUnderTest",
    "certificate_document",
    "certificate_html",
    "certificate_junit",
    "certificate_row",
    "explain",
    "load_certificate",
    "load_scenarios",
    "repair",
    "run_trials",
]
