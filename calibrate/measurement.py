"""Measure code of one's own, where it is: a block, or a function.

    with calibrate.measure("campaign/", probes=["rapl", "codecarbon"]) as run:
        train()
    run.joules["rapl"], run.seconds

The folder is a campaign, and each block is one more run of it. The probes record in processes of
their own; before and after the block this process rests for a moment while they do.
"""

from __future__ import annotations

import inspect
import json
import os
import re
import threading
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import cache, update_wrapper
from pathlib import Path
from types import MethodType, TracebackType
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, overload

from calibrate import campaign
from calibrate.campaign import Session, on_bench, with_settings
from calibrate.energy import Column, phase_meters, phases_by, window_energy
from calibrate.errors import CrosswattError
from calibrate.loads import VARIABLE, Phase, Value, marks_taken, plain_value
from calibrate.store import PhaseRecord, ProbeState, Run

if TYPE_CHECKING:
    import pandas as pd

P = ParamSpec("P")
R = TypeVar("R")

Settings = Mapping[str, Mapping[str, object]]
_NAME = re.compile(r"[A-Za-z0-9][\w-]*")


@dataclass(frozen=True)
class RunPhase:
    """A phase of a measured block, as `calibrate.mark` gave it.

    Parameters
    ----------
    name : for example ``train[3]``.
    seconds : its length, s.
    joules : probe -> J; None where the probe has no figure of it. Of phases that are shorter than
        two updates of the probe, the mean of their kind where the readings tell it.
    values : figures that belong to it, for example the loss.
    expanded_u_j : probe -> expanded uncertainty (95 %) of its joules from the readings, J.
    """

    name: str
    seconds: float
    joules: Mapping[str, float | None]
    values: Mapping[str, Value]
    expanded_u_j: Mapping[str, float | None] = field(default_factory=dict)


