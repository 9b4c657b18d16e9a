"""Cross-validate software energy meters.

The public names are those an adapter, a workload or a test needs. Everything heavy is imported
where it is used, because recorders run this package under other people's interpreters.
"""

from calibrate.errors import BadFile, CrosswattError, UnknownName, Unsupported
from calibrate.probe import Domain, Probe, Target, Unavailable

__version__ = "0.1.0"

__all__ = [
    "BadFile",
    "CrosswattError",
    "Domain",
    "Probe",
    "Target",
    "Unavailable",
    "UnknownName",
    "Unsupported",
    "__version__",
]
