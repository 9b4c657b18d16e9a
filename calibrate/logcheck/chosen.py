"""Which columns of a log are added up: each part of the machine once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from calibrate.energy import wholes_of
from calibrate.errors import CrosswattError, UnknownName
from calibrate.ingest import Log, LogColumn
from calibrate.probe import Domain


@dataclass(frozen=True)
class Meter:
    """What one part of the machine is measured by: a count, a power, or several of these.

    Parameters
    ----------
    probe : the meter.
    columns : of one scope; a count comes first, and a mean before a power of the instant.
    """

    probe: str
    columns: tuple[LogColumn, ...]

    @property
    def scope(self) -> str:
        """What it covers."""
        return self.columns[0].domain.scope


@dataclass(frozen=True)
class Chosen:
    """What is added up, and what is left out with the reason."""

    meters: tuple[Meter, ...]
    left: tuple[tuple[str, str], ...]


def choose(log: Log, names: Sequence[str] = ()) -> Chosen:
    """Return the columns whose energies are added up.

    Of several meters that are in one log, the one that covers most; of its columns those that lie
    in no other. A board's total and its parts are never added.

    Parameters
    ----------
    log : what was read.
    names : the columns to take, as ``column`` or ``meter.column``; by default as above.

    Raises
    ------
    CrosswattError : there is no such column, or those that are named lie in each other.
    """
    every = [
        (probe.name, column)
        for probe in log.probes
        for column in probe.columns
        if column.at_ns.size > 1
    ]
    if not every:
        raise CrosswattError("The log has no column with two readings.")
    return _named(every, names) if names else _widest(every)


Pair = tuple[str, LogColumn]


def _named(every: Sequence[Pair], names: Sequence[str]) -> Chosen:
    """Return the columns that were asked for."""
    found: list[Pair] = []
    for name in dict.fromkeys(names):
        mine = [p for p in every if name in (p[1].domain.name, f"{p[0]}.{p[1].domain.name}")]
        if not mine:
            raise UnknownName("column in the log", name, {f"{p}.{c.domain.name}" for p, c in every})
        if len(mine) > 1:
            which = " or ".join(f"{probe}.{name}" for probe, _ in mine)
            raise CrosswattError(f"Several meters of the log have a column {name}; write {which}.")
        found += mine
    for place, (_, one) in enumerate(found):
        for _, other in found[place + 1 :]:
            if one.domain.kind != other.domain.kind and one.domain.scope == other.domain.scope:
                raise CrosswattError(
                    f"{one.domain.name} and {other.domain.name} are the same thing twice; name one."
                )
            for part, whole in ((one.domain, other.domain), (other.domain, one.domain)):
                if _lies_in(part, whole):
                    raise CrosswattError(
                        f"{part.name} lies in {whole.name}, and would be counted twice; name one."
                    )
    taken = {id(column) for _, column in found}
    left = [(f"{p}.{c.domain.name}", "it was not named") for p, c in every if id(c) not in taken]
    return Chosen(tuple(Meter(probe, (column,)) for probe, column in found), tuple(left))


def _widest(every: Sequence[Pair]) -> Chosen:
    """Return the columns of the meter that covers most, each part of the machine once."""
    left: list[tuple[str, str]] = []
    probes = list(dict.fromkeys(probe for probe, _ in every))
    best = min(probes, key=lambda name: _width(c.domain for p, c in every if p == name))
    kept = []
    for probe, column in every:
        name = f"{probe}.{column.domain.name}"
        inside = [
            other.domain
            for p, other in every
            if p == probe and _lies_in(column.domain, other.domain)
        ]
        if probe != best:
            left.append((name, f"another meter; {best} covers as much or more"))
        elif inside:
            left.append((name, f"it lies in {inside[0].name}"))
        else:
            kept.append(column)
    scopes: dict[str, list[LogColumn]] = {}
    for column in kept:
        scopes.setdefault(column.domain.scope, []).append(column)
    meters = []
    for scope, columns in scopes.items():
        kinds = {(column.domain.kind, column.domain.family) for column in columns}
        if len(kinds) < len(columns):
            names = ", ".join(column.domain.name for column in columns)
            raise CrosswattError(
                f"{best} has several columns of {scope} ({names}), and the log does not say "
                "whether they are parts or the same thing. Name those to be added: --column "
                "NAME, which may be repeated."
            )
        columns.sort(key=lambda each: (each.domain.kind == "power", each.domain.family))
        meters.append(Meter(best, tuple(columns)))
    return Chosen(tuple(meters), tuple(left))


_WIDTHS = (
    "node",
    "system",
    "machine",
    "psys",
    "package",
    "gpu",
    "dram",
    "core",
    "uncore",
    "process",
)


def _width(domains: Iterable[Domain]) -> int:
    kinds = [domain.scope.partition("-")[0] for domain in domains]
    return min(_WIDTHS.index(kind) if kind in _WIDTHS else len(_WIDTHS) for kind in kinds)


def _lies_in(part: Domain, whole: Domain) -> bool:
    """Tell whether a column is, or may be, in another one."""
    if part.name in whole.sum_of:
        return True
    if part.scope == "process":
        return whole.scope != "process"
    if part.scope.startswith("dram") and whole.scope == "psys":
        return True
    return whole.scope in wholes_of(part.scope)
