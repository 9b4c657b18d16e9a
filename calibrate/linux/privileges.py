"""What this machine lets programs read, and who could change what crosswatt runs.

Each check looks at modes, owners and settings alone, and changes nothing. Sources: PLATYPUS
(CVE-2020-8694, CVE-2020-8695: energy counters tell secrets of other programs), perf_event_open(2),
capabilities(7), Linux kernel, Documentation/admin-guide/perf-security.rst.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
import struct
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

#: ``none``: not granted. ``granted``: to whom it has to be. ``excess``: to more than need it.
Level = Literal["none", "granted", "excess"]
Check = Literal[
    "counters", "registers", "perf", "root", "capabilities", "interpreter", "home",
    "code", "secrets",
]  # fmt: skip

#: Rules of udev and systemd that grant no more than is needed; docs/privileges.md says how.
RULES = Path(__file__).with_name("rules")
#: In the folder of what belongs to a user: the key of campaigns, and a folder for secrets.
KEY, SECRETS = "key", "secrets"
_CAPABILITIES = {
    1: "CAP_DAC_OVERRIDE", 2: "CAP_DAC_READ_SEARCH", 6: "CAP_SETGID", 7: "CAP_SETUID",
    12: "CAP_NET_ADMIN", 13: "CAP_NET_RAW", 16: "CAP_SYS_MODULE", 17: "CAP_SYS_RAWIO",
    19: "CAP_SYS_PTRACE", 21: "CAP_SYS_ADMIN", 38: "CAP_PERFMON", 39: "CAP_BPF",
}  # fmt: skip
#: All that a meter can need of a process that is not root's: perf events of whole CPUs.
_NEEDED = frozenset({"CAP_PERFMON"})
_RULE = "install 60-crosswatt-energy.rules, which lets the group energy read them"


@dataclass(frozen=True)
class Grant:
    """What one check shows.

    Parameters
    ----------
    check : what was looked at.
    level : whether it is granted, and to more than need it.
    place : the file or setting; the first where there are several alike.
    what : a sentence without its full stop.
    fix : what to do; empty where nothing has to be done.
    """

    check: Check
    level: Level
    place: str
    what: str
    fix: str = ""


def _file_capabilities(path: Path) -> bytes:
    """Return the capabilities that a program file gives; nothing where it gives none."""
    try:
        return os.getxattr(path, "security.capability")
    except (OSError, AttributeError):
        return b""


@dataclass(frozen=True)
class Surroundings:
    """What is looked at.

    Parameters
    ----------
    home : the folder of what belongs to this user, ``CROSSWATT_HOME``.
    code : folders of adapters and workloads, whose files run.
    secrets : files that settings refer to, beside those in ``home/secrets``.
    root : the folder that ``/sys``, ``/proc`` and ``/dev`` lie in.
    interpreter : the Python that runs this.
    user : the number of the user that runs this.
    file_capabilities : returns the extended attribute ``security.capability`` of a file.
    """

    home: Path
    code: tuple[Path, ...] = ()
    secrets: tuple[Path, ...] = ()
    root: Path = Path("/")
    interpreter: Path = Path(sys.executable)
    user: int = -1
    file_capabilities: Callable[[Path], bytes] = _file_capabilities


def grants(around: Surroundings) -> list[Grant]:
    """Return what every check shows, in the order of the checks."""
    checks = (_counters, _registers, _perf, _root, _process, _interpreter, _home, _code, _secrets)
    return [grant for check in checks for grant in check(around)]


def _counters(around: Surroundings) -> Iterator[Grant]:
    files = sorted((around.root / "sys/class/powercap").glob("*:*/energy_uj"))
    if not files:
        yield Grant("counters", "none", "/sys/class/powercap", "there are no RAPL counters")
        return
    by_all = [each for each in files if _mode(each) & stat.S_IROTH]
    if by_all:
        yield Grant(
            "counters", "excess", _shown(by_all[0], around),
            f"every user may read {_count(by_all, files)} RAPL counters, and from them secrets of "
            "other programs (PLATYPUS, CVE-2020-8694)",
            f"{_RULE}; until then: sudo chmod o-r /sys/class/powercap/*/energy_uj",
        )  # fmt: skip
        return
    by_group = [each for each in files if _for_a_group(each)]
    who = f"group {_group(by_group[0])}" if by_group else "root alone"
    some = by_group or files
    yield Grant(
        "counters", "granted", _shown(some[0], around),
        f"{who} may read {_count(some, files)} RAPL counters",
        "" if by_group else f"to measure without root, {_RULE}",
    )  # fmt: skip


def _registers(around: Surroundings) -> Iterator[Grant]:
    files = sorted((around.root / "dev/cpu").glob("*/msr"))
    if not files:
        yield Grant("registers", "none", "/dev/cpu/*/msr", "there are no registers (module msr)")
        return
    place = _shown(files[0], around)
    if any(_mode(each) & (stat.S_IROTH | stat.S_IWOTH) for each in files):
        yield Grant(
            "registers", "excess", place,
            "every user may open the processor's registers; a program with CAP_SYS_RAWIO can then "
            "write them",
            "sudo chmod 600 /dev/cpu/*/msr; the counters of powercap need less",
        )  # fmt: skip
        return
    who = f"group {_group(files[0])}" if _for_a_group(files[0]) else "root alone"
    yield Grant("registers", "granted", place, f"{who} may open the processor's registers")


def _perf(around: Surroundings) -> Iterator[Grant]:
    place = "kernel.perf_event_paranoid"
    try:
        level = int((around.root / "proc/sys/kernel/perf_event_paranoid").read_text())
    except (OSError, ValueError):
        yield Grant("perf", "none", place, "the kernel has no perf events")
        return
    if level <= 0:
        yield Grant(
            "perf", "excess", place,
            f"at {level}, every user may count events of whole CPUs, RAPL among them "
            "(CVE-2020-8694)",
            "sudo sysctl kernel.perf_event_paranoid=2, and give CAP_PERFMON to what measures",
        )  # fmt: skip
    elif level == 1:
        yield Grant("perf", "granted", place, "at 1, users may count events of their programs")
    else:
        yield Grant("perf", "none", place, f"at {level}, users may not count events of the kernel")


def _root(around: Surroundings) -> Iterator[Grant]:
    if around.user:
        yield Grant("root", "none", "", "crosswatt does not run as root")
        return
    files = list((around.root / "sys/class/powercap").glob("*:*/energy_uj"))
    needed = bool(files) and not any(
        _mode(each) & stat.S_IROTH or _for_a_group(each) for each in files
    )
    yield Grant(
        "root", "granted" if needed else "excess", "",
        "crosswatt runs as root, which the counters here need"
        if needed
        else "crosswatt runs as root, which no counter here needs",
        f"run it as another user; {_RULE}" if needed else "run it as another user",
    )  # fmt: skip


def _process(around: Surroundings) -> Iterator[Grant]:
    if around.user == 0:
        return
    try:
        status = (around.root / "proc/self/status").read_text(encoding="utf-8", errors="replace")
        words = next(line.split() for line in status.splitlines() if line.startswith("CapEff:"))
        held = _names(int(words[1], 16))
    except (OSError, ValueError, IndexError, StopIteration):
        return
    if not held:
        yield Grant("capabilities", "none", "", "this process has no capabilities")
        return
    more = sorted(held - _NEEDED)
    yield Grant(
        "capabilities", "excess" if more else "granted", "",
        f"this process has {', '.join(sorted(held))}",
        f"start it without {', '.join(more)}" if more else "",
    )  # fmt: skip


def _interpreter(around: Surroundings) -> Iterator[Grant]:
    path = around.interpreter.resolve()
    if not path.exists():
        return
    bad = []
    if _mode(path) & (stat.S_ISUID | stat.S_ISGID):
        bad.append(("it runs as its owner or group, whoever starts it", f"chmod ug-s {path}"))
    if held := _granted_by_file(around.file_capabilities(path)):
        names = ", ".join(sorted(held))
        bad.append((f"whoever runs it has {names}", f"sudo setcap -r {path}"))
    if why := _changeable(path, around):
        bad.append((why, f"sudo chown root {path}; sudo chmod go-w {path}"))
    for why, fix in bad:
        yield Grant("interpreter", "excess", str(path), f"Python: {why}", fix)
    if not bad:
        yield Grant("interpreter", "none", str(path), "Python gives no privilege")


def _home(around: Surroundings) -> Iterator[Grant]:
    home, key = around.home, around.home / KEY
    if not home.exists():
        yield Grant("home", "none", str(home), "crosswatt keeps nothing of this user yet")
        return
    bad = False
    if key.exists() and (_mode(key) & 0o077 or key.stat().st_uid not in {0, around.user}):
        bad = True
        yield Grant(
            "home", "excess", str(key),
            "others can read the key that says which campaigns you started, and sign theirs",
            f"rm {key}; a new one is made, and older campaigns need --trust",
        )  # fmt: skip
    programs = [home, *home.glob("environments"), *home.glob("environments/*")]
    programs += [*home.glob("environments/*/probe.json"), *home.glob("environments/*/bin/python")]
    for path in programs:
        if why := _changeable(path, around):
            bad = True
            yield Grant("home", "excess", str(path), why, f"chmod go-w {path}, if it is yours")
    if not bad:
        yield Grant("home", "none", str(home), "nobody else can change what is in it")


def _code(around: Surroundings) -> Iterator[Grant]:
    for folder in dict.fromkeys(around.code):
        bad = False
        for path in (folder, *sorted(folder.glob("*.py"))):
            if why := _changeable(path, around):
                bad = True
                fix = f"chmod go-w {path}, if it is yours; else copy it to a folder of yours"
                yield Grant("code", "excess", str(path), f"its code runs as you: {why}", fix)
        if not bad and folder.exists():
            yield Grant("code", "none", str(folder), "nobody else can change its code")


def _secrets(around: Surroundings) -> Iterator[Grant]:
    for path in (*sorted((around.home / SECRETS).glob("*")), *around.secrets):
        if not path.exists():
            yield Grant("secrets", "none", str(path), "there is no such file")
        elif _mode(path) & 0o077 or path.stat().st_uid not in {0, around.user}:
            yield Grant(
                "secrets", "excess", str(path), "others can read it or own it",
                f"chmod 600 {path}, and change the secret",
            )  # fmt: skip
        else:
            yield Grant("secrets", "granted", str(path), "you alone can read it")


def _changeable(path: Path, around: Surroundings) -> str:
    """Return who else can change a file, or put another in its place; nothing if nobody can."""
    if not path.exists():
        return ""
    place = path.resolve()
    if why := _written(place, around.user):
        return why
    for folder in place.parents:
        loose = _mode(folder) & stat.S_IWOTH and not _mode(folder) & stat.S_ISVTX
        if loose and folder.is_relative_to(around.root):
            return f"every user can put another in its place, in {folder}"
    return ""


def _written(path: Path, user: int) -> str:
    """Return who else can write a file by its owner, group and mode."""
    status = path.stat()
    if status.st_uid not in {0, user}:
        return f"it belongs to {_user(status.st_uid)}"
    if status.st_mode & stat.S_IWOTH and not (path.is_dir() and status.st_mode & stat.S_ISVTX):
        return "every user can write it"
    # Many systems give each user a group of the same number with nobody else in it.
    if status.st_mode & stat.S_IWGRP and status.st_gid not in {0, status.st_uid}:
        return f"the group {_group(path)} can write it"
    return ""


def _granted_by_file(attribute: bytes) -> frozenset[str]:
    """Return the capabilities in an attribute ``security.capability``, of version 2 or 3."""
    if len(attribute) < struct.calcsize("<5I"):
        return frozenset()
    _, low, _, high, _ = struct.unpack_from("<5I", attribute)
    return _names(low | high << 32)


def _names(bits: int) -> frozenset[str]:
    return frozenset(
        _CAPABILITIES.get(number, f"capability {number}")
        for number in range(bits.bit_length())
        if bits >> number & 1
    )


def _for_a_group(path: Path) -> bool:
    """Tell whether a group may read a file, other than root's."""
    return bool(_mode(path) & stat.S_IRGRP and path.stat().st_gid)


def _mode(path: Path) -> int:
    return path.stat().st_mode


def _count(some: list[Path], every: list[Path]) -> str:
    return f"all {len(every)}" if len(some) == len(every) else f"{len(some)} of {len(every)}"


def _shown(path: Path, around: Surroundings) -> str:
    return f"/{path.relative_to(around.root)}"


def _group(path: Path) -> str:
    number = path.stat().st_gid
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"
