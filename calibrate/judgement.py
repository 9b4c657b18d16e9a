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
    ("pue-1.58", 1.58, "times 1.58: a data centre's overhead (PUE)"),
    ("pue-1.59", 1.59, "times 1.59: a data centre's overhead (PUE)"),
    ("pue-1.57", 1.57, "times 1.57: a data centre's overhead (PUE)"),
    ("pue-1.55", 1.55, "times 1.55: a data centre's overhead (PUE)"),
)
#: How closely a name must fit what was reported; the tolerance for "right" is the user's. Powers
#: of ten are far from everything else, so that a meter which errs a little besides is named too.
FIT, FAR_FIT, FAR = 0.01, 0.15, 50.0
_WRAPS = 12
_SAME = 0.08


@dataclass(frozen=True)
class Known:
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
class Usual:
    """How a figure errs on a healthy machine.

    Parameters
    ----------
    ratio : reported over true.
    name : what that was explained by.
    """

    ratio: float
    name: Name


def explain(joules: float, scope: str, known: Known, usual: Usual | None = None) -> Name:
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
    for candidates in _candidates(scope, known):
        fitting = [name for name, value in candidates if abs(joules - value) <= FIT * abs(value)]
        if fitting:
            keys, texts = zip(*((name.key, name.text) for name in fitting), strict=True)
            return Name(" or ".join(dict.fromkeys(keys)), " - or: ".join(dict.fromkeys(texts)))
    wrapped = _wrapped(joules, scope, known)
    if wrapped:
        return wrapped
    ratio = joules / true_j
    for key, factor, text in FACTORS:
        if max(factor, 1 / factor) >= FAR and abs(ratio / factor - 1) <= FAR_FIT:
            return Name(key, f"about {text}")
    if abs(ratio) > 100:  # no fraction of the truth
        return Name("absurd", f"{joules:.4g} J instead of {true_j:.4g} J")
    return Name("other", f"{ratio:.3f} times the truth")


def _candidates(scope: str, known: Known) -> Iterator[list[tuple[Name, float]]]:
    """Yield what a meter might have reported: one cause alone, then a sum times a factor."""
    own = known.true_j[scope]
    sums = list(_sums(scope, known.true_j))
    yield [*((Name(key, text), own * factor) for key, factor, text in FACTORS), *sums]
    yield [
        (Name(f"{name.key}, {key}", f"{name.text}; {text}"), value * factor)
        for name, value in sums
        for key, factor, text in FACTORS
    ]


def _sums(scope: str, true_j: Mapping[str, float]) -> Iterator[tuple[Name, float]]:
    """Yield what might have been added up instead."""
    if scope == "gpu" or scope.startswith("gpu-"):
        return
    packages, dram = true_j.get("package", 0.0), true_j.get("dram", 0.0)
    psys, core = true_j.get("psys", 0.0), true_j.get("core", 0.0)
    uncore = true_j.get("uncore", 0.0)
    own = true_j[scope]
    if scope == "machine" and dram:
        yield Name("dram-missing", "DRAM is missing: packages only"), packages
    if scope in ("package", "machine"):
        for single in sorted(key for key in true_j if key.startswith("package-")):
            with_dram = true_j.get(f"dram-{single[8:]}", 0.0) if scope == "machine" else 0.0
            if true_j[single] < packages:
                yield Name("one-socket", f"one socket only: {single}"), true_j[single] + with_dram
        for single in sorted(key for key in true_j if key.startswith("dram-")):
            if scope == "machine" and true_j[single] < dram:
                yield Name("one-dram", f"{single} is missing"), own - true_j[single]
        twice = Name("packages-twice", "packages counted twice: dies, or MMIO as well")
        yield twice, own + packages
        if psys:
            yield Name("psys-added", "psys added to the packages within it"), own + psys
            both = Name("psys-and-twice", "psys added, and packages counted twice")
            yield both, own + packages + psys
            yield Name("psys-instead", "psys instead of the packages"), psys
        if core:
            yield Name("core-added", "cores added to the packages they are in"), own + core
            inside = Name("parts-added", "core and uncore added to the packages they are in")
            yield inside, own + core + uncore
        if dram and scope == "package":
            yield Name("dram-added", "DRAM added to the packages"), packages + dram
    if "node" in true_j and scope != "node":
        yield Name("node-instead", "the whole node instead"), true_j["node"]


def _wrapped(joules: float, scope: str, known: Known) -> Name | None:
    """Tell whether whole turns of a counter are missing or too many."""
    lack_j = known.true_j[scope] - joules
    mine = {s: r for s, r in known.range_j.items() if s == scope or s.partition("-")[0] == scope}
    if scope == "machine":
        mine = {s: r for s, r in known.range_j.items() if s.startswith(("package-", "dram-"))}
    for turn_j in sorted(set(mine.values()), reverse=True):
        turns = round(lack_j / turn_j)
        fits = abs(lack_j - turns * turn_j) <= FIT * known.true_j[scope]
        if turns and abs(turns) <= _WRAPS and fits:
            lost = "missing" if turns > 0 else "too much"
            times = "" if abs(turns) == 1 else f"{abs(turns)} times "
            return Name(
                "wrap" if turns > 0 else "wrap-added",
                f"the wrap is not corrected: {times}{turn_j:.0f} J {lost}",
            )
    return None
