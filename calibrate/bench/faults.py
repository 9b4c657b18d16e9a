"""Faults on demand: what can be wrong with the machine or with its files.

A fault is written ``name=value,at_s=5,until_s=9,scope=dram-0``; everything but the name may be left
out. `KINDS` lists them all, in four groups:

    counter   what the energy counter holds: `Distortion`
    layout    which zones there are and what they are called: see `calibrate.bench.layout`
    reading   what happens to somebody who reads: `Obstacle`
    gpu, host see `calibrate.bench.gpus` and `calibrate.bench.host`

The true energy is never touched. Which fault of a meter each of them makes is said in
`calibrate.diagnosis.faults`.
"""

from __future__ import annotations

import errno
import math
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from calibrate.errors import CrosswattError, UnknownName

Group = Literal["counter", "layout", "reading", "gpu", "host"]
INT64_MAX = (1 << 63) - 1
_HANG_S = 3600.0
_LATEST_S = 1e7


@dataclass(frozen=True)
class Kind:
    """One kind of fault.

    Parameters
    ----------
    group : where it takes effect.
    summary : one line.
    value : what it is set to when nothing is said; None when it takes no value.
    lasts : whether it has a beginning and an end; the others hold from the start to the end.
    """

    group: Group
    summary: str
    value: float | None = None
    lasts: bool = True


KINDS: dict[str, Kind] = {
    "unit": Kind("counter", "counts this many times the energy", 4.0),
    "stuck": Kind("counter", "stops counting"),
    "backwards": Kind("counter", "goes back once, by so many joules", 10.0),
    "jump": Kind("counter", "leaps ahead once, by so many joules", 1000.0),
    "reset": Kind("counter", "starts again from zero, once"),
    "offset": Kind("counter", "counts so many watts too much", 5.0),
    "stale": Kind("counter", "is renewed only every so many seconds", 1.0),
    "lag": Kind("counter", "shows the energy of so many seconds ago", 0.5),
    "jitter": Kind("counter", "trembles by so many joules (standard deviation)", 0.5),
    "wrap": Kind("counter", "is put so many joules before its end, and wraps", 30.0),
    "range": Kind("layout", "wraps every so many joules", 50.0, lasts=False),
    "absent": Kind("layout", "is not listed; its energy is used all the same", lasts=False),
    "mirrored": Kind("layout", "each package is shown so many times, as dies", 2.0, lasts=False),
    "mmio": Kind("layout", "packages are shown again below intel-rapl-mmio", lasts=False),
    "renamed": Kind("layout", "packages are called package-N-die-0", lasts=False),
    "gap": Kind("layout", "the second package has the number 2", lasts=False),
    "no-range": Kind("layout", "max_energy_range_uj is missing", lasts=False),
    "no-permission": Kind("reading", "may not be read (EACCES)"),
    "io-error": Kind("reading", "cannot be read (EIO)"),
    "empty": Kind("reading", "reads as nothing"),
    "garbage": Kind("reading", "reads as text that is no number"),
    "zero": Kind("reading", "reads as zero"),
    "sentinel": Kind("reading", "reads as this number", float(INT64_MAX)),
    "slow": Kind("reading", "takes so many seconds to read", 0.3),
    "hang": Kind("reading", "is never done reading"),
    "vanish": Kind("reading", "is gone (ENOENT, ENODEV)"),
    "late": Kind("reading", "appears only after so many seconds", 2.0, lasts=False),
    "replaced": Kind("reading", "is replaced: who has it open sees the old value for ever"),
    "gpu-lost": Kind("gpu", "fell off the bus (NVML_ERROR_GPU_IS_LOST)"),
    "gpu-no-energy": Kind("gpu", "has no energy counter (NVML_ERROR_NOT_SUPPORTED)"),
    "gpu-no-power": Kind("gpu", "reports no power (NVML_ERROR_NOT_SUPPORTED)"),
    "gpu-part-time": Kind("gpu", "power sees only this share of the time", 0.25, lasts=False),
    "gpu-slow-power": Kind("gpu", "power is averaged over so many seconds", 1.0, lasts=False),
    "suspend": Kind("host", "the machine sleeps for so many seconds", 2.0),
    "clock-step": Kind("host", "the wall clock is set ahead by so many seconds", 3600.0),
}  # fmt: skip
#: Between which a value must lie, where that is not 0 and 1e9.
LIMITS = {
    "offset": (-1e9, 1e9),
    "stale": (0.001, 60.0),
    "lag": (0.0, 60.0),
    "range": (0.001, 1e9),
    "mirrored": (1.0, 8.0),
    "sentinel": (-1e19, 1e19),
    "slow": (0.0, 3600.0),
    "gpu-part-time": (0.001, 1.0),
    "gpu-slow-power": (0.001, 60.0),
    "suspend": (0.0, 3600.0),
    "clock-step": (-1e9, 1e9),
}


