"""What may have changed on a machine between two campaigns, by name."""

from __future__ import annotations

from collections.abc import Sequence

from calibrate.analysis import Analysis
from calibrate.campaign import IDENTITY, machine_differences
from calibrate.errors import CrosswattError

#: What may change on a machine.
CONDITIONS = ("kernel", "microcode", "governor", "memory_bytes", "virtual")
#: Facts that differ from run to run and mean nothing.
PASSING = ("pid", "started", "path", "interpreter")


def conditions(found: Analysis) -> dict[str, str]:
    """Return everything that may have changed between campaigns of one machine."""
    record = found.campaign.record
    out = {name: str(getattr(record.machine, name)) for name in (*IDENTITY, *CONDITIONS)}
    out["crosswatt"] = record.crosswatt
    out["faults of the bench"] = "; ".join(record.faults) or "none"
    for name, summary in found.comparison.probes.items():
        for fact, value in summary.facts.items():
            if fact not in PASSING:
                out[f"{name}: {fact}"] = value
    return out


def changed_conditions(one: Analysis, two: Analysis) -> dict[str, tuple[str, str]]:
    """Return what differs between two campaigns: name -> before, after."""
    before, after = conditions(one), conditions(two)
    return {
        name: (before.get(name, "not there"), after.get(name, "not there"))
        for name in {**before, **after}
        if before.get(name) != after.get(name)
    }


def refuse_two_machines(found: Sequence[Analysis]) -> None:
    """Refuse campaigns of two machines."""
    first = found[0].campaign
    for each in found[1:]:
        differing = machine_differences(first.record.machine, each.campaign.record.machine)
        if differing:
            raise CrosswattError(
                f"{first.folder} and {each.campaign.folder} are of two machines "
                f"({', '.join(differing)} differ), whose factors may differ for good reasons. "
                "Add --anyway to compare them all the same."
            )
