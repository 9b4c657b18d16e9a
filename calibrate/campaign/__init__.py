"""Plan and perform a campaign: all probes measure while each workload runs.

plan          which workloads run, how often, in which order
publication   what a publication claims about learning algorithms
probes        which probes take part, with which settings
environment   releases of meters, each with its own interpreter
machine       what this computer is
crew          the recorders of one run, one process for each probe
work          the process of the workload
guard         ends the workload when its runner is gone
output        what a workload prints: marks, and the rest in a file of bounded size
conditions    the conditions of `observe` that are possible here
run           one run: start the recorders, run the workload, stop the recorders
lost          runs that lost a process, and whether to repeat them
disturbed     finds runs that another program disturbed
duration      how long a campaign is meant to take, and when it has taken too long
tenants       what else runs on the machine when a campaign starts
campaign      all runs of a plan, in order; can be interrupted and resumed
withheld      secrets in the commands of workloads, kept out of the record
trust         who started a campaign: what a folder names runs only then
lock          one process at a time measures into a folder
session       one more run of a folder, of what the current process does
"""

from calibrate.campaign.campaign import Ending, create_campaign, perform_campaign
from calibrate.campaign.crew import Timeouts
from calibrate.campaign.disturbed import remaining_disturbed
from calibrate.campaign.duration import announced_s
from calibrate.campaign.environment import (
    add_environment,
    parse_release,
    pip_sources,
    remove_environment,
)
from calibrate.campaign.machine import (
    IDENTITY,
    describe_machine,
    machine_differences,
    on_bench,
    rapl_readable,
    why_no_rapl,
)
from calibrate.campaign.plan import (
    COMMAND,
    Plan,
    Stages,
    Step,
    command_plan,
    jobs_alone,
    load_plan,
    load_quick_plan,
    only_workloads,
    plan_jobs,
    plan_names,
    workload_of,
)
from calibrate.campaign.probes import (
    at_rates,
    recorded_sources,
    source_records,
    sources,
    with_reference,
    with_settings,
)
from calibrate.campaign.publication import (
    AccuracyClaim,
    Cheapest,
    Dearest,
    EnergyClaim,
    LessAccurate,
    MostAccurate,
    Publication,
    SameOrder,
)
from calibrate.campaign.run import Pause, describe_probes, perform_run
from calibrate.campaign.session import TITLE, Session
from calibrate.campaign.tenants import busy_cores, disturbance
from calibrate.campaign.trust import is_own_campaign, programs, require_own_campaign
from calibrate.campaign.withheld import withheld_names
from calibrate.probe.available import Source, environments_home, known_probes

__all__ = [
    "COMMAND",
    "IDENTITY",
    "TITLE",
    "AccuracyClaim",
    "Cheapest",
    "Dearest",
    "Ending",
    "EnergyClaim",
    "LessAccurate",
    "MostAccurate",
    "Pause",
    "Plan",
    "Publication",
    "SameOrder",
    "Session",
    "Source",
    "Stages",
    "Step",
    "Timeouts",
    "add_environment",
    "announced_s",
    "at_rates",
    "busy_cores",
    "command_plan",
    "create_campaign",
    "describe_machine",
    "describe_probes",
    "disturbance",
    "environments_home",
    "is_own_campaign",
    "jobs_alone",
    "known_probes",
    "load_plan",
    "load_quick_plan",
    "machine_differences",
    "on_bench",
    "only_workloads",
    "parse_release",
    "perform_campaign",
    "perform_run",
    "pip_sources",
    "plan_jobs",
    "plan_names",
    "programs",
    "rapl_readable",
    "recorded_sources",
    "remaining_disturbed",
    "remove_environment",
    "require_own_campaign",
    "source_records",
    "sources",
    "why_no_rapl",
    "with_reference",
    "with_settings",
    "withheld_names",
    "workload_of",
]