@dataclass(frozen=True)
class Fault:
    """One fault asked for.

    Parameters
    ----------
    name : one of `KINDS`.
    value : its size; None where it has none.
    at_s, until_s : when it begins and ends, in seconds since the machine started.
    scope : whom it strikes: ``dram-0``, or all of a kind, ``dram``; None for every RAPL zone, or
        for every GPU.
    """

    name: str
    value: float | None = None
    at_s: float = 0.0
    until_s: float = math.inf
    scope: str | None = None

    @property
    def group(self) -> Group:
        """Where it takes effect."""
        return KINDS[self.name].group

    def active(self, seconds: float) -> bool:
        """Tell whether it holds at this moment."""
        return self.at_s <= seconds < self.until_s

    def strikes(self, scope: str) -> bool:
        """Tell whether a zone is struck."""
        if self.scope is None:
            return scope.startswith("gpu-") == (self.group == "gpu")
        return scope == self.scope or scope.partition("-")[0] == self.scope

    @property
    def size(self) -> float:
        """Its value where it has one."""
        return 0.0 if self.value is None else self.value

    def __str__(self) -> str:
        parts = [self.name if self.value is None else f"{self.name}={_short(self.value)}"]
        parts += [f"at_s={_short(self.at_s)}"] if self.at_s else []
        parts += [f"until_s={_short(self.until_s)}"] if math.isfinite(self.until_s) else []
        return ",".join(parts + ([f"scope={self.scope}"] if self.scope else []))


def _short(number: float) -> str:
    """Return a number as text that means exactly that number."""
    text = f"{number:g}"
    return text if float(text) == number else repr(number)


def parse(text: str) -> Fault:
    """Read a fault such as ``unit=0.25,scope=dram,at_s=2``.

    Raises
    ------
    UnknownName : there is no such fault, or no such setting; the nearest are given.
    CrosswattError : a value is missing, is no number or makes no sense.
    """
    head, *rest = (part.strip() for part in text.split(","))
    name, equals, value = head.partition("=")
    if name not in KINDS:
        raise UnknownName("fault", name, sorted(KINDS))
    kind = KINDS[name]
    if equals and kind.value is None:
        raise CrosswattError(f"The fault {name} takes no value: write {name} alone.")
    settings: dict[str, str] = {}
    for part in rest:
        key, _, said = part.partition("=")
        if key not in ("at_s", "until_s", "scope"):
            raise UnknownName("setting of a fault", key, ["at_s", "scope", "until_s"])
        settings[key] = said
    if not kind.lasts and settings.keys() & {"at_s", "until_s"}:
        raise CrosswattError(f"The fault {name} holds from the start; it takes no at_s or until_s.")
    at_s = _seconds(settings.get("at_s", "0"), "at_s", text)
    until_s = _seconds(settings["until_s"], "until_s", text) if "until_s" in settings else math.inf
    if until_s <= at_s:
        raise CrosswattError(f"{text!r} ends before it begins: until_s must lie after at_s.")
    size = _number(value, name, text) if equals else kind.value
    least, most = LIMITS.get(name, (0.0, 1e9))
    if size is not None and not least <= size <= most:
        raise CrosswattError(f"{name} in {text!r} must lie between {least:g} and {most:g}.")
    return Fault(name, size, at_s, until_s, settings.get("scope"))


def check(faults: Iterable[Fault], scopes: Sequence[str]) -> None:
    """Refuse a fault that would strike nothing.

    Parameters
    ----------
    faults : what was asked for.
    scopes : everything that this machine has; see `calibrate.bench.model.Model.scopes`.
    """
    for fault in faults:
        if fault.group != "host" and not any(fault.strikes(scope) for scope in scopes):
            what = fault.scope or ("a GPU" if fault.group == "gpu" else "RAPL")
            raise CrosswattError(
                f"The fault {fault.name} strikes nothing: this machine has no {what}; "
                f"it has {', '.join(scopes) or 'nothing'}."
            )