class Measurement:
    """A block that is measured; what `measure` returns.

    It is used by ``with``, or by `begin` and `end` where a block does not fit. What was measured is
    known after its end.

    Parameters
    ----------
    folder, probes, settings, adapters, name : see `measure`.
    code : what is done, kept as ``cell.py``; empty where it is not known.

    Raises
    ------
    UnknownName, CrosswattError : see `measure`.
    """

    def __init__(
        self, folder: Path, probes: Sequence[str], settings: Settings, adapters: Sequence[Path],
        name: str, code: str = "",
    ) -> None:  # fmt: skip
        if not _NAME.fullmatch(name):
            raise CrosswattError(f"{name!r} cannot name a run: use letters, digits and dashes.")
        self._name, self._folder, self._code = name, folder, code
        self._wanted = {each.partition("=")[0] for each in probes}
        chosen = campaign.sources(probes, adapters, simulated=on_bench())
        given = [f"{p}.{key}={value}" for p, own in settings.items() for key, value in own.items()]
        self._chosen, self._any_probes = with_settings(chosen, given), not (probes or given)
        self._taken = ExitStack()
        self._marked: list[Phase] = []
        self._states: Mapping[str, ProbeState] = {}
        self._run: Run | None = None

    # ---- its course ----

    def begin(self) -> Measurement:
        """Open the probes, rest, and begin.

        Returns
        -------
        Measurement : this one, for ``as``.

        Raises
        ------
        CrosswattError : something is measured already, the folder holds something else, or no
            probe works here. Nothing is then left on disk.

        Warns
        -----
        UserWarning : a probe that was asked for takes no part.
        """
        _claim(self)
        session = Session(self._folder, self._chosen, self._any_probes, self._name, self._code)
        try:
            self._states = session.start()
            try:
                self._warn()
            except BaseException:
                session.abandon()
                raise
        except BaseException:
            _give_up(self)
            raise
        self._session, self._run, self._marked = session, None, []
        self._taken.enter_context(marks_taken(self._marked.append))
        return self

    def _warn(self) -> None:
        """Say which of the probes that were asked for take no part."""
        for name in sorted(self._wanted & self._states.keys()):
            state = self._states[name]
            if state.status != "ok":
                fix = f" Fix: {state.fix}" if state.fix else ""
                warnings.warn(f"{name} takes no part: {state.reason}.{fix}", stacklevel=4)

    def end(self, failure: BaseException | None = None) -> None:
        """End, rest, and stop the probes.

        Parameters
        ----------
        failure : what the block raised; the run is then kept as a failed one. An interruption
            (KeyboardInterrupt) leaves no run.

        Raises
        ------
        CrosswattError : it was not begun, or not by this process.
        """
        _check_owner(self)
        self._taken.close()
        code = _exit_code(failure)
        try:
            if code is None:
                self._session.abandon()
            else:
                said = "".join(traceback.format_exception(failure)) if failure else ""
                self._run = self._session.finish(code, _records(self._marked), said)
        finally:
            _give_up(self)

    def __enter__(self) -> Measurement:
        return self.begin()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if error is not None and _forked(self):
            return  # the copy of a process has nothing to end, and a failure of its own to tell
        self.end(error)

    # ---- what was measured ----

    @property
    def joules(self) -> dict[str, float | None]:
        """Probe -> J of its main column over the block; None where it was not measured."""
        window = self._done.record.begin_ns, self._done.record.end_ns
        found: dict[str, float | None] = dict.fromkeys(self.missing)
        for name, column in self.columns.items():
            energy = window_energy(self._done.logs[name], column, window)
            found[name] = energy.joules if energy else None
        return found

    @property
    def columns(self) -> dict[str, Column]:
        """Probe -> the column that its joules are of."""
        return {n: m.column for n, m in phase_meters(self._done).items() if n not in self.missing}

    @property
    def missing(self) -> dict[str, str]:
        """Probe -> why it has no figure; those that measured are not in it."""
        states = {**self._states, **self._done.record.probes}
        return {name: each.reason for name, each in states.items() if each.status != "ok"}

    @property
    def seconds(self) -> float:
        """Length of the block, s."""
        return self._done.record.seconds

    @property
    def folder(self) -> Path:
        """The folder of this run, in that of the campaign."""
        return self._done.folder

    @property
    def phases(self) -> tuple[RunPhase, ...]:
        """The phases of the block, in the order in which they ended."""
        meters = {n: m for n, m in phase_meters(self._done).items() if n not in self.missing}
        found = {
            (name, id(each.phase)): each
            for name, meter in meters.items()
            for each in phases_by(self._done, name, meter)
        }
        nothing = dict.fromkeys([*self.missing, *meters])
        return tuple(
            RunPhase(
                phase.name,
                (phase.end_ns - phase.begin_ns) / 1e9,
                nothing | {name: each.energy.joules for name, each in mine.items()},
                phase.values,
                nothing | {name: each.expanded_u_j for name, each in mine.items()},
            )
            for phase in self._done.record.phases
            for mine in [{n: e for (n, known), e in found.items() if known == id(phase)}]
        )

    def to_frame(self) -> pd.DataFrame:
        """Return a table with a row for every probe, of the block and of each of its phases.

        Its columns: ``run``, ``phase`` (empty for the whole block), ``probe``, ``column``,
        ``scope``, ``seconds``, ``joules`` and ``watts`` (NaN where not measured).
        """
        import pandas as pd

        columns = self.columns
        whole = RunPhase("", self.seconds, self.joules, {})
        rows = [
            {
                "run": self.folder.name,
                "phase": part.name,
                "probe": probe,
                "column": columns[probe].name if probe in columns else None,
                "scope": columns[probe].scope if probe in columns else None,
                "seconds": part.seconds,
                "joules": joules,
            }
            for part in (whole, *self.phases)
            for probe, joules in part.joules.items()
        ]
        frame = pd.DataFrame(rows).astype({"joules": "float64"})
        return frame.assign(watts=frame["joules"] / frame["seconds"])

    def __repr__(self) -> str:
        if self._run is None:
            return f"<measurement of {self._name} in {self._folder}, not ended>"
        said = ", ".join(
            f"{name} {'-' if joules is None else f'{joules:.4g} J'}"
            for name, joules in self.joules.items()
        )
        failed = ", which failed" if self._run.record.exit_code else ""
        return f"<{self.folder}{failed}: {self.seconds:.3g} s, {said}>"

    @property
    def _done(self) -> Run:
        if self._run is None:
            raise CrosswattError(
                f"The measurement of {self._name} has no figures yet: they are known after its end."
            )
        return self._run


def measure(
    folder: str | os.PathLike[str] | None = None,
    *,
    probes: Sequence[str] = (),
    settings: Settings | None = None,
    adapters: Sequence[str | os.PathLike[str]] = (),
    name: str = "block",
) -> Measurement:
    """Measure a block of code, as one more run of a campaign in a folder.

        with calibrate.measure("campaign/", probes=["rapl", "codecarbon"]) as run:
            train()
        run.joules["rapl"]

    The workload is this process: its threads and its children count for probes that measure
    processes; all others measure the whole machine. Phases come from `calibrate.mark` in the block.
    An exception in the block is kept as a failed run, and goes on; an interruption leaves nothing.
    Work that a GPU still has to do at the end of the block is not in it: wait for it there, for
    example by ``torch.cuda.synchronize()``.

    Parameters
    ----------
    folder : of the campaign. It is made if it is not there, and continued if `measure` made it.
        None takes a new one, ``crosswatt-python-DATE``, for all blocks of this process.
    probes : names, as in ``crosswatt probes``; ``"load=codecarbon"`` gives one another name. None
        means all that work here and take part by default; opening them may take long.
    settings : probe -> setting -> value, as in ``--set``, for example
        ``{"codecarbon": {"measure_power_secs": 5}}``.
    adapters : folders with adapters of your own.
    name : what the work is called; runs of one name are repeats of each other.

    Returns
    -------
    Measurement : for ``with``; it has the figures after the block.

    Raises
    ------
    UnknownName : a probe that there is not.
    CrosswattError : `name` cannot be a folder's; see `Measurement.begin` for the rest.
    """
    places = [Path(each) for each in adapters]
    return Measurement(
        Path(folder) if folder is not None else _usual(), probes, settings or {}, places, name
    )


