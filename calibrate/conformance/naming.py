"""What to make of a meter's joules when the truth is known: right or wrong, and in which way.

Pure functions. A wrong figure is held against everything that a meter might have counted instead
(one socket, psys as well, dies twice, a wrapped counter, ...), alone and times the factors that
units and overheads make; the simplest that fits within the tolerance gives the name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

#: Factors by which meters err, and what they come from. Sources: shared fault lists of CodeCarbon
#: (issues 212, 286), pyJoules (issue 32), carbontracker (its PUE), Kepler, likwid (issue 642).
FACTORS: tuple[tuple[str, float, str], ...] = (
    ("scale-1e-3", 1e-3, "a thousandth: kW taken for W, or mJ for J"),
    ("scale-1e3", 1e3, "a thousand times: W taken for kW, or J for mJ"),
    ("scale-1e-6", 1e-6, "a millionth: uJ taken for J"),
    ("scale-1e6", 1e6, "a million times: J taken for uJ"),
    ("scale-3600", 3600.0, "3600 times: hours taken for seconds"),
    ("scale-1/3600", 1 / 3600, "1/3600: seconds taken for hours"),
    ("scale-3.6e6", 3.6e6, "3.6 million times: kWh taken for J"),
    ("unit-4", 4.0, "four times: the package's energy unit (61 uJ) taken for DRAM's (15.3 uJ)"),
    ("unit-1/4", 0.25, "a quarter: DRAM's energy unit (15.3 uJ) taken for the package's (61 uJ)"),
    ("pue-1.58", 1.58, "times 1.58: a data centre's overhead (PUE)"),
    ("pue-1.55", 1.55, "times 1.55: a data centre's overhead (PUE)"),
)
#: How closely a name must fit what was reported; the tolerance for "right" is the user's. Powers
#: of ten are far from everything else, so that a meter which errs a little besides is named too.
FIT, FAR_FIT, FAR = 0.01, 0.15, 50.0
_WRAPS = 12
_COMMON = (
    "dram-missing",
    "one-socket",
    "mean-of-zones",
    "packages-twice",
    "psys-added",
    "psys-and-twice",
)
_SAME = 0.08
_TENS = ("scale-1e-3", "scale-1e3", "scale-1e-6", "scale-1e6")


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
    key : for looking things up: ``dram-missing``.
    text : for people.
    besides : what is wrong with the same figure on a healthy machine.
    """

    key: str
    text: str
    besides: str = ""

    def __str__(self) -> str:
        return f"{self.text}; besides, {self.besides}" if self.besides else self.text


@dataclass(frozen=True)
class _Guess:
    """What a meter might have reported, and how closely its figure must agree with it."""

    name: Name
    joules: float
    fit: float = FIT

    def fits(self, joules: float) -> bool:
        return abs(joules - self.joules) <= self.fit * abs(self.joules)


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


def explain(joules: float, scope: str, known: KnownEnergy, usual: Usual | None = None) -> Name:
    """Return what fits a wrong figure best.

    Parameters
    ----------
    joules : what the meter reported.
    scope : what it says that this covers.
    known : the trial.
    usual : how the same figure errs on the same machine in good health.
    """
    if usual and usual.ratio > 0:
        joules /= usual.ratio
        if abs(joules - known.true_j[scope]) <= _SAME * abs(known.true_j[scope]):
            return usual.name
        besides = explain(joules, scope, known)
        return Name(besides.key, besides.text, besides=usual.name.text)
    true_j = known.true_j[scope]
    if joules == 0:
        return Name("zero", "zero: nothing was counted, and nothing was said")
    if true_j == 0:
        return Name("something", f"{joules:.4g} J where nothing was used")
    for guess in (_single, _wraps, _far, _double):
        fitting = [each.name for each in guess(scope, known) if each.fits(joules)]
        if fitting:
            keys, texts = zip(*((name.key, name.text) for name in fitting), strict=True)
            return Name(" or ".join(dict.fromkeys(keys)), " - or: ".join(dict.fromkeys(texts)))
    ratio = joules / true_j
    if abs(ratio) > 100:  # no fraction of the truth
        return Name("absurd", f"{joules:.4g} J instead of {true_j:.4g} J")
    return Name("other", f"{ratio:.3f} times the truth")


def _single(scope: str, known: KnownEnergy) -> list[_Guess]:
    """Return what a meter might have reported for one cause alone."""
    own = known.true_j[scope]
    factors = [_Guess(Name(key, text), own * factor) for key, factor, text in FACTORS]
    return [*factors, *_sums(scope, known.true_j)]


