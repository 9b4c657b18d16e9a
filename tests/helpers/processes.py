"""Whether other processes run."""

from __future__ import annotations

from pathlib import Path


def state(process: int) -> str:
    """Return the letter of a process's state: S asleep, Z ended; Z where there is none."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def lives(process: int) -> bool:
    """Tell whether a process is there and runs; one that nobody waits for may stay as a zombie."""
    return state(process) != "Z"