class MeasuredFunction(Generic[P, R]):
    """A function each of whose calls is a run; what `measured` returns.

    ``run`` is the `Measurement` of its last call, or None.
    """

    def __init__(self, function: Callable[P, R], begin: Callable[[], Measurement]) -> None:
        update_wrapper(self, function)
        self._function, self._measurement = function, begin
        self.run: Measurement | None = None

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function, and measure that."""
        with self._measurement() as self.run:
            return self._function(*args, **kwargs)

    def __get__(self, owner: object, kind: type | None = None) -> Any:
        return self if owner is None else MethodType(self, owner)


@overload
def measured(folder: Callable[P, R], /) -> MeasuredFunction[P, R]: ...


@overload
def measured(
    folder: str | os.PathLike[str] | None = None,
    *,
    probes: Sequence[str] = (),
    settings: Settings | None = None,
    adapters: Sequence[str | os.PathLike[str]] = (),
    name: str | None = None,
) -> Callable[[Callable[P, R]], MeasuredFunction[P, R]]: ...


def measured(
    folder: str | os.PathLike[str] | Callable[..., Any] | None = None,
    *,
    probes: Sequence[str] = (),
    settings: Settings | None = None,
    adapters: Sequence[str | os.PathLike[str]] = (),
    name: str | None = None,
) -> Any:
    """Measure every call of a function, as `measure` does a block.

        @calibrate.measured("campaign/", probes=["rapl"])
        def train(): ...

        train()
        train.run.joules["rapl"]

    Without parentheses, ``@calibrate.measured`` takes the folder that `measure` takes for None.

    Parameters
    ----------
    folder, probes, settings, adapters : see `measure`.
    name : what the work is called; the function's name unless given.

    Returns
    -------
    MeasuredFunction : the function; what it returns and raises stays the same.

    Raises
    ------
    TypeError : it is a coroutine or a generator, whose call does no work yet.
    """
    if callable(folder):
        return measured()(folder)
    place = folder

    def wrap(function: Callable[P, R]) -> MeasuredFunction[P, R]:
        late = inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function)
        if late or inspect.isasyncgenfunction(function):
            raise TypeError(
                f"A call of {function.__name__} does no work yet: measure the block that awaits or "
                "exhausts it, with calibrate.measure(...)."
            )
        called = name or re.sub(r"\W+|^_+", "", function.__name__) or "call"
        return MeasuredFunction(
            function,
            lambda: measure(
                place, probes=probes, settings=settings, adapters=adapters, name=called
            ),
        )

    return wrap


@cache
def _usual() -> Path:
    """Return the folder of this process, where none is named."""
    return Path(f"crosswatt-{campaign.TITLE}-{datetime.now():%Y%m%d-%H%M%S}")


def _exit_code(failure: BaseException | None) -> int | None:
    """Return the exit code of a block, or None where it was interrupted."""
    if isinstance(failure, SystemExit):
        return failure.code if isinstance(failure.code, int) else int(failure.code is not None)
    if failure is None or isinstance(failure, Exception):
        return int(failure is not None)
    return None


def _records(marked: Sequence[Phase]) -> list[PhaseRecord]:
    documents = [json.loads(plain_value(asdict(phase))) for phase in marked]
    return [PhaseRecord.model_validate(each) for each in documents]


# ---- one measurement at a time: a process cannot tell its joules apart ----

_guard = threading.Lock()
_current: tuple[Measurement, int, int] | None = None  # with its process and thread


def _claim(mine: Measurement) -> None:
    """Take the process for a measurement, or refuse with the reason."""
    global _current  # noqa: PLW0603 - there is one process
    if os.environ.get(VARIABLE):
        raise CrosswattError(
            "This process is the workload of 'crosswatt run' already, which measures it: leave out "
            "calibrate.measure, and mark phases by calibrate.mark."
        )
    with _guard:
        if _current is None:
            _current = mine, os.getpid(), threading.get_ident()
            return
        other, process, thread = _current
    if process != os.getpid():
        raise CrosswattError(
            f"This process was forked from one ({process}) that is being measured, together with "
            "its children: leave out calibrate.measure here."
        )
    where = "" if thread == threading.get_ident() else " in another thread"
    raise CrosswattError(
        f"{other._name} is being measured{where} already, and the joules of a process cannot be "
        "told apart: measure the outermost block, and mark its parts by calibrate.mark."
    )


def _forked(mine: Measurement) -> bool:
    """Tell whether this is a copy of the process that began a measurement."""
    return _current is not None and _current[0] is mine and _current[1] != os.getpid()


def _check_owner(mine: Measurement) -> None:
    if _forked(mine):
        raise CrosswattError(
            f"The measurement of {mine._name} was begun by another process, of which this is a "
            "forked copy: it has to end there. Let the copy end by os._exit()."
        )
    if _current is None or _current[0] is not mine:
        raise CrosswattError(f"The measurement of {mine._name} was not begun.")


def _give_up(mine: Measurement) -> None:
    """Let the next measurement of this process begin."""
    global _current  # noqa: PLW0603
    if _current is not None and _current[0] is mine:
        _current = None
