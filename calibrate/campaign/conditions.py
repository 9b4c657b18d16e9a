"""The conditions of `observe` that are possible: a probe that cannot open has none."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from calibrate.store import Job


def are_conditions(jobs: Sequence[Job]) -> bool:
    """Tell whether runs are those of `observe`: each names its probes, the reference first."""
    return bool(jobs) and all(job.probes for job in jobs)


def possible_jobs(jobs: Sequence[Job], working: Collection[str]) -> tuple[Job, ...]:
    """Return the runs of conditions in which every probe works, numbered from 1.

    A probe alone that does not work is the same as none, and all together with one that works is
    the same as that one alone.

    Parameters
    ----------
    jobs : of `calibrate.campaign.plan.jobs_alone`.
    working : names of the probes that work, the reference among them.
    """
    return tuple(
        job.model_copy(update={"number": number, "folder": f"{number:03d}-{job.workload}"})
        for number, job in enumerate(_possible(jobs, working), 1)
    )


def _possible(jobs: Sequence[Job], working: Collection[str]) -> Iterator[Job]:
    """Yield the runs, each with the probes that work."""
    for job in jobs:
        reference, *others = job.probes or ()
        crew = [name for name in others if name in working]
        if len(crew) == len(others) or len(crew) > 1:
            yield job.model_copy(update={"probes": (reference, *crew)})
