"""The contract between crosswatt and an energy probe.

An adapter is one file with one subclass of `Probe`, named after its file. Only `domains` and
`read` are required:

    class Synthetic(Probe):
        name = "synthetic"

        def domains(self):
            return [Domain("ten-watts", scope="synthetic", kind="counter", basis="synthetic")]

        def read(self):
            return {"ten-watts": time.monotonic_ns() / 1e8}

The recorder calls, in this order and always from one thread of a process that the probe has to
itself: `open`, `domains`, `facts`, then `read` once per period; `begin` when the workload is
about to start and `end` when it has finished; `close`. The recorder takes the time of every call,
so that a probe need not; one whose figures come late, with dates of their own, gives them by
`drain`. Joules, watts and seconds are the only units.

Every run has a process of its own, unless the probe says that it `reopens`: then `open` is called
again after `close`, on the same object, with the workload of the next run.

This module imports the standard library only: a probe may live under an interpreter of its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal, get_args

from calibrate.simulated import bench_folder

Kind = Literal["counter", "power", "window"]
Basis = Literal["measured", "modelled", "truth", "synthetic"]

#: Parts of a machine that a domain may cover. `package` without a number means all packages,
#: `machine` all packages and all DRAM, `system` these and all GPUs; `psys` is the platform as RAPL
#: sees it, `node` the wall.
SCOPES = (
    "system", "machine", "package", "core", "uncore", "dram", "psys", "gpu", "node", "process",
    "synthetic",
)  # fmt: skip
_NUMBERED = ("package", "core", "uncore", "dram", "gpu")


class Unavailable(Exception):
    """The probe cannot work here.

    Parameters
    ----------
    why : the reason, in one line.
    fix : what to type, or to do, to make it work; empty when nothing helps.
    """

    def __init__(self, why: str, fix: str = "") -> None:
        super().__init__(why)
        self.why = why
        self.fix = fix


@dataclass(frozen=True)
class Domain:
    """One column of a probe: what it covers and in which form.

    Parameters
    ----------
    name : unique within the probe.
    scope : what hardware it covers: one of `SCOPES`, or one of package, core, uncore, dram, gpu
        with a number (``"package-0"``).
    kind : ``counter`` joules that only grow (until they wrap), ``power`` watts now, ``window``
        joules since `Probe.begin`.
    basis : whether a sensor was read or a model computed the figure.
    family : who supplies the data: ``rapl``, ``rapl-mmio``, ``nvml``, ``wall``, ``model``,
        ``truth``. Two probes of one family share their errors.
    resolution_j : smallest step in joules, where it is known.
    wraps_at_j : joules at which a counter starts again from zero.
    u_relative : relative standard uncertainty of its gain, as a certificate or an accuracy class
        states it (a class of 1 % is 0.01/sqrt(3)); None where nothing does.
    sum_of : names of other domains of the probe, where this one is the total that the meter itself
        makes of them; it is compared with what a reference has of all of these together.
    """

    name: str
    scope: str
    kind: Kind = "counter"
    basis: Basis = "measured"
    family: str = "unknown"
    resolution_j: float | None = None
    wraps_at_j: float | None = None
    u_relative: float | None = None
    sum_of: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for text in (self.name, self.scope, self.family):
            if not isinstance(text, str) or not text:
                raise ValueError(f"domain {self.name!r}: {text!r} is no name of anything")
        for size in (self.resolution_j, self.wraps_at_j, self.u_relative):
            if size is not None and type(size) not in (int, float):
                raise ValueError(f"domain {self.name!r}: {size!r} is no number")
        object.__setattr__(self, "sum_of", tuple(self.sum_of))  # JSON has lists
        if not all(isinstance(each, str) and each != self.name for each in self.sum_of):
            raise ValueError(f"domain {self.name!r}: {self.sum_of!r} are no names of its parts")
        part, dash, number = self.scope.partition("-")
        numbered = bool(dash) and part in _NUMBERED and number.isdigit()
        if self.scope not in SCOPES and not numbered:
            raise ValueError(f"domain {self.name!r}: {self.scope!r} is not a scope; see SCOPES")
        if self.kind not in get_args(Kind) or self.basis not in get_args(Basis):
            raise ValueError(f"domain {self.name!r}: unknown kind {self.kind!r} or {self.basis!r}")


@dataclass(frozen=True)
class Target:
    """What is to be measured.

    Parameters
    ----------
    pid : process whose tree is measured by probes of scope ``process``; None for the machine.
    options : settings for this probe, from the plan; an adapter ignores what it does not know.
    """

    pid: int | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def bench(self) -> str | None:
        """Folder of the simulated machine this process runs on, or None on a real one."""
        return bench_folder()


@dataclass(frozen=True)
class About:
    """What is known of a probe before it is opened: a row of the table of probes.

    Parameters
    ----------
    scope : what it covers, in words.
    basis : whether it measures or models.
    unit : of the figures at their source.
    granularity : how often these are renewed, and their step.
    platforms : where it can work.
    tested : how it was tried; `not tried on hardware` unless it was.
    """

    scope: str
    basis: str
    unit: str
    granularity: str
    platforms: str
    tested: str


class Probe(ABC):
    """Something that says how much energy was used."""

    name: ClassVar[str]
    #: The distribution whose figures it gives, where that is not called as the probe is; kept with
    #: the data, so that faults that users of a release reported are found.
    library: ClassVar[str] = ""
    #: Seconds between two readings.
    period_s: ClassVar[float] = 0.1
    #: Whether it takes part in a campaign that names no probes.
    default: ClassVar[bool] = True
    #: Whether `open` may be called again after `close`, for the next run: nothing of the probe runs
    #: or is held in between, no thread and no program, and `open` starts from the beginning. Its
    #: process then stays for a whole campaign, and libraries are imported once.
    reopens: ClassVar[bool] = False
    #: One line for the table of probes, and the rest of its row.
    summary: ClassVar[str] = ""
    about: ClassVar[About | None] = None

    def open(self, target: Target) -> None:  # noqa: B027 - optional by design
        """Acquire the instrument.

        Parameters
        ----------
        target : what to measure, and the user's settings.

        Raises
        ------
        Unavailable : it cannot work here; with the reason and the fix.
        """

    @abstractmethod
    def domains(self) -> list[Domain]:
        """Return what is measured; fixed once `open` has returned."""

    def begin(self) -> None:  # noqa: B027
        """Start a measurement window (trackers only)."""

    @abstractmethod
    def read(self) -> Mapping[str, float]:
        """Return joules, or watts for kind ``power``, by domain name.

        A domain that has no value at this moment is left out; it is never zero instead.
        """

    def drain(self) -> Iterable[tuple[int, Mapping[str, float]]]:
        """Return what is new since the last call, of a meter that dates its figures itself.

        Each is an instant, CLOCK_MONOTONIC ns, with values as `read` has them; in order of time.
        Called after every `read` and `end`.
        """
        return ()

    def end(self) -> None:  # noqa: B027
        """End the measurement window (trackers only); `read` then gives the final figures."""

    def close(self) -> None:  # noqa: B027
        """Release the instrument."""

    def facts(self) -> Mapping[str, str]:
        """Return versions, the mode actually in use and settings, to be kept with the data.

        ``release`` is the version of the probe's library.
        """
        return {}
