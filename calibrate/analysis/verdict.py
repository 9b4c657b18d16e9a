"""The verdict on a probe: its worst column first, then what was lost, then what is not covered."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from calibrate.analysis.finding import Finding
from calibrate.comparison import Comparison, NotCompared
from calibrate.diagnosis import Severity

#: Ratios count as equally bad where ln(ratio) differs by less; the wider column then speaks.
_ALIKE = 0.05
#: What has all parts of a kind in it.
_WIDER = {
    "package": ("machine", "system", "psys", "node"),
    "dram": ("machine", "system", "node"),
    "gpu": ("system", "node"),
    "core": ("package", "machine", "system", "psys", "node"),
}


@dataclass(frozen=True)
class ProbeVerdict:
    """What a campaign shows of a probe as a whole.

    Parameters
    ----------
    probe : its name.
    findings : of every column that was compared, the worst first; empty where none was.
    runs : runs that could be compared.
    lost_runs : those of them in which the probe has no usable figure, each with the reason.
    not_covered : columns that the reference has nothing for, and others that were not compared.
    not_seen : scopes of the machine that the probe has no column for, although it has some of
        their kind or what lies inside: ``package-1`` of a meter that has ``package-0`` only.
    state : ``ok``, or why there is no finding at all: ``unavailable``, ``failed``, ``killed``.
    """

    probe: str
    findings: tuple[Finding, ...]
    runs: int
    lost_runs: dict[str, str]
    not_covered: tuple[NotCompared, ...]
    not_seen: tuple[str, ...] = ()
    state: str = "ok"

    @property
    def worst(self) -> Finding | None:
        """The finding that speaks for the probe; None where no column was compared."""
        return self.findings[0] if self.findings else None

    @cached_property
    def severity(self) -> Severity:
        """How bad it is: that of the worst column, or that of lost runs if that is worse."""
        if self.worst is None:
            return Severity.NOT_COMPARED
        lost = Severity.LOST_RUNS if self.lost_runs else Severity.UNTRIED
        part = Severity.PART if self.not_seen else Severity.UNTRIED
        return max(self.worst.severity, lost, part)

    @property
    def untried(self) -> tuple[Finding, ...]:
        """The findings of columns that are most likely sound, in runs that do not settle it."""
        return tuple(each for each in self.findings if each.severity is Severity.UNTRIED)

    @property
    def sound(self) -> bool:
        """Whether every column is sound, in every run, as far as it was tried."""
        return self.severity is Severity.SOUND

    @property
    def untrusted(self) -> tuple[Finding, ...]:
        """The findings of columns that cannot be used as they are, the worst first."""
        return tuple(each for each in self.findings if each.severity.untrusted)

    @property
    def same_family(self) -> bool:
        """Whether all that was compared reads the same source as the reference."""
        return bool(self.findings) and all(each.pair.same_family for each in self.findings)


def probe_verdicts(
    comparison: Comparison, findings: Iterable[Finding], runs: Iterable[str]
) -> list[ProbeVerdict]:
    """Return the verdict on every probe but the reference, the worst first.

    Parameters
    ----------
    comparison : of the campaign.
    findings : of all its columns.
    runs : the names of the runs that could be compared.
    """
    every, runs = list(findings), list(runs)
    verdicts = []
    for name, summary in comparison.probes.items():
        mine = sorted((each for each in every if each.probe == name), key=_urgency)
        if name == comparison.reference:
            continue
        verdicts.append(
            ProbeVerdict(
                probe=name,
                findings=tuple(mine),
                runs=comparison.runs,
                lost_runs={run: why for run, why in summary.lost_runs.items() if run in runs},
                not_covered=tuple(each for each in comparison.left if each.probe == name),
                not_seen=not_seen(summary.scopes, comparison.probes[comparison.reference].scopes),
                state=summary.status,
            )
        )
    verdicts.sort(key=lambda each: (-each.severity, *(map(_urgency, each.findings[:1]))))
    return verdicts


def not_seen(scopes: Iterable[str], machine: Iterable[str]) -> tuple[str, ...]:
    """Return the scopes of a machine that are left out by a probe that has some of their kind.

    Parameters
    ----------
    scopes : of all columns of the probe.
    machine : those that the reference has.

    Returns
    -------
    tuple : empty where the probe has the total, or has nothing of that kind at all.
    """
    ours = set(scopes)
    kinds = {scope.partition("-")[0] for scope in ours}
    missing: list[str] = []
    for scope in machine:
        kind, numbered, _ = scope.partition("-")
        inside = kind == "package" and "core" in kinds
        if not numbered or scope in ours or kind not in kinds | ({"package"} if inside else set()):
            continue
        if not ours & {kind, *_WIDER.get(kind, ())}:
            missing.append(scope)
    return tuple(missing)


def _urgency(finding: Finding) -> tuple[int, float, bool, int]:
    """Return what findings are sorted by: the worst, then the farthest off, then the widest."""
    ratio = finding.ratio
    off = math.inf if ratio is None else abs(math.log(ratio.value))
    steps = off if math.isinf(off) else round(off / _ALIKE)
    return -finding.severity, -steps, not finding.headline, -len(finding.pair.parts)
