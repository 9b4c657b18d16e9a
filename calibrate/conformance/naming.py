"""What to make of a meter's joules when the truth is known: right or wrong, and in which way.

Pure functions. A wrong figure is held against everything that a meter might have counted instead
(one socket, psys as well, dies twice, a wrapped counter, ...), alone and times the factors that
units and overheads make; the simplest that fits within the tolerance gives the name. The faults and
their words are those of `calibrate.diagnosis.faults`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from calibrate.diagnosis import FAULTS, Fault, Keys, fault

#: Faults whose reading is the true energy times an exact factor.
FACTORS = tuple(each for each in FAULTS if each.reading and each.factor and not each.added_up)
#: How closely a name must fit what was reported; the tolerance for "right" is the user's. Powers
#: of ten are far from everything else, so that a meter which errs a little besides is named too.
FIT, FAR_FIT, FAR = 0.01, 0.15, 50.0
_WRAPS = 12
_SAME = 0.08
#: What a reading is called that no fault explains.
ABSURD, OTHER, SOMETHING = "absurd", "other", "something"
#: What a reading is called that only the fault of its scenario explains.
UNPROTECTED = "unprotected"


@dataclass(frozen=True)
class KnownEnergy:
    """What is known about one trial.

    Parameters
    ----------
    true_j : by scope, totals (``package``, ``dram``, ``gpu``, ``machine``) included.
    range_j : at how many joules each counter wraps, by scope.
    """

    true_j: Mapping[str, float]
    range_j: Mapping[str, float]


@dataclass(frozen=True)
class Name:
    """An explanation.

    Parameters
    ----------
    alternatives : what fits equally well, by keys of `calibrate.diagnosis.faults`: those that act
        together in a tuple.
    text : for people.
    besides : what is wrong with the same figure on a healthy machine.
    """

    alternatives: tuple[Keys, ...]
    text: str
    besides: str = ""

    def __str__(self) -> str:
        return f"{self.text}; besides, {self.besides}" if self.besides else self.text

    @property
    def single(self) -> str:
        """The key, where it is one fault alone; empty otherwise."""
        keys = self.alternatives[0] if len(self.alternatives) == 1 else ()
        return keys[0] if len(keys) == 1 else ""


def named(key: str, text: str) -> Name:
    """Return the name of one fault alone."""
    return Name(((key,),), text)


@dataclass(frozen=True)
class _Guess:
    """What a meter might have reported, and how closely its figure must agree with it."""

    faults: tuple[Fault, ...]
    text: str
    joules: float
    fit: float = FIT

    @property
    def keys(self) -> Keys:
        """The keys of its faults."""
        return tuple(each.key for each in self.faults)

    def fits(self, joules: float, least: float) -> bool:
        return abs(joules - self.joules) <= max(self.fit, least) * abs(self.joules)


@dataclass(frozen=True)
class Usual:
    """How a figure errs on a healthy machine.

    Parameters
    ----------
    ratio : reported over true.
    name : what that was explained by.
    """

    ratio: float
    name: Name


def explain(
    joules: float,
    scope: str,
    known: KnownEnergy,
    usual: Usual | None = None,
    least_fit: float = FIT,
) -> Name:
    """Return what fits a wrong figure best.

    Parameters
    ----------
    joules : what the meter reported.
    scope : what it says that this covers.
    known : the trial.
    usual : how the same figure errs on the same machine in good health.
    least_fit : how closely a name must fit; wider than usual where windows differ.
    """
    if usual and usual.ratio > 0:
        joules /= usual.ratio
        if abs(joules - known.true_j[scope]) <= _SAME * abs(known.true_j[scope]):
            return usual.name
        besides = explain(joules, scope, known, least_fit=least_fit)
        return replace(besides, besides=usual.name.text)
    true_j = known.true_j[scope]
    if joules == 0:
        return named("zero", fault("zero").reading)
    if true_j == 0:
        return named(SOMETHING, f"{joules:.4g} J where nothing was used")
    for guess in (_single, _wraps, _far, _double):
        fitting = [each for each in guess(scope, known) if each.fits(joules, least_fit)]
        if fitting:
            alternatives = dict.fromkeys(each.keys for each in fitting)
            texts = dict.fromkeys(each.text for each in fitting)
            return Name(tuple(alternatives), " - or: ".join(texts))
    ratio = joules / true_j
    if abs(ratio) > 100:  # no fraction of the truth
        return named(ABSURD, f"{joules:.4g} J instead of {true_j:.4g} J")
    return named(OTHER, f"{ratio:.3f} times the truth")


def _single(scope: str, known: KnownEnergy) -> list[_Guess]:
    """Return what a meter might have reported for one cause alone."""
    own = known.true_j[scope]
    factors = [_Guess((each,), each.reading, own * each.ratio) for each in FACTORS]
    return [*factors, *_sums(scope, known.true_j)]


def _far(scope: str, known: KnownEnergy) -> list[_Guess]:
    """Return the powers of ten again, for a meter that errs a little besides."""
    own = known.true_j[scope]
    return [
        _Guess((each,), f"about {each.reading}", own * each.ratio, FAR_FIT)
        for each in FACTORS
        if max(each.ratio, 1 / each.ratio) >= FAR
    ]


def _double(scope: str, known: KnownEnergy) -> list[_Guess]:
    """Return what is often summed up wrongly, times a factor of units or overheads."""
    return [
        _Guess(
            (*total.faults, each),
            f"{total.text}; {each.reading}",
            total.joules * each.ratio,
            FAR_FIT if math.log10(each.ratio).is_integer() else FIT,
        )
        for total in _sums(scope, known.true_j)
        for each in FACTORS
        if all(part.doubled for part in total.faults) and each.repairable
    ]


def _sum(key: str, joules: float, zone: str = "") -> _Guess:
    """Return a fault that shows as a sum of parts."""
    summed = fault(key)
    return _Guess((summed,), summed.reading.format(zone=zone), joules)


def _sums(scope: str, true_j: Mapping[str, float]) -> Iterator[_Guess]:
    """Yield what might have been added up instead."""
    if scope == "system":
        text = "the CPU's part a thousandth, GPUs right: kW taken for W"
        yield _Guess((fault("scale-1e-3"),), text, true_j["gpu"] + true_j["package"] / 1e3)
    if scope == "machine":
        yield from _machine(true_j)
    if scope in ("package", "machine"):
        yield from _packages(true_j[scope], true_j)
    if "node" in true_j and not scope.startswith(("node", "gpu")):
        yield _sum("node-instead", true_j["node"])


def _machine(true_j: Mapping[str, float]) -> Iterator[_Guess]:
    """Yield what happens to packages and DRAM."""
    own, packages, dram = true_j["machine"], true_j["package"], true_j.get("dram", 0.0)
    zones = [scope for scope in true_j if scope.startswith(("package-", "dram-"))]
    if dram:
        yield _sum("dram-missing", packages)
    if len(zones) > 1:
        yield _sum("mean-of-zones", own / len(zones))
    for zone in zones:
        part, _, number = zone.partition("-")
        if part == "package" and true_j[zone] < packages:
            yield _sum("one-socket", true_j[zone] + true_j.get(f"dram-{number}", 0.0), zone)
        if part == "dram" and true_j[zone] < dram:
            yield _sum("one-dram", own - true_j[zone], zone)


def _packages(own: float, true_j: Mapping[str, float]) -> Iterator[_Guess]:
    """Yield what happens to packages, alone or with DRAM."""
    packages, psys = true_j["package"], true_j.get("psys", 0.0)
    core, uncore, dram = (true_j.get(each, 0.0) for each in ("core", "uncore", "dram"))
    for zone in (each for each in true_j if each.startswith("package-")):
        if own == packages and true_j[zone] < packages:
            yield _sum("one-socket", true_j[zone], zone)
    yield _sum("packages-twice", own + packages)
    if psys:
        yield _sum("psys-added", own + psys)
        yield _sum("psys-and-twice", own + packages + psys)
        yield _sum("psys-instead", psys)
    if core:
        yield _sum("core-added", own + core)
        yield _sum("parts-added", own + core + uncore)
    if dram and own == packages:
        yield _sum("dram-added", packages + dram)


def _wraps(scope: str, known: KnownEnergy) -> Iterator[_Guess]:
    """Yield what is left when whole turns of a counter are missing, or too many."""
    own = known.true_j[scope]
    if scope == "machine":
        mine = [turn for each, turn in known.range_j.items() if each[:3] in ("pac", "dra")]
    else:
        mine = [
            turn for each, turn in known.range_j.items() if scope in (each, each.partition("-")[0])
        ]
    for turn_j in sorted(set(mine), reverse=True):
        for turns in (each for each in range(-_WRAPS, _WRAPS + 1) if each):
            of = fault("wrap" if turns < 0 else "wrap-added")
            times = "" if abs(turns) == 1 else f"{abs(turns)} times "
            left_j = own + turns * turn_j
            fit = FIT * abs(own) / max(abs(left_j), 1e-9)
            yield _Guess((of,), of.reading.format(times=times, turn_j=turn_j), left_j, fit)
