"""Kinds of fault that a policy can forbid: a group of them by one name, or one by its key.

What is forbidden is held against the explanations that a diagnosis leaves open. Where all of them
have such a fault the column fails, whether or not somebody accepted it; where some have, it is not
settled.
"""

from __future__ import annotations

from collections.abc import Iterable

from calibrate.diagnosis import FAULTS, NO_FAULT, UNEXPLAINED, Diagnosis, Severity, severity_of
from calibrate.gate.ruling import Answer, Kind

#: Words of a policy for groups of the catalogue of faults.
_GROUPS = {
    "scale": ("unit",),
    "count": ("count", "overhead"),
    "pattern": ("pattern",),
    "part": ("part",),
    "chance": ("chance",),
    "run": ("run",),
}
#: Every kind that can be forbidden, with the keys of its faults.
KINDS: dict[str, frozenset[str]] = {
    each.key: frozenset({each.key}) for each in FAULTS if each.title
} | {
    name: frozenset(each.key for each in FAULTS if each.title and each.group in groups)
    for name, groups in _GROUPS.items()
}


def forbidden(found: Diagnosis, names: Iterable[str]) -> Answer:
    """Return what a diagnosis shows of faults that are forbidden.

    Parameters
    ----------
    found : the diagnosis.
    names : of kinds, as in `KINDS`.
    """
    names = list(names)
    keys = frozenset().union(*(KINDS[name] for name in names))
    words = ", ".join(names)
    hits = [keys & {*together} for together in found.keys]
    sound = {NO_FAULT, UNEXPLAINED} & {found.name, *found.alternatives}
    if not sound and severity_of(found) >= Severity.FAULT and hits and all(hits):
        return Answer(Kind.FORBIDDEN, f"diagnosis: {found.name}; forbidden: {words}")
    if any(hits):
        open_ = ", ".join(sorted(frozenset().union(*hits)))
        return Answer(Kind.UNDECIDED, f"the runs leave open {open_}; forbidden: {words}")
    if found.least_s is not None:
        return Answer(Kind.TOO_SHORT, found.sentence.rstrip("."))
    return Answer(Kind.WITHIN, f"no fault of these kinds is named: {words}")
