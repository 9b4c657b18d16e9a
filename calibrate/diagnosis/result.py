"""What a diagnosis is made from, and what it is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from calibrate.diagnosis.faults import Keys
from calibrate.stats import Estimate, Vector

UNEXPLAINED = "unexplained"


@dataclass(frozen=True, eq=False)
class Runs:
    """The runs of one probe domain beside one reference.

    Parameters
    ----------
    probe_j, reference_j : energy of each run, J, shape (n,). The probe's may be anything a probe
        can say, including zero, negative and NaN.
    seconds : duration of each run, s, shape (n,).
    workload : label of each run; `idle` is the idle load.
    resolution_j : smallest step of the probe, J; 0 where unknown.
    reference_resolution_j : the same for the reference.
    u_probe_j, u_reference_j : standard uncertainty of each energy from the readings alone, their
        steps and the ends of the window, J, shape (n,). None: from the resolution.
    u_ref : relative standard uncertainty of the reference's gain (0.01 is 1 %), common to all runs.
    idle_w : power of the idle machine by the reference, W, where idle runs gave it.
    wraps_at_j : range of the counter that the probe reads, J; 0 where unknown.
    parts_j : energy of parts of the machine by the reference, J, for example ``dram``, from which
        a missing, doubled or lone part is recognised.
    edges_w : power by the reference just before each run began and just before it ended, W, n
        pairs, from which a late meter is recognised; None where it was not seen.
    busy : share of the CPUs' time that was busy in each run, shape (n,), from which a model of the
        load is told from a meter; None where it was not recorded.
    """

    probe_j: Sequence[float] | Vector
    reference_j: Sequence[float] | Vector
    seconds: Sequence[float] | Vector
    workload: Sequence[str]
    resolution_j: float = 0.0
    reference_resolution_j: float = 0.0
    u_probe_j: Sequence[float] | Vector | None = None
    u_reference_j: Sequence[float] | Vector | None = None
    u_ref: float = 0.0
    idle_w: float | None = None
    wraps_at_j: float = 0.0
    parts_j: Mapping[str, Sequence[float] | Vector] = field(default_factory=dict)
    edges_w: Sequence[tuple[float, float]] | None = None
    busy: Sequence[float] | Vector | None = None

    def __post_init__(self) -> None:
        n = len(self.workload)
        if n == 0:
            raise ValueError("There are no runs to diagnose.")
        lists = {"probe_j": self.probe_j, "reference_j": self.reference_j, "seconds": self.seconds}
        known = {"u_probe_j": self.u_probe_j, "u_reference_j": self.u_reference_j}
        given = known | {"busy": self.busy}
        lists |= {name: values for name, values in given.items() if values is not None}
        for name, values in (lists | dict(self.parts_j)).items():
            if np.shape(values) != (n,):
                raise ValueError(f"{name} has shape {np.shape(values)} for {n} workload labels.")
        for name, u_j in known.items():
            if u_j is not None and not (np.isfinite(u_j) & (np.asarray(u_j) >= 0)).all():
                raise ValueError(f"{name} must be finite numbers, zero or more.")
        if self.edges_w is not None and np.shape(self.edges_w) != (n, 2):
            raise ValueError(f"edges_w has shape {np.shape(self.edges_w)} for {n} runs.")
        for name in ("resolution_j", "reference_resolution_j", "u_ref", "wraps_at_j"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} is {value}; it must be a finite number, zero or more.")

    def only(self, keep: NDArray[np.bool_]) -> Runs:
        """Return some of the runs."""

        def kept(values: Sequence[float] | Vector) -> Vector:
            return np.asarray(values)[keep]

        u_probe_j, u_reference_j = self.u_probe_j, self.u_reference_j
        return replace(
            self,
            probe_j=kept(self.probe_j),
            reference_j=kept(self.reference_j),
            seconds=kept(self.seconds),
            u_probe_j=None if u_probe_j is None else kept(u_probe_j),
            u_reference_j=None if u_reference_j is None else kept(u_reference_j),
            workload=[label for label, taken in zip(self.workload, keep, strict=True) if taken],
            edges_w=None if self.edges_w is None else np.asarray(self.edges_w)[keep].tolist(),
            parts_j={name: kept(part) for name, part in self.parts_j.items()},
            busy=None if self.busy is None else kept(self.busy),
        )


@dataclass(frozen=True)
class Flag:
    """A finding about single runs that needs no statistics.

    Parameters
    ----------
    kind : ``not finite``, ``negative``, ``zero``, ``reference not usable``, ``near resolution``,
        ``below a step``, ``identical power``, ``wrap``, ``stray``, ``odd`` or ``scatter``.
    runs : the runs, counted from 0.
    text : a sentence.
    """

    kind: str
    runs: tuple[int, ...]
    text: str


@dataclass(frozen=True)
class Candidate:
    """A model and what the data say of it.

    Parameters
    ----------
    name : of the model.
    probability : posterior within the catalogue.
    log_evidence : ln of the marginal likelihood.
    explains : whether the model is a diagnosis; the others only describe what is unexplained.
    parameters : level and spreads, by name with unit.
    """

    name: str
    probability: float
    log_evidence: float
    explains: bool
    parameters: Mapping[str, float]


@dataclass(frozen=True)
class Deciding:
    """The run that would tell explanations apart which these runs leave open.

    Parameters
    ----------
    between : the explanations, the likeliest first.
    power_w, seconds : of a run that tells the first two apart; None where it takes runs of another
        kind, or another reading beside them.
    ratios : probe over reference that the first two expect there; None with ``power_w``.
    sentence : the same for people.
    keys : of the faults that ``between`` stand for; not in documents.
    """

    between: tuple[str, ...]
    power_w: float | None
    seconds: float | None
    ratios: tuple[float, float] | None
    sentence: str
    keys: Annotated[tuple[Keys, ...], Field(exclude=True)] = ()


@dataclass(frozen=True)
class Diagnosis:
    """The verdict on a probe domain, with the numbers behind it. Every number is finite or None.

    Parameters
    ----------
    name : `no fault found`, a fault of the catalogue, or `unexplained`.
    probability : posterior of `name`; for `unexplained`, of all models without a name together,
        which is small where the design or a check, and not the evidence, withheld a name. None
        where no run could be used.
    conclusive : False where the runs are too few or too alike to tell.
    sentence : the verdict for people.
    reasons : what limits the verdict, a sentence each.
    cause : what usually makes this fault; empty where there is no name.
    aliases : other slips with the same signature; the data cannot tell them from the name.
    alternatives : the faults that the runs cannot tell apart, where `name` joins several.
    key : of the fault in `calibrate.diagnosis.faults`; empty where several are named, or none, and
        where the runs that show it were left out.
    keys : of the faults that `name` or `alternatives` stand for, those that act together in a
        tuple; not in documents.
    reported : where users of this release reported it; empty where that is not known.
    factor : the catalogue's exact probe/reference ratio; None for anything but a scale fault.
    residual_gain : what is left after `factor` (probe = factor * residual_gain * reference), also
        for `no fault found`; for `unexplained` the mean ratio itself; None for constant power.
    residual_min, residual_max : the same of single runs.
    ratio_min, ratio_max : probe/reference of single runs.
    constant_w : the power reported whatever the load, W; constant power only.
    workload_sd, run_sd : spread of ln(ratio) between workloads and from run to run.
    predictive_p, held_out_p : p-values of the checks of the leading model; None where not made.
    deciding : the run that would tell what these runs leave open; None where nothing is, or no
        run would.
    leading : the most probable model, whether or not it was named.
    least_s : where the runs are too short for the meter's step, how long they have to be, s.
    candidates : all models, the most probable first.
    flags : findings about single runs.
    faulty_parts : of a sum, the columns of its parts that are at fault.
    n_runs, n_usable, n_workloads : all runs, those with a ratio, and the workloads of the latter.
    """

    name: str
    probability: float | None
    conclusive: bool
    sentence: str
    reasons: tuple[str, ...] = ()
    cause: str = ""
    aliases: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()
    key: str = ""
    keys: Annotated[tuple[Keys, ...], Field(exclude=True)] = ()
    reported: str = ""
    factor: float | None = None
    residual_gain: Estimate | None = None
    residual_min: float | None = None
    residual_max: float | None = None
    ratio_min: float | None = None
    ratio_max: float | None = None
    constant_w: float | None = None
    workload_sd: float | None = None
    run_sd: float | None = None
    predictive_p: float | None = None
    held_out_p: float | None = None
    deciding: Deciding | None = None
    leading: str | None = None
    least_s: float | None = None
    candidates: tuple[Candidate, ...] = ()
    flags: tuple[Flag, ...] = ()
    faulty_parts: tuple[str, ...] = ()
    n_runs: int = 0
    n_usable: int = 0
    n_workloads: int = 0
