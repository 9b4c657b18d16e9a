"""On which CPUs a load runs: the first few, some by number, or one socket."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from calibrate.linux.cpus import CPUS, numbers, package


@dataclass(frozen=True)
class Background:
    """A load beside the measured one.

    Parameters
    ----------
    duty : share of the time that each of its CPUs is busy.
    cpus : their numbers.
    """

    duty: float
    cpus: tuple[int, ...]


def add_placing(options: ArgumentParser) -> None:
    """Add the options that say where a load runs: ``--cores``, ``--cpu`` and ``--socket``.

    Parameters
    ----------
    options : of a workload script; `placed` reads them.
    """
    where = options.add_mutually_exclusive_group()
    where.add_argument("--cores", type=int, default=0, help="how many cores to load; 0 means all")
    where.add_argument("--cpu", metavar="LIST", help="CPUs to load, by number: 3, or 0-3,8")
    where.add_argument("--socket", type=int, help="load all CPUs of this socket")


def placed(options: Namespace, taken: Sequence[int] = ()) -> list[int]:
    """Return the CPU numbers that the options of `add_placing` ask for.

    Parameters
    ----------
    options : as parsed.
    taken : CPUs that something else uses: without a choice of CPUs they are left out.

    Raises
    ------
    SystemExit : there are no such CPUs here, or they are taken; says which there are.
    """
    if options.cpu is not None:
        chosen = listed("--cpu", options.cpu)
    elif options.socket is not None:
        chosen = of_socket(options.socket)
    else:
        chosen = cores(options.cores, taken)
    if both := sorted(set(chosen) & set(taken)):
        raise SystemExit(
            f"CPU {_written(both)} would have the load and the background: "
            "give them CPUs of their own, with --cpu or --background."
        )
    return chosen


def cores(wanted: int = 0, taken: Sequence[int] = ()) -> list[int]:
    """Return the numbers of the CPUs to load, of those that this process may use.

    Parameters
    ----------
    wanted : how many, the first ones; 0 means all.
    taken : CPUs that something else uses, and that are left out.

    Raises
    ------
    SystemExit : there are not so many.
    """
    free = [cpu for cpu in allowed() if cpu not in taken]
    if wanted < 0 or wanted > len(free) or not free:
        beside = " beside the background" if taken else ""
        raise SystemExit(f"--cores {wanted}: this process may use {len(free)} cores{beside}.")
    return free[:wanted] if wanted else free


def allowed() -> list[int]:
    """Return the numbers of the CPUs that this process may use."""
    return sorted(os.sched_getaffinity(0))


def listed(option: str, text: str) -> list[int]:
    """Return the CPUs of a list such as ``0-3,8``, all of which this process may use."""
    try:
        wanted = sorted(set(numbers(text)))
    except ValueError:
        wanted = []
    if not wanted:
        raise SystemExit(f"{option} {text}: it is a list of CPUs such as 3, or 0-3,8.")
    if beyond := sorted(set(wanted) - set(allowed())):
        raise SystemExit(
            f"{option} {text}: this process may not use CPU {_written(beyond)}; "
            f"it may use {_written(allowed())}."
        )
    return wanted


def of_socket(number: int, root: Path = CPUS) -> list[int]:
    """Return the CPUs of a socket (package) that this process may use."""
    sockets: dict[int, list[int]] = {}
    for cpu in allowed():
        try:
            sockets.setdefault(package(cpu, root), []).append(cpu)
        except OSError:  # no topology is shown here, as in some containers
            raise SystemExit(
                f"--socket {number}: {root} does not say which CPU is on which socket here; "
                "choose the CPUs with --cpu."
            ) from None
    if number not in sockets:
        there = ", ".join(
            f"{each} (CPU {_written(cpus)})" for each, cpus in sorted(sockets.items())
        )
        raise SystemExit(f"--socket {number}: there is no such socket here; there is {there}.")
    return sockets[number]


def background(text: str | None) -> Background | None:
    """Return the background that ``DUTY@CPUS`` asks for, such as ``0.5@2-3``."""
    if text is None:
        return None
    duty, at, cpus = text.partition("@")
    try:
        share = float(duty)
    except ValueError:
        share = -1.0
    if not at or not 0 < share <= 1:
        raise SystemExit(
            f"--background {text}: write DUTY@CPUS, a share above 0 and CPU numbers: 0.5@2-3."
        )
    return Background(share, tuple(listed("--background", cpus)))


def _written(cpus: Sequence[int]) -> str:
    """Return CPU numbers in order as a list with ranges: ``0-3,8``."""
    runs: list[list[int]] = []
    for cpu in cpus:
        if runs and cpu == runs[-1][-1] + 1:
            runs[-1].append(cpu)
        else:
            runs.append([cpu])
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
