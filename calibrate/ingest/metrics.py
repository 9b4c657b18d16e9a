"""Any exporter's energies and powers that were extracted from Prometheus.

The name of a metric has its unit at the end (prometheus.io/docs/practices/naming): joules or watts,
of node_exporter, Kepler and others. What it covers is a word of the name or of the label ``zone``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from calibrate.errors import BadFile, CrosswattError
from calibrate.ingest.feed import Found, Options, counter, power
from calibrate.ingest.long import Long
from calibrate.ingest.prometheus import samples
from calibrate.ingest.stamps import empty
from calibrate.probe import SCOPES, Domain
from calibrate.quantity import finite_number

_UNIT = re.compile(r"(.+)_(micro|milli|kilo)?(joule|watt)s?(?:_total)?")
_SIZES = {"": 1.0, "micro": 1e-6, "milli": 1e-3, "kilo": 1e3}
_PARTS = ("package", "dram", "uncore", "core", "psys", "gpu")
#: Labels that number the parts of a machine, and those of a share of it.
_NUMBERS = ("index", "socket", "gpu", "package")
_SHARES = frozenset(("pid", "container", "container_id", "container_name", "pod", "pod_name", "vm"))
_POWER = " power"


def prometheus(paths: Sequence[Path], options: Options) -> Found:
    """Metrics that end in joules or watts, as answers of the HTTP API or pages that were scraped.

    Metrics of processes, containers and pods are left out.
    """
    long = Long()
    scopes: dict[str, str] = {}
    series: dict[str, tuple[str, Mapping[str, str]]] = {}
    left: set[str] = set()
    for sample in samples(paths, options):
        found = _UNIT.fullmatch(sample.metric)
        if found is None:
            continue
        if _SHARES & sample.labels.keys():
            left.add(sample.metric)
            continue
        scope = _scope(sample.metric, sample.labels, options)
        name = f"{scope}{_POWER if found[3] == 'watt' else ''}"
        mine = (sample.metric, sample.labels)
        if series.setdefault(name, mine) != mine:
            raise BadFile(
                paths[0],
                f"two series are both {name} ({series[name][0]}, {sample.metric} "
                f"{dict(sample.labels)})"[:300],
                fix="Ask Prometheus for one of them.",
            )
        scopes[name] = scope
        try:
            value = finite_number(sample.text, sample.metric) * _SIZES[found[2] or ""]
        except ValueError as error:
            options.reject(f"{sample.metric} {sample.text}", str(error))
        else:
            long.put(sample.at_ns, name, value)
    if not long:
        raise empty(paths[0], "metric that ends in joules or watts")
    notes = [f"{each} is of processes or containers, and was left out." for each in sorted(left)]

    def cover(name: str) -> Domain:
        scope = scopes[name]
        rapl = scope.partition("-")[0] in ("package", "dram", "core", "uncore")
        family = "rapl" if rapl else "rapl-psys" if scope == "psys" else "prometheus"
        if name.endswith(_POWER):
            return power(name, scope, f"{family}-power" if rapl else family)
        return counter(name, scope, family)

    return Found([long.feed(options.name or "prometheus", cover)], notes=notes)


def _scope(metric: str, labels: Mapping[str, str], options: Options) -> str:
    """Return what a series covers.

    Raises
    ------
    CrosswattError : neither its name nor its labels say, nor the user.
    """
    words = (*re.split(r"[_-]", labels.get("zone", "")), *metric.split("_"))
    part = next((each for each in _PARTS if each in words), None)
    if part is None:
        if options.scope is None:
            raise CrosswattError(
                f"{metric} does not say what it covers. Say it: --scope node ({', '.join(SCOPES)})."
            )
        return options.scope
    number = next((labels[each] for each in _NUMBERS if labels.get(each, "").isdecimal()), None)
    return part if number is None or part == "psys" else f"{part}-{int(number)}"
