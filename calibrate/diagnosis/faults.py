"""The faults of energy meters: what each is called, what makes it, and where it is looked for.

Whatever names a fault reads it here: the models of a diagnosis, the names that `conformance` gives
to a wrong reading, the meters that `plan` simulates, and the list of faults that users reported.
Some faults show in runs only, some in a reading beside the true energy only, many in both.

The faults of the bench, `calibrate.bench.KINDS`, are what is done to a simulated machine. `bench`
says which of them make a meter show a fault; `NO_FIGURE` are those after which a meter has nothing
to show.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from calibrate.errors import UnknownName

Group = Literal[
    "unit", "count", "overhead", "level", "pattern", "part", "chance", "run", "beside", "reading"
]


@dataclass(frozen=True)
class Fault:
    """One fault.

    Parameters
    ----------
    key : what documents and lists call it; no space and no comma.
    group : ``unit``, ``count`` and ``overhead`` change the level by an exact factor, ``level`` by
        any; a ``pattern`` or a ``part`` follows the runs, ``chance`` strikes every run by chance,
        ``run`` some of them; ``beside`` shows beside other columns than that of its own scope;
        ``reading`` is named beside the true energy only.
    title : what a diagnosis prints; empty where the runs do not show it.
    reading : what a single reading beside the truth shows; empty where it shows nothing.
        ``{zone}``, ``{times}`` and ``{turn_j}`` stand for what differs from reading to reading.
    cause : what makes it most often.
    aliases : other causes with the same signature.
    label, factor : the exact ratio of probe to reference, as people write it, and as a number.
    sizes : a sentence's middle with ``{}`` for the size of a pattern, above zero and below.
    bench : faults of the bench that make it.
    rare : whether its slip is so rare that it has half the prior weight of the others.
    added_up : whether a reading shows it as a sum of parts, and not by its factor.
    doubled : whether this sum is so frequent that it is looked for behind a factor as well.
    """

    key: str
    group: Group
    title: str = ""
    reading: str = ""
    cause: str = ""
    aliases: tuple[str, ...] = ()
    label: str = ""
    factor: float | None = None
    sizes: tuple[str, str] = ("", "")
    bench: tuple[str, ...] = ()
    rare: bool = False
    added_up: bool = False
    doubled: bool = False

    @property
    def ratio(self) -> float:
        """The exact factor; 1 for a fault without one."""
        return 1.0 if self.factor is None else self.factor

    @property
    def repairable(self) -> bool:
        """Whether figures can be repaired by its factor without knowing the machine."""
        return self.group in ("unit", "overhead")


#: Faults that act together, by key.
Keys = tuple[str, ...]


def _unit(
    label: str, factor: float, slips: Sequence[str], reading: str = "", *, rare: bool = False
) -> Fault:
    """Return a slip of units; "A taken for B" is a number in unit A that is read as one in B."""
    return Fault(
        f"scale-{label}",
        "unit",
        title=f"scale {label} ({slips[0]})",
        reading=reading,
        cause=slips[0],
        aliases=tuple(slips[1:]),
        label=label,
        factor=factor,
        bench=("unit",),
        rare=rare,
    )


def _ratio(
    key: str, label: str, factor: float, causes: Sequence[str], group: Group = "count"
) -> Fault:
    """Return an exact ratio that counting the wrong number of things makes."""
    return Fault(
        key,
        group,
        title=f"ratio {label} ({causes[0]})",
        cause=causes[0],
        aliases=tuple(causes[1:]),
        label=label,
        factor=factor,
        bench=("unit",),
    )


_INTERVAL = "an interval in {} taken for {}"
#: Powers of 1000, alone and with an hour taken for a second or the reverse; the rarer double slips
#: last. Neighbours differ by a factor of 3.6 or more, so that a residual gain cannot lead from one
#: to the next. Sources: CodeCarbon issues 212 and 286, pyJoules issue 32.
_UNITS = (
    _unit("1e-3", 1e-3, ("kW taken for W", "kJ taken for J", "W taken for mW", "J taken for mJ",
          "mJ taken for µJ", _INTERVAL.format("s", "ms")),
          "a thousandth: kW taken for W, or mJ for J"),
    _unit("1e3", 1e3, ("mJ taken for J", "mW taken for W", "W taken for kW", "J taken for kJ",
          "µJ taken for mJ", _INTERVAL.format("ms", "s")),
          "a thousand times: W taken for kW, or J for mJ"),
    _unit("1e-6", 1e-6, ("J taken for µJ", "W taken for µW", "kJ taken for mJ", "MJ taken for J",
          _INTERVAL.format("s", "µs")), "a millionth: uJ taken for J"),
    _unit("1e6", 1e6, ("µJ taken for J", "µW taken for W", "mJ taken for kJ", "J taken for MJ",
          _INTERVAL.format("µs", "s")), "a million times: J taken for uJ"),
    _unit("1/3600", 1 / 3600, ("Wh taken for J", "kWh taken for kJ",
          _INTERVAL.format("h", "s")), "1/3600: seconds taken for hours"),
    _unit("3600", 3600.0, ("J taken for Wh", "kJ taken for kWh", _INTERVAL.format("s", "h")),
          "3600 times: hours taken for seconds"),
    _unit("1/3.6e6", 1 / 3.6e6, ("kWh taken for J", "Wh taken for mJ",
          "kW taken for W and h taken for s")),
    _unit("3.6e6", 3.6e6, ("J taken for kWh", "mJ taken for Wh",
          "mW taken for W and s taken for h"), "3.6 million times: kWh taken for J"),
    _unit("1e-9", 1e-9, ("J taken for nJ", "kJ taken for µJ", _INTERVAL.format("s", "ns")),
          rare=True),
    _unit("1e9", 1e9, ("nJ taken for J", "µJ taken for kJ", _INTERVAL.format("ns", "s")),
          rare=True),
    _unit("1/3.6", 1 / 3.6, ("Wh taken for kJ", "kWh taken for MJ", "mWh taken for J"), rare=True),
    _unit("3.6", 3.6, ("kJ taken for Wh", "MJ taken for kWh", "J taken for mWh"), rare=True),
    _unit("1e6/3600", 1e6 / 3600, ("Wh taken for MJ", "µWh taken for J", "mWh taken for kJ"),
          rare=True),
    _unit("3600/1e6", 3600 / 1e6, ("MJ taken for Wh", "J taken for µWh", "kJ taken for mWh"),
          rare=True),
    _unit("1/3.6e9", 1 / 3.6e9, ("kWh taken for mJ", "MWh taken for J", "Wh taken for µJ"),
          rare=True),
    _unit("3.6e9", 3.6e9, ("mJ taken for kWh", "J taken for MWh", "µJ taken for Wh"), rare=True),
    _unit("1/3.6e12", 1 / 3.6e12, ("kWh taken for µJ", "GWh taken for J"), rare=True),
    _unit("3.6e12", 3.6e12, ("µJ taken for kWh", "J taken for GWh"), rare=True),
)  # fmt: skip

_TWICE = "an interval twice the configured one"
#: Wrong counts, and overheads. Sources: CodeCarbon issues 950, 1274 and 1379, likwid issue 642,
#: Kepler, and the PUE of carbontracker.
_COUNTS = (
    replace(
        _ratio("one-socket", "1/2", 1 / 2,
               ("one of two sockets", _TWICE, "half the samples lost")),
        reading="one socket only: {zone}", bench=("unit", "absent", "renamed", "gap"),
        added_up=True, doubled=True,
    ),
    _ratio("one-of-three", "1/3", 1 / 3, ("one of three sockets", "one of three parts")),
    replace(
        _ratio("unit-1/4", "1/4", 1 / 4,
               ("one of four sockets", "DRAM energy unit of 15.3 µJ for 61 µJ")),
        reading="a quarter: DRAM's energy unit (15.3 uJ) taken for the package's (61 uJ)",
    ),
    _ratio("one-of-eight", "1/8", 1 / 8, ("one of eight sockets", "one of eight dies or devices")),
    replace(
        _ratio("psys-added", "3/2", 3 / 2,
               ("package and core added up", "psys and package added up")),
        reading="psys added to the packages within it", added_up=True, doubled=True,
    ),
    replace(
        _ratio("pue-1.58", "1.58", 1.58,
               ("a data centre's overhead, PUE", "PUE of 1.55 to 1.59"), "overhead"),
        reading="times 1.58: a data centre's overhead (PUE)",
    ),
    replace(
        _ratio("packages-twice", "2", 2.0,
               ("counted twice", "mirrored dies", "MSR and MMIO added up",
                "two trackers on one machine", "an interval half the configured one")),
        reading="packages counted twice: dies, or MMIO as well",
        bench=("unit", "mirrored", "mmio"), added_up=True, doubled=True,
    ),
    _ratio("three-times", "3", 3.0,
           ("pseudo-targets added up", "three trackers on one machine")),
    replace(
        _ratio("unit-4", "4", 4.0,
               ("counted four times", "DRAM energy unit of 61 µJ for 15.3 µJ",
                "four mirrored dies")),
        reading="four times: the package's energy unit (61 uJ) taken for DRAM's (15.3 uJ)",
        bench=("unit", "mirrored"),
    ),
    replace(
        _ratio("eight-times", "8", 8.0, ("counted eight times", "eight mirrored dies")),
        bench=("unit", "mirrored"),
    ),
    _ratio("counts-of-61-as-j", "2^14", 2.0**14, ("raw counts of 61 µJ taken for J",)),
    _ratio("counts-of-15.3-as-j", "2^16", 2.0**16, ("raw counts of 15.3 µJ taken for J",)),
    _ratio("counts-of-61-as-uj", "2^14/1e6", 2.0**14 / 1e6, ("raw counts of 61 µJ taken for µJ",)),
    _ratio("counts-of-15.3-as-uj", "2^16/1e6", 2.0**16 / 1e6,
           ("raw counts of 15.3 µJ taken for µJ",)),
    Fault("pue-1.55", "overhead", reading="times 1.55: a data centre's overhead (PUE)",
          label="1.55", factor=1.55, bench=("unit",)),
)  # fmt: skip

_LEVELS = (
    Fault(
        "constant-power",
        "level",
        title="constant power",
        cause="a constant, such as a rated power, stands in for a measurement",
        aliases=("power of an idle or saturated meter", "a stale reading repeated"),
    ),
    Fault(
        "load-model",
        "level",
        title="modelled from utilisation, not measured",
        sizes=("its power follows the CPU time one to one, and not the energy",) * 2,
        cause="a share of a rated power, as by TDP times CPU load, stands in for a measurement; "
        "what frequency, instructions and memory change is not in it",
    ),
    Fault(
        "constant-gain",
        "level",
        title="constant gain",
        cause="losses of a supply, the calibration of a sensor, or a multiplier",
        bench=("unit",),
    ),
)

_PATTERNS = (
    Fault(
        "idle-offset",
        "pattern",
        title="idle offset",
        sizes=("{} W more than the reference whatever the load", "{} W less whatever the load"),
        cause="idle power is in one of the two figures and not in the other, or a constant is "
        "added for a part that is not measured (memory, fans)",
        bench=("offset",),
    ),
    Fault(
        "window-deficit",
        "pattern",
        title="window deficit",
        sizes=("{} s of every run are missing", "{} s too much of every run are counted"),
        cause="the probe begins late or ends early: a last interval that is never read, or a start "
        "that is counted in",
    ),
    Fault(
        "fixed-energy",
        "pattern",
        title="fixed energy",
        sizes=("{} J more in every run", "{} J less in every run"),
        cause="something is counted once a run: a first reading that is too high, or start-up work",
    ),
    Fault(
        "lag",
        "pattern",
        title="lag",
        sizes=("power follows the load {} s late", "power leads the load by {} s"),
        cause="an averaging window, a clock that is behind, or a report that comes late",
        bench=("lag", "gpu-slow-power"),
    ),
    Fault(
        "slow-response",
        "pattern",
        title="slow response",
        sizes=("power takes about {} s to follow the load",) * 2,
        cause="a filter or an average that is longer than the runs",
        bench=("gpu-slow-power",),
    ),
    Fault(
        "idle-removed",
        "pattern",
        title="idle power removed",
        sizes=("the power of the idle machine is not in it",) * 2,
        cause="the meter subtracts the power of the idle machine, or counts the work of processes "
        "only",
    ),
)

_CHANCES = (
    Fault(
        "stale",
        "chance",
        title="stale counter",
        sizes=("renewed about every {} s",) * 2,
        cause="the counter, or the report that is read, is renewed only now and then",
        aliases=("a report that is read again", "a meter that samples seldom"),
        bench=("stale",),
    ),
    Fault(
        "wrap-dropped",
        "chance",
        title="wrap readings dropped",
        sizes=("about {} s are lost whenever the counter wraps",) * 2,
        cause="a reading below the one before is thrown away, and the energy since that with it",
        bench=("range",),
    ),
    Fault(
        "samples-lost",
        "chance",
        title="samples lost",
        sizes=("about {} % of the energy, by chance",) * 2,
        cause="single samples are lost, and the energy since the one before with each of them",
        aliases=("a meter that does not keep up with its interval",),
        bench=("gap",),
    ),
)

_RUNS = (
    Fault(
        "wrap",
        "run",
        title="lost wraparound",
        reading="the wrap is not corrected: {times}{turn_j:.0f} J missing",
        cause="the counter starts again at zero and the meter does not add its range",
        bench=("wrap", "range", "no-range"),
    ),
    Fault(
        "wrap-added",
        "run",
        title="false wraparound",
        reading="the wrap is not corrected: {times}{turn_j:.0f} J too much",
        cause="a counter that trembles or goes back a little is taken for one that wrapped",
        bench=("backwards", "jitter"),
    ),
    Fault(
        "wrap-abs",
        "run",
        title="absolute value at a wraparound",
        cause="the counter starts again at zero, and the meter takes the absolute value of the "
        "difference instead of adding the range",
        bench=("wrap", "range"),
    ),
    Fault(
        "zero",
        "run",
        title="no energy counted",
        reading="zero: nothing was counted, and nothing was said",
        cause="a counter that stands still or reads as zero, a part that is not there and is shown "
        "as zero, or a meter that does not read in time",
        bench=("stuck", "zero", "replaced"),
    ),
    Fault(
        "stray",
        "run",
        title="stray run",
        cause="a counter that leapt, went back, stood still or was set to zero in these runs, or a "
        "reading that was lost",
        bench=("jump", "reset", "sentinel", "suspend", "clock-step"),
    ),
    Fault(
        "part-time",
        "run",
        title="part-time sampling",
        cause="the meter looks at part of the time, which is enough for a steady load and not for "
        "one that changes as fast",
        bench=("gpu-part-time",),
    ),
)

_BESIDE = (
    Fault(
        "part-above-whole",
        "beside",
        title="part above its whole",
        cause="the part is read too high, or the whole too low or for another machine",
        aliases=("a slip of unit in one of them", "runs of one beside runs of the other"),
    ),
    Fault(
        "faulty-part",
        "beside",
        title="faulty part",
        cause="a sum is no better than the parts that are added up",
    ),
)

PartFault = Literal["missing", "only", "twice"]


def part_fault(part: str, what: PartFault) -> Fault:
    """Return the fault of a part of the machine that is missing, alone, or counted twice."""
    title, cause = {
        "missing": (f"missing {part}", f"{part} is not in it"),
        "only": (f"only {part}", f"only {part} is in it"),
        "twice": (f"{part} twice", f"{part} is counted twice"),
    }[what]
    bench = ("absent",) if what == "missing" else ()
    return Fault(
        f"{part}-{what}", "part", title=title, cause=cause, sizes=(cause, cause), bench=bench
    )


#: What was added up instead, beside the true energy of every part.
_READINGS = (
    replace(
        part_fault("dram", "missing"),
        reading="DRAM is missing: packages only",
        added_up=True,
        doubled=True,
    ),
    Fault(
        "mean-of-zones",
        "reading",
        reading="the mean of the zones instead of their sum",
        added_up=True,
        doubled=True,
    ),
    Fault("one-dram", "reading", reading="{zone} is missing", added_up=True, bench=("absent",)),
    Fault(
        "psys-and-twice",
        "reading",
        reading="psys added, and packages counted twice",
        added_up=True,
        doubled=True,
        bench=("mirrored", "mmio"),
    ),
    Fault("psys-instead", "reading", reading="psys instead of the packages", added_up=True),
    Fault(
        "core-added",
        "reading",
        reading="cores added to the packages they are in",
        added_up=True,
    ),
    Fault(
        "parts-added",
        "reading",
        reading="core and uncore added to the packages they are in",
        added_up=True,
    ),
    Fault("dram-added", "reading", reading="DRAM added to the packages", added_up=True),
    Fault("node-instead", "reading", reading="the whole node instead", added_up=True),
)

#: Every fault, but for those of parts other than DRAM; see `part_fault`.
FAULTS = (*_UNITS, *_COUNTS, *_LEVELS, *_PATTERNS, *_CHANCES, *_RUNS, *_BESIDE, *_READINGS)
_BY_KEY = {fault.key: fault for fault in FAULTS}

#: Faults of the bench that leave a meter without a figure: it refuses, or it cannot start.
NO_FIGURE = (
    "no-permission", "io-error", "empty", "garbage", "slow", "hang", "vanish", "late", "gpu-lost",
    "gpu-no-energy", "gpu-no-power",
)  # fmt: skip


def fault(key: str) -> Fault:
    """Return the fault of a key.

    Raises
    ------
    UnknownName : there is none; the nearest are given.
    """
    if key not in _BY_KEY:
        raise UnknownName("fault", key, sorted(_BY_KEY))
    return _BY_KEY[key]


def in_runs(*groups: Group) -> tuple[Fault, ...]:
    """Return the faults of some groups that a diagnosis names, in the order of the list."""
    return tuple(each for each in FAULTS if each.group in groups and each.title)