def _far(scope: str, known: KnownEnergy) -> list[_Guess]:
    """Return the powers of ten again, for a meter that errs a little besides."""
    own = known.true_j[scope]
    return [
        _Guess(Name(key, f"about {text}"), own * factor, FAR_FIT)
        for key, factor, text in FACTORS
        if max(factor, 1 / factor) >= FAR
    ]


def _double(scope: str, known: KnownEnergy) -> list[_Guess]:
    """Return what is often summed up wrongly, times a factor of units or overheads."""
    return [
        _Guess(
            Name(f"{sum_.name.key}, {key}", f"{sum_.name.text}; {text}"),
            sum_.joules * factor,
            FAR_FIT if key in _TENS else FIT,
        )
        for sum_ in _sums(scope, known.true_j)
        for key, factor, text in FACTORS
        if sum_.name.key in _COMMON and not key.startswith("unit")
    ]


def _sums(scope: str, true_j: Mapping[str, float]) -> Iterator[_Guess]:
    """Yield what might have been added up instead."""
    if scope == "system":
        text = "the CPU's part a thousandth, GPUs right: kW taken for W"
        yield _Guess(Name("scale-1e-3", text), true_j["gpu"] + true_j["package"] / 1e3)
    if scope == "machine":
        yield from _machine(true_j)
    if scope in ("package", "machine"):
        yield from _packages(true_j[scope], true_j)
    if "node" in true_j and not scope.startswith(("node", "gpu")):
        yield _Guess(Name("node-instead", "the whole node instead"), true_j["node"])


def _machine(true_j: Mapping[str, float]) -> Iterator[_Guess]:
    """Yield what happens to packages and DRAM."""
    own, packages, dram = true_j["machine"], true_j["package"], true_j.get("dram", 0.0)
    zones = [scope for scope in true_j if scope.startswith(("package-", "dram-"))]
    if dram:
        yield _Guess(Name("dram-missing", "DRAM is missing: packages only"), packages)
    if len(zones) > 1:
        mean = Name("mean-of-zones", "the mean of the zones instead of their sum")
        yield _Guess(mean, own / len(zones))
    for zone in zones:
        part, _, number = zone.partition("-")
        if part == "package" and true_j[zone] < packages:
            name = Name("one-socket", f"one socket only: {zone}")
            yield _Guess(name, true_j[zone] + true_j.get(f"dram-{number}", 0.0))
        if part == "dram" and true_j[zone] < dram:
            yield _Guess(Name("one-dram", f"{zone} is missing"), own - true_j[zone])


def _packages(own: float, true_j: Mapping[str, float]) -> Iterator[_Guess]:
    """Yield what happens to packages, alone or with DRAM."""
    packages, psys = true_j["package"], true_j.get("psys", 0.0)
    core, uncore, dram = (true_j.get(each, 0.0) for each in ("core", "uncore", "dram"))
    for zone in (each for each in true_j if each.startswith("package-")):
        if own == packages and true_j[zone] < packages:
            yield _Guess(Name("one-socket", f"one socket only: {zone}"), true_j[zone])
    twice = Name("packages-twice", "packages counted twice: dies, or MMIO as well")
    yield _Guess(twice, own + packages)
    if psys:
        yield _Guess(Name("psys-added", "psys added to the packages within it"), own + psys)
        both = Name("psys-and-twice", "psys added, and packages counted twice")
        yield _Guess(both, own + packages + psys)
        yield _Guess(Name("psys-instead", "psys instead of the packages"), psys)
    if core:
        yield _Guess(Name("core-added", "cores added to the packages they are in"), own + core)
        inside = Name("parts-added", "core and uncore added to the packages they are in")
        yield _Guess(inside, own + core + uncore)
    if dram and own == packages:
        yield _Guess(Name("dram-added", "DRAM added to the packages"), packages + dram)


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
            lost = "missing" if turns < 0 else "too much"
            times = "" if abs(turns) == 1 else f"{abs(turns)} times "
            name = Name(
                "wrap" if turns < 0 else "wrap-added",
                f"the wrap is not corrected: {times}{turn_j:.0f} J {lost}",
            )
            left_j = own + turns * turn_j
            yield _Guess(name, left_j, FIT * abs(own) / max(abs(left_j), 1e-9))
