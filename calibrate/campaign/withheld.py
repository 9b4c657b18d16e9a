"""Secrets in the commands of workloads: kept out of the record, and given back when they run.

In the record stands ``{CROSSWATT_SECRET_1}``; the secret itself is in the environment variable of
that name, which this process and those that it starts have.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from calibrate.errors import CrosswattError
from calibrate.store import Job
from calibrate.tokens import replaced

if TYPE_CHECKING:
    from calibrate.campaign.plan import Plan

_PLACE = re.compile(r"\{(CROSSWATT_SECRET_\d+)\}")


def withhold(plan: Plan) -> Plan:
    """Return a plan whose likely secrets have moved to the environment."""
    names: dict[str, str] = {}

    def move(secret: str) -> str:
        name = names.setdefault(secret, f"CROSSWATT_SECRET_{len(names) + 1}")
        os.environ[name] = secret
        return f"{{{name}}}"

    steps = [
        step.model_copy(update={"arguments": replaced(step.arguments, move)})
        for step in plan.workload
    ]
    return plan.model_copy(update={"workload": tuple(steps)})


def withheld_names(jobs: Sequence[Job]) -> tuple[str, ...]:
    """Return the variables that the commands of jobs need."""
    words = " ".join(word for job in jobs for word in job.arguments)
    return tuple(dict.fromkeys(_PLACE.findall(words)))


def given_back(arguments: Sequence[str]) -> list[str]:
    """Return the arguments of a workload with their secrets.

    Raises
    ------
    CrosswattError : the environment lacks one.
    """
    return [_PLACE.sub(_secret, word) for word in arguments]


def _secret(found: re.Match[str]) -> str:
    name = found.group(1)
    if name not in os.environ:
        raise CrosswattError(
            f"A secret of the workload's command is not in the record. Put it into the environment "
            f"variable {name}, and run this again."
        )
    return os.environ[name]
