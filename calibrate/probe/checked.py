"""A probe whose every return value is checked, so that a mistake in an adapter is one sentence.

The recorder sees a probe through it. What is wrong is said once, with the method, what it returned
and what it should return; nothing of a wrong value is kept.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeGuard

from calibrate.probe.contract import Domain, Probe

_VALUES = "joules or watts by domain name, such as {%r: 12.5}, and without what has no value now"


class BadReturn(Exception):
    """A probe's method returned something else than the contract says.

    Parameters
    ----------
    probe : its name.
    method : what was called, with its parentheses, or an attribute.
    returned : what came back.
    wanted : what should have come back, in words.
    """

    def __init__(self, probe: str, method: str, returned: object, wanted: str) -> None:
        called = method.endswith("()")
        was, should = ("returned", "return") if called else ("is", "be")
        super().__init__(
            f"{method} of {probe} {was} {_shown(returned)}; it should {should} {wanted}"
        )
        self.method = method


class CheckedProbe:
    """The methods of an opened probe that return something.

    Parameters
    ----------
    probe : an opened probe; its domains are asked for once, here.

    Raises
    ------
    BadReturn : it has no domains, or something else in their place; its period is no time.
    """

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self.name = probe.name
        self.library = probe.library or probe.name
        self.period_s = self._period()
        self.domains = self._domains()
        self._names = {domain.name for domain in self.domains}
        #: Values that were no number (NaN, infinite), and were left out.
        self.rejected = 0

    def _bad(self, method: str, returned: object, wanted: str) -> BadReturn:
        return BadReturn(self.name, method, returned, wanted)

    def _period(self) -> float:
        period_s: object = self._probe.period_s
        if not _is_number(period_s) or not 0 < period_s < math.inf:
            raise self._bad("period_s", period_s, "seconds between two readings, such as 0.1")
        return period_s

    def _domains(self) -> list[Domain]:
        domains: object = self._probe.domains()
        wanted = "a list of one Domain or more, each with a name of its own"
        if not isinstance(domains, list | tuple) or not domains:
            raise self._bad("domains()", domains, wanted)
        for each in domains:
            if not isinstance(each, Domain):
                raise self._bad("domains()", domains, wanted)
        if len({each.name for each in domains}) < len(domains):
            raise self._bad("domains()", [each.name for each in domains], wanted)
        return list(domains)

    def facts(self) -> dict[str, str]:
        """Return `Probe.facts`.

        Raises
        ------
        BadReturn : it is no mapping of text to text.
        """
        facts: object = self._probe.facts()
        wanted = "text by name, such as {'release': '1.0'}"
        if not isinstance(facts, Mapping):
            raise self._bad("facts()", facts, wanted)
        for name, value in facts.items():
            if not isinstance(name, str) or not isinstance(value, str):
                raise self._bad("facts()", {name: value}, wanted)
        return dict(facts)

    def read(self) -> dict[str, float]:
        """Return `Probe.read`, finite values only.

        Raises
        ------
        BadReturn : it is no mapping of numbers by the names of the domains.
        """
        return self._values("read()", self._probe.read())

    def drain(self) -> Iterator[tuple[int, dict[str, float]]]:
        """Yield what `Probe.drain` has, finite values only.

        Raises
        ------
        BadReturn : an item is not an instant in ns with values as `read` has them.
        """
        drained: object = self._probe.drain()
        wanted = "pairs of an instant in whole ns and its values"
        if not isinstance(drained, Iterable):
            raise self._bad("drain()", drained, wanted)
        for each in drained:
            if not isinstance(each, list | tuple) or len(each) != 2 or type(each[0]) is not int:
                raise self._bad("drain()", each, wanted)
            yield each[0], self._values("drain()", each[1])

    def _values(self, method: str, values: object) -> dict[str, float]:
        """Return the values that are finite numbers."""
        wanted = _VALUES % self.domains[0].name
        if not isinstance(values, Mapping):
            raise self._bad(method, values, wanted)
        kept = {}
        for name, value in values.items():
            if name not in self._names:
                known = ", ".join(sorted(self._names))
                raise self._bad(method, {name: value}, f"nothing but its domains: {known}")
            if not _is_number(value):
                raise self._bad(method, {name: value}, wanted)
            if math.isfinite(value):
                kept[name] = float(value)
            else:
                self.rejected += 1
        return kept


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown(value: object) -> str:
    """Return a value as an author recognises it, on one line and not too long."""
    text = " ".join(repr(value).split())
    return f"{text if len(text) <= 80 else f'{text[:77]}...'} ({type(value).__name__})"
