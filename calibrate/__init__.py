"""Cross-validate software energy meters.

    analyze, Analysis, Finding,          everything that follows from a campaign's folder
    ProbeVerdict
    agree                                meters in a table of runs, without a campaign
    load_campaign, Campaign              the folder itself: runs, readings
    load_calibration, Corrector,         correct readings by a calibration
    Corrected, CorrectionWarning,
    Correction, Estimate
    measure, measured, mark, Measurement measure code of one's own, and its phases
    Probe, Domain, Target, About,        write a probe; `calibrate.testing` checks it
    Unavailable
    CrosswattError, UnknownName,         what may be raised
    BadFile, Unsupported

See docs/api.md. Each name is imported when it is first used: recorders run this package under other
people's interpreters, where only the standard library may be present.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from calibrate._version import __version__ as __version__

if TYPE_CHECKING:
    from calibrate.agreement import agree as agree
    from calibrate.analysis import Analysis as Analysis
    from calibrate.analysis import Finding as Finding
    from calibrate.analysis import ProbeVerdict as ProbeVerdict
    from calibrate.analysis import analyze as analyze
    from calibrate.calibration import Corrected as Corrected
    from calibrate.calibration import Correction as Correction
    from calibrate.calibration import CorrectionWarning as CorrectionWarning
    from calibrate.calibration import Corrector as Corrector
    from calibrate.calibration import load_calibration as load_calibration
    from calibrate.errors import BadFile as BadFile
    from calibrate.errors import CrosswattError as CrosswattError
    from calibrate.errors import UnknownName as UnknownName
    from calibrate.errors import Unsupported as Unsupported
    from calibrate.loads import mark as mark
    from calibrate.measurement import Measurement as Measurement
    from calibrate.measurement import measure as measure
    from calibrate.measurement import measured as measured
    from calibrate.notebook import load_ipython_extension as load_ipython_extension
    from calibrate.probe import About as About
    from calibrate.probe import Domain as Domain
    from calibrate.probe import Probe as Probe
    from calibrate.probe import Target as Target
    from calibrate.probe import Unavailable as Unavailable
    from calibrate.stats import Estimate as Estimate
    from calibrate.store import Campaign as Campaign
    from calibrate.store import load_campaign as load_campaign

    load = load_calibration

#: Where each public name lives.
_HOME = {
    "About": "calibrate.probe",
    "Analysis": "calibrate.analysis",
    "BadFile": "calibrate.errors",
    "Campaign": "calibrate.store",
    "Corrected": "calibrate.calibration",
    "Correction": "calibrate.calibration",
    "CorrectionWarning": "calibrate.calibration",
    "Corrector": "calibrate.calibration",
    "CrosswattError": "calibrate.errors",
    "Domain": "calibrate.probe",
    "Estimate": "calibrate.stats",
    "Finding": "calibrate.analysis",
    "Measurement": "calibrate.measurement",
    "Probe": "calibrate.probe",
    "ProbeVerdict": "calibrate.analysis",
    "Target": "calibrate.probe",
    "Unavailable": "calibrate.probe",
    "UnknownName": "calibrate.errors",
    "Unsupported": "calibrate.errors",
    "agree": "calibrate.agreement",
    "analyze": "calibrate.analysis",
    "load_calibration": "calibrate.calibration",
    "load_campaign": "calibrate.store",
    "load_ipython_extension": "calibrate.notebook",
    "mark": "calibrate.loads.marks",
    "measure": "calibrate.measurement",
    "measured": "calibrate.measurement",
}
#: Earlier names of public names.
_EARLIER = {"load": "load_calibration"}

__all__ = ["__version__", *_HOME, *_EARLIER]  # noqa: PLE0604 - the keys are strings


def __getattr__(name: str) -> object:
    """Import a public name when it is first used, once (PEP 562)."""
    home = _HOME.get(_EARLIER.get(name, name))
    if home is None:
        raise AttributeError(f"module 'calibrate' has no attribute {name!r}")
    value: object = getattr(import_module(home), _EARLIER.get(name, name))
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted({*globals(), *__all__})
