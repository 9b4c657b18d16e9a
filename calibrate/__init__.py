"""Cross-validate software energy meters.

The public names are those that an adapter, a workload, a training script or a test needs. Each is
imported when it is first used, because recorders run this package under other people's
interpreters, where only the standard library may be present.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from calibrate._version import __version__ as __version__

if TYPE_CHECKING:
    from calibrate.calibration import load_calibration as load_calibration
    from calibrate.errors import BadFile as BadFile
    from calibrate.errors import CrosswattError as CrosswattError
    from calibrate.errors import UnknownName as UnknownName
    from calibrate.errors import Unsupported as Unsupported
    from calibrate.loads import mark as mark
    from calibrate.notebook import load_ipython_extension as load_ipython_extension
    from calibrate.probe import About as About
    from calibrate.probe import Domain as Domain
    from calibrate.probe import Probe as Probe
    from calibrate.probe import Target as Target
    from calibrate.probe import Unavailable as Unavailable

    load = load_calibration

#: Where each public name lives.
_HOME = {
    "About": "calibrate.probe.contract",
    "BadFile": "calibrate.errors",
    "CrosswattError": "calibrate.errors",
    "Domain": "calibrate.probe.contract",
    "Probe": "calibrate.probe.contract",
    "Target": "calibrate.probe.contract",
    "Unavailable": "calibrate.probe.contract",
    "UnknownName": "calibrate.errors",
    "Unsupported": "calibrate.errors",
    "load_calibration": "calibrate.calibration",
    "load_ipython_extension": "calibrate.notebook",
    "mark": "calibrate.loads.marks",
}
#: Earlier names of public names.
_EARLIER = {"load": "load_calibration"}

__all__ = ["__version__", *_HOME, *_EARLIER]  # noqa: PLE0604 - the keys are strings


def __getattr__(name: str) -> object:
    """Import a public name when it is first used."""
    home = _HOME.get(_EARLIER.get(name, name))
    if home is None:
        raise AttributeError(f"module 'calibrate' has no attribute {name!r}")
    return getattr(import_module(home), _EARLIER.get(name, name))
