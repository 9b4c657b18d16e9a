"""Columns: what a probe reports that can be compared, alone or as a sum of parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from calibrate.probe import Basis, Domain

#: What serves as the reference when none is named: the first of these that worked.
REFERENCES = ("truth", "wall", "rapl")

#: From the widest to the narrowest: which column speaks for a probe that has several.
WIDEST_FIRST = (
    "node",
    "psys",
    "system",
    "machine",
    "package",
    "gpu",
    "dram",
    "core",
    "uncore",
    "process",
)

#: What lies in what, for certain: the least whole first. A `process` has a share of anything.
_WHOLES = {
    "core": ("package", "psys", "machine", "system", "node"),
    "uncore": ("package", "psys", "machine", "system", "node"),
    "package": ("psys", "machine", "system", "node"),
    "dram": ("machine", "system", "node"),
    "gpu": ("system", "node"),
    "machine": ("system", "node"),
    "psys": ("system", "node"),
    "system": ("node",),
}


@dataclass(frozen=True)
class Column:
    """Something comparable that a probe reports.

    Parameters
    ----------
    name : the domain's name, or the scope for a total.
    scope : what it covers; see `calibrate.probe.SCOPES`.
    parts : the names of the domains that are added up.
    sum_of : the names of the columns of which the meter itself makes this total.
    """

    name: str
    scope: str
    basis: Basis
    family: str
    parts: tuple[str, ...]
    sum_of: tuple[str, ...] = ()


def probe_columns(domains: Iterable[Domain]) -> list[Column]:
    """Return every domain as a column, and the totals of every family, each with its own name."""
    domains = list(domains)
    found = [Column(d.name, d.scope, d.basis, d.family, (d.name,), d.sum_of) for d in domains]
    groups: dict[tuple[str, Basis], list[Domain]] = {}
    for domain in domains:
        groups.setdefault((domain.family, domain.basis), []).append(domain)
    # What is measured comes before what is modelled, and a family's own name before those of its
    # branches (rapl-mmio, nvml-average).
    for (family, basis), members in sorted(
        groups.items(), key=lambda each: (each[0][1] == "modelled", "-" in each[0][0])
    ):
        parts = {
            scope: tuple(d.name for d in members if d.scope.startswith(f"{scope}-"))
            for scope in ("package", "dram", "gpu")
        }
        parts["machine"] = parts["package"] + parts["dram"] if parts["package"] else ()
        parts["system"] = (
            parts["machine"] + parts["gpu"] if parts["machine"] and parts["gpu"] else ()
        )
        taken = {column.name for column in found}
        found += [
            Column(f"{scope} ({family})" if scope in taken else scope, scope, basis, family, names)
            for scope, names in parts.items()
            # A probe that says itself what all of them use needs no sum of those it lists.
            if names and scope not in {member.scope for member in members}
        ]
    return found


def wholes_of(scope: str) -> tuple[str, ...]:
    """Return the scopes that a scope is a part of, the least first.

    Examples
    --------
    >>> wholes_of("core-1"), wholes_of("gpu-0")
    (('package-1', 'package', 'psys', 'machine', 'system', 'node'), ('gpu', 'system', 'node'))
    """
    kind, numbered, number = scope.partition("-")
    wholes = _WHOLES.get(kind, ())
    if not numbered:
        return wholes
    own = f"package-{number}" if kind in ("core", "uncore") else kind
    return own, *wholes


def columns_inside(whole: Column, found: Iterable[Column]) -> list[Column]:
    """Return the columns that are a true part of another: its dram, one of its packages."""
    parts = set(whole.parts)
    return [
        column for column in found if column.family == whole.family and set(column.parts) < parts
    ]


def native_columns(domains: Iterable[Domain]) -> list[Column]:
    """Return the columns worth showing: the domains, and totals of more than one domain."""
    shown: list[Column] = []
    for column in probe_columns(domains):
        same = any(column.parts == each.parts for each in shown)
        if not same:
            shown.append(column)
    return shown


def headline_column(found: Iterable[Column]) -> Column | None:
    """Return the column that speaks for a probe: the widest, measured before modelled.

    All sockets or GPUs together come before one of them, and a total that the meter itself makes of
    its columns comes after these.
    """

    def rank(column: Column) -> tuple[bool, bool, int, int]:
        kind = column.scope.partition("-")[0]
        known = kind in WIDEST_FIRST
        place = WIDEST_FIRST.index(kind) if known else len(WIDEST_FIRST)
        mirror = column.family in {"rapl-mmio", "rapl-psys"}
        own_total, modelled = bool(column.sum_of), column.basis == "modelled"
        return own_total, modelled, place + 20 * mirror, -len(column.parts)

    return min(found, key=rank, default=None)


def column_of_all(parts: Iterable[Column], scope: str) -> Column:
    """Return several columns of one probe as one, each domain counted once.

    Parameters
    ----------
    parts : at least one.
    scope : what they cover together.
    """
    parts = list(parts)
    names = tuple(dict.fromkeys(name for part in parts for name in part.parts))
    families = dict.fromkeys(part.family for part in parts)
    modelled = next((p.basis for p in parts if p.basis == "modelled"), parts[0].basis)
    return Column(" + ".join(p.name for p in parts), scope, modelled, "+".join(families), names)


def columns_by_scope(found: Iterable[Column]) -> Mapping[str, Column]:
    """Index columns by scope; the first family that has a scope speaks for it."""
    index: dict[str, Column] = {}
    for column in found:
        index.setdefault(column.scope, column)
    return index
