"""Runs that lost a process: one of a probe or the workload's was killed, or hung.

Such a run says little of the probe that it lost, and is done again. Where repeating does not help,
since a probe crashes in every run, no more time is spent on it.
"""

from __future__ import annotations

import signal

from calibrate.store import Job, RunRecord

#: Signals by which others end a process; one that crashes ends by another.
_FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)
#: A shell ends with this and the number of the signal that ended what it waited for.
_SHELL = 128


def loss(record: RunRecord, longest_s: float) -> str:
    """Return which process a run lost, and how; empty where it lost none.

    Parameters
    ----------
    record : of the run.
    longest_s : seconds after which its workload was stopped on purpose.
    """
    for name, state in record.probes.items():
        if state.status in {"killed", "hung"}:
            return f"{name} was lost ({state.reason})"
    name = ended_by(record.exit_code)
    if name and record.seconds < longest_s:
        return f"the workload was lost ({name})"
    return ""


def ended_by(exit_code: int) -> str:
    """Return the signal from outside that ended a process, or what it waited for; empty if none."""
    number = -exit_code if exit_code < 0 else exit_code - _SHELL
    return signal.Signals(number).name if number in _FROM_OUTSIDE else ""


class Losses:
    """Decides whether a lost run is done again.

    Parameters
    ----------
    retries : how often one run is repeated at most; after so many lost repetitions in a row, none
        is repeated until a run has lost nothing.
    """

    def __init__(self, retries: int) -> None:
        self._retries = retries
        self._repeated: dict[str, int] = {}
        self._in_a_row = 0

    def again(self, job: Job, lost: str) -> bool:
        """Take in how an attempt ended; tell whether to repeat it.

        Parameters
        ----------
        job : the run.
        lost : what it lost; empty where it lost nothing.
        """
        if not lost:
            self._in_a_row = 0
            return False
        self._in_a_row += 1
        tried = self._repeated.get(job.folder, 0)
        if tried >= self._retries or self._in_a_row > self._retries:
            return False
        self._repeated[job.folder] = tried + 1
        return True
