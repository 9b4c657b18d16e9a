"""How long a campaign is meant to take, and when it has taken too long.

A plan announces its time. Workloads that are slower here than planned, and disturbed runs that are
repeated, make it longer: up to twice as long, and then the rest is left out and named.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from calibrate.campaign.plan import Plan
from calibrate.store import Job

#: Seconds around a run until its workload is ready and all probes are closed, and its share of what
#: comes before the first run and after the last; as seen with six probes that stay open.
AROUND_S = 1.5
#: How many times the announced time a campaign may take.
MOST_TIMES = 2.0
#: A campaign may always take this long: starting a few probes may take longer than short runs.
LEAST_S = 120.0


def announced_s(plan: Plan, jobs: Sequence[Job]) -> float | None:
    """Return how long runs are meant to take together; None where one is of unknown length.

    Parameters
    ----------
    plan : that the runs are of.
    jobs : the runs.
    """
    about = {step.called: step.about_s for step in plan.workload}
    lengths = [about.get(job.workload) or job.seconds for job in jobs]
    known = [seconds for seconds in lengths if seconds is not None]
    if len(known) < len(lengths):
        return None
    return sum(known) + len(known) * (plan.idle_before_s + plan.idle_after_s + AROUND_S)


class Deadline:
    """Twice the announced time of the runs that are due, from now on.

    Parameters
    ----------
    plan, due : the plan, and its runs that are not done.
    clock : seconds, of any origin.
    """

    def __init__(
        self, plan: Plan, due: Sequence[Job], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._plan = plan
        self._clock = clock
        self._started = clock()
        announced = announced_s(plan, due)
        self._most = None if announced is None else max(MOST_TIMES * announced, LEAST_S)

    def allows(self, *jobs: Job) -> bool:
        """Tell whether there is time for these runs."""
        needed = announced_s(self._plan, jobs)
        if self._most is None or needed is None:
            return True
        return self._clock() - self._started + needed <= self._most
