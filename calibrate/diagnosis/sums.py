"""A sum takes its findings from its parts: what is wrong with one of them is wrong with the sum.

The runs of a sum show a mixture that changes with the load, which no fault of the catalogue makes;
the part shows the fault itself. A sum of parts that share one fault, as a slip of unit in all of
them, keeps the name that its own runs give.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from calibrate.diagnosis.faults import fault
from calibrate.diagnosis.result import Diagnosis
from calibrate.diagnosis.severity import Severity, severity_of

_PART = fault("faulty-part")
FAULTY_PART = _PART.title
#: Parts whose ratios are within this factor of the sum's share its fault.
_ALIKE = 1.5
#: More parts than these are counted and not listed.
_LISTED = 4


def of_sum(whole: Diagnosis, parts: Mapping[str, Diagnosis]) -> Diagnosis:
    """Return the diagnosis of a sum, given those of its parts.

    Parameters
    ----------
    whole : what the runs of the sum show by themselves.
    parts : diagnoses of its parts, by column.

    Returns
    -------
    Diagnosis : `whole` where every part can be trusted, or all of them have its fault; the same
        with a reason where the sum agrees although a part does not; else `faulty part`.
    """
    faulty = {name: each for name, each in parts.items() if severity_of(each).untrusted}
    if not faulty or (len(faulty) == len(parts) and all(_alike(whole, p) for p in parts.values())):
        return whole
    names = tuple(faulty)
    dead = any(severity_of(each) is Severity.DEAD for each in faulty.values())
    if severity_of(whole) is Severity.SOUND and not dead:
        reason = f"{_said(faulty)}; the sum agrees in these runs all the same."
        return replace(whole, reasons=(*whole.reasons, reason), faulty_parts=names)
    others = len(parts) - len(faulty)
    rest = f" The other {others} show no fault." if others else ""
    rest = rest.replace("other 1 show ", "other shows ")
    told = " ".join(f"{name}: {each.sentence}" for name, each in list(faulty.items())[:_LISTED])
    return replace(
        whole,
        name=FAULTY_PART,
        probability=min((p.probability for p in faulty.values() if p.probability), default=None),
        conclusive=True,
        sentence=f"{_said(faulty)}.{rest}",
        reasons=(told,),
        cause=next(iter(faulty.values())).cause,
        aliases=(),
        alternatives=(),
        key=_PART.key,
        keys=((_PART.key,),),
        reported=next((each.reported for each in faulty.values() if each.reported), ""),
        factor=None,
        constant_w=None,
        faulty_parts=names,
    )


def _said(faulty: Mapping[str, Diagnosis]) -> str:
    """Return which parts are at fault, and of what."""
    listed = [f"{name} ({each.name})" for name, each in faulty.items()][:_LISTED]
    more = len(faulty) - len(listed)
    some = f" and {more} more" if more else ""
    parts, are = ("part", "is") if len(faulty) == 1 else ("parts", "are")
    return f"Its {parts} {', '.join(listed)}{some} {are} at fault"


def _alike(whole: Diagnosis, part: Diagnosis) -> bool:
    """Tell whether a sum and a part are off by about the same."""
    ours, its = _ratio(whole), _ratio(part)
    if ours is None or its is None:
        return whole.name == part.name
    return abs(math.log(ours / its)) < math.log(_ALIKE)


def _ratio(found: Diagnosis) -> float | None:
    """Return the middle ratio of the runs; None where they have none."""
    if found.ratio_min is None or found.ratio_max is None:
        return None
    return math.sqrt(found.ratio_min * found.ratio_max)