def _number(text: str, key: str, whole: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise CrosswattError(f"{text!r} in {whole!r} is not a number: write for example {key}=2.")
    return number


def _seconds(text: str, key: str, whole: str) -> float:
    seconds = _number(text, key, whole)
    if not 0 <= seconds <= _LATEST_S:
        raise CrosswattError(
            f"{key} in {whole!r} must not be negative, nor later than {_LATEST_S:g} s."
        )
    return seconds


class Distortion:
    """What a counter shows instead of the true energy, step by step.

    Call it at the beginning and the end of every fault as well as at every look: what counts
    happens between two calls.

    Parameters
    ----------
    faults : those of group ``counter`` that strike this zone.
    zero_j : at how many joules since the start the register stands at zero.
    turn_j : how many joules later it stands there again.
    past_j : gives the true energy of a moment ago, for ``lag``: seconds back to joules.
    """

    def __init__(
        self,
        faults: Sequence[Fault],
        zero_j: float,
        turn_j: float,
        past_j: Callable[[float], float],
    ) -> None:
        self._faults = faults
        self._zero_j, self._turn_j = zero_j, turn_j
        self._past_j = past_j
        self._begun: set[Fault] = set()
        self._chance = random.Random(20_240_501)  # noqa: S311 - noise
        self._seconds, self._true_j, self._sum_j = 0.0, 0.0, 0.0

    def __call__(self, seconds: float, true_j: float) -> float:
        """Return the joules shown at this moment, from the true ones."""
        if not self._faults:
            return true_j
        passed_s, rise_j = seconds - self._seconds, true_j - self._true_j
        # A fault that began or ended since the last call did so now: see the class.
        middle_s = self._seconds + passed_s / 2
        self._seconds, self._true_j = seconds, true_j
        for fault in self._faults:
            if fault.active(middle_s):
                rise_j = self._rise(fault, rise_j, passed_s)
        self._sum_j += rise_j
        for fault in self._faults:
            if fault.active(seconds) and fault not in self._begun:
                self._begun.add(fault)
                self._once(fault)
        return self._shown(seconds)

    def _rise(self, fault: Fault, rise_j: float, passed_s: float) -> float:
        match fault.name:
            case "unit":
                return rise_j * fault.size
            case "stuck":
                return 0.0
            case "offset":
                return rise_j + fault.size * passed_s
            case _:
                return rise_j

    def _once(self, fault: Fault) -> None:
        match fault.name:
            case "backwards":
                self._sum_j -= fault.size
            case "jump":
                self._sum_j += fault.size
            case "reset":
                self._sum_j = self._zero_j
            case "wrap":
                self._sum_j = self._zero_j + self._turn_j - fault.size

    def _shown(self, seconds: float) -> float:
        shown_j = self._sum_j
        for fault in self._faults:
            if not fault.active(seconds):
                continue
            match fault.name:
                case "lag":
                    shown_j -= self._true_j - self._past_j(fault.size)
                case "jitter":
                    shown_j += self._chance.gauss(0.0, fault.size)
                case "stale":
                    old_s = (seconds - fault.at_s) % fault.size
                    shown_j -= self._true_j - self._past_j(old_s)
        return shown_j


class Obstacle:
    """What happens to somebody who reads a counter.

    Parameters
    ----------
    faults : those of group ``reading`` that strike this zone.
    seconds : tells the time since the machine started.
    interrupted : tells whether the reader has been interrupted meanwhile.

    Attributes
    ----------
    replaces : whether the file will be replaced at some time.
    goes : whether it is not always there.
    """

    def __init__(
        self,
        faults: Sequence[Fault],
        seconds: Callable[[], float],
        interrupted: Callable[[], bool] = lambda: False,
    ) -> None:
        self._faults = faults
        self._now_s = seconds
        self._interrupted = interrupted
        self.replaces = any(fault.name == "replaced" for fault in faults)
        self.goes = any(fault.name in ("vanish", "late") for fault in faults)

    def _active(self, *names: str) -> Fault | None:
        seconds = self._now_s()
        return next((f for f in self._faults if f.name in names and f.active(seconds)), None)

    def replaced_s(self) -> float | None:
        """Return when the file was replaced, if it was."""
        fault = self._active("replaced")
        return None if fault is None else fault.at_s

    def present(self) -> bool:
        """Tell whether the file is there now."""
        if self._active("vanish"):
            return False
        seconds = self._now_s()
        return not any(f.name == "late" and seconds < f.size for f in self._faults)

    def number(self) -> int | None:
        """Wait or fail as the faults say, then return the number to show instead, if any.

        Raises
        ------
        OSError : as the kernel would have it.
        """
        slow = self._active("slow", "hang")
        if slow:
            self._wait(slow.size if slow.name == "slow" else _HANG_S)
        if self._active("no-permission"):
            raise OSError(errno.EACCES, "fault no-permission")
        if self._active("io-error"):
            raise OSError(errno.EIO, "fault io-error")
        if not self.present():
            raise OSError(errno.ENODEV, "fault vanish")
        if self._active("zero"):
            return 0
        sentinel = self._active("sentinel")
        return int(min(sentinel.size, INT64_MAX)) if sentinel else None

    def _wait(self, seconds: float) -> None:
        """Keep a reader waiting; one that is killed must get an answer, or it cannot end."""
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0:
            if self._interrupted():
                raise OSError(errno.EINTR, "interrupted")
            time.sleep(min(left_s, 0.02))

    def spoiled(self) -> bytes | None:
        """Return the text to show instead of a number, if any."""
        if self._active("empty"):
            return b""
        return b"0x%lx\n" if self._active("garbage") else None

    def permitted(self) -> bool:
        """Tell whether the permissions still let anybody read."""
        return self._active("no-permission") is None
