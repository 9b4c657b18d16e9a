"""How a workload says what it does: lines of the form ``crosswatt: {...}`` on standard output.

    crosswatt: {"mark": "able"}
    crosswatt: {"mark": "ready"}
    crosswatt: {"mark": "phase", "name": "load", "begin_ns": 1, "end_ns": 9, "work": 2}
    crosswatt: {"mark": "phase", "name": "eval[3]", "begin_ns": 9, "end_ns": 12,
                "values": {"wer": 0.061}}
    crosswatt: {"mark": "result", "values": {"wer": 0.061}}

Instants are CLOCK_MONOTONIC nanoseconds. Any other line is the workload's own output; a mark may
follow other output in its line, as progress bars leave it.

A script is able once it has seen that nothing is missing, and ready once it is prepared; it may
leave the former out. Before its first run a campaign starts every workload up to there, so that
what is missing is told before anything is measured.

A script of a workloads folder has a `Stage`; any other program may use `mark`. This module imports
the standard library only, and little of it: training scripts import it.
"""

from __future__ import annotations

import json
import operator
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from types import TracebackType
from typing import SupportsIndex

PREFIX = "crosswatt: "
#: Set for every workload that is measured; `mark` is silent without it.
VARIABLE = "CROSSWATT_MARKS"

Value = float | int | str | None


@dataclass(frozen=True)
class Phase:
    """A stretch of a workload, with the instants when it really began and ended.

    Parameters
    ----------
    name : for example ``load``, ``high``, ``infer``; ``train[3]`` is the third of its kind.
    begin_ns, end_ns : CLOCK_MONOTONIC.
    work : units of work done, all workers together; None where there is no such figure.
    unit : what the work is counted in, for example ``flop`` or ``byte``.
    values : figures that belong to this phase, for example the word error rate.
    """

    name: str
    begin_ns: int
    end_ns: int
    work: float | None = None
    unit: str | None = None
    values: Mapping[str, Value] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Length of the phase."""
        return (self.end_ns - self.begin_ns) / 1e9


class Stage:
    """The workload's side of the conversation: ready, phases, result.

    Parameters
    ----------
    marks : print marks for a program; otherwise sentences for a person.
    """

    def __init__(self, marks: bool) -> None:
        self._marks = marks

    def able(self) -> None:
        """Say that nothing is missing; what takes long to prepare comes after it."""
        if self._marks:
            _print({"mark": "able"})

    def ready(self) -> None:
        """Say that preparation is over and wait until told to start."""
        if self._marks:
            _print({"mark": "ready"})
            sys.stdin.readline()

    def phase(self, phase: Phase) -> None:
        """Report a finished phase.

        Parameters
        ----------
        phase : as it was.
        """
        if self._marks:
            _print({"mark": "phase", **asdict(phase)})
        else:
            parts = [f"{phase.seconds:.3f} s"]
            if phase.work is not None:
                parts.append(f"{phase.work / phase.seconds:.4g} {phase.unit}/s")
            parts += [_words(name, value) for name, value in phase.values.items()]
            print(f"{phase.name}: {', '.join(parts)}")

    def result(self, **values: Value) -> None:
        """Report figures of quality, such as the word error rate.

        Parameters
        ----------
        values : of the whole run, by name.
        """
        if self._marks:
            _print({"mark": "result", "values": values})
        else:
            for name, value in values.items():
                print(_words(name, value))


class Mark:
    """A phase of a program of the user's own: a context manager, or `begin` and `end`.

    Parameters
    ----------
    name : of the phase.
    values : figures that belong to it; more may be added until its end.

    ``work`` and ``unit`` may be set until its end, for work per second.
    """

    def __init__(self, name: str, values: dict[str, Value]) -> None:
        self.name = name
        self.values = values
        self.work: float | None = None
        self.unit: str | None = None
        self._begin_ns: int | None = None

    def begin(self) -> Mark:
        """Begin the phase."""
        self._begin_ns = time.monotonic_ns()
        return self

    def end(self) -> None:
        """End the phase and report it.

        Raises
        ------
        RuntimeError : it has not begun, or has ended already.
        """
        end_ns = time.monotonic_ns()
        if self._begin_ns is None:
            raise RuntimeError(f"The phase {self.name!r} ends without a beginning: call begin().")
        begin_ns, self._begin_ns = self._begin_ns, None
        _report(Phase(self.name, begin_ns, end_ns, self.work, self.unit, self.values))

    def __enter__(self) -> Mark:
        return self.begin()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if kind is None:  # a phase that was broken off is none
            self.end()


def mark(name: str, /, **index: SupportsIndex) -> Mark:
    """Return a phase of a program of the user's own, for ``with``.

        with calibrate.mark("train", epoch=3) as phase:
            ...
            phase.values["wer"] = 0.1

    The index, under whatever name, is put in brackets: ``train[3]``; it is among the values too.
    Measured by crosswatt, the phase is printed as a mark, or handed to the notebook; otherwise
    nothing is said. A phase that an exception ends is not reported.

    Parameters
    ----------
    name : of the phase, without brackets.
    index : at most one whole number, such as ``epoch=3``.

    Raises
    ------
    TypeError : more than one index, or one that is no whole number.
    """
    if len(index) > 1 or not all(hasattr(each, "__index__") for each in index.values()):
        given = ", ".join(f"{key}={each!r}" for key, each in index.items())
        raise TypeError(
            f"mark({name!r}, {given}): a phase has one index, a whole number such as epoch=3. "
            "Put other figures into its values: with mark(...) as phase: phase.values['loss'] = 1.2"
        )
    whole = {key: operator.index(each) for key, each in index.items()}
    return Mark("".join([name, *(f"[{each}]" for each in whole.values())]), {**whole})


_takers: list[Callable[[Phase], None]] = []


@contextmanager
def marks_taken(take: Callable[[Phase], None]) -> Iterator[None]:
    """Hand every phase of `mark` to a function of this process instead of printing it.

    Parameters
    ----------
    take : called with each phase that ends in the block.

    Yields
    ------
    None : for ``with``.
    """
    _takers.append(take)
    try:
        yield
    finally:
        _takers.remove(take)


def _report(phase: Phase) -> None:
    """Hand a phase to whoever listens."""
    if _takers:
        _takers[-1](phase)
    elif os.environ.get(VARIABLE):
        _print({"mark": "phase", **asdict(phase)})


def plain_value(document: Mapping[str, object]) -> str:
    """Return JSON; what is a number to an array library is a number.

    Parameters
    ----------
    document : names with values.
    """
    return json.dumps(document, default=float)


def _print(document: Mapping[str, object]) -> None:
    """Print a mark in one piece, so that no other thread's output falls into it."""
    sys.stdout.write(f"{PREFIX}{plain_value(document)}\n")
    sys.stdout.flush()


def _words(name: str, value: Value) -> str:
    """Return a figure for a person."""
    return f"{name}: {value:.4g}" if isinstance(value, float) else f"{name}: {value}"
