"""What a report says of the machine, the plan and the method."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from calibrate.analysis import Analysis
from calibrate.energy import REFERENCES
from calibrate.quantity import UNKNOWN, figure, text
from calibrate.store import Campaign, CampaignRecord
from calibrate.tokens import masked

_MEASURED = (
    "Every workload ran while all probes measured at the same time, each in a process of its own "
    "on one monotonic clock."
)
_IMPORTED = (
    "These measurements were taken elsewhere and imported; every probe has the clock of its files, "
    "and crosswatt align tells whether they agree."
)
_SAME_SCOPE = (
    "For each run the energy of a probe is compared with the energy that the reference gives for "
    "the same window and the same scope. Columns of different scopes are never compared."
)
_ACROSS = (
    "For each run the energy of a probe is compared with the energy that the reference gives for "
    "the same window, on purpose also where it covers more than the probe."
)
METHOD = (
    "A ratio is probe over reference. The mean is the geometric mean of the workload means, so "
    "that a workload counts once however often it ran; the 95 % interval is Student's t on the "
    "workload means. The limits of agreement are estimates of the ratios between which 95 % of "
    "single runs lie; in brackets stands the share of new runs to expect between them, which is "
    "less, since mean and spread are from few workloads. Standard deviations are of ln(ratio), so "
    "that 1 % means a ratio that scatters by 1 %.",
    "A diagnosis names the fault of a catalogue that explains the runs best. Its probability is "
    "relative to that catalogue: a name is given from 0.95 on, only when the runs pass predictive "
    "checks, and faults with the same signature are listed as aliases. Otherwise it is "
    "unexplained, and a sentence says what is missing.",
    "A correction multiplies the probe's reading. Its uncertainty is for a workload that was not "
    "measured; each measured workload was held out once to see what error is left. Outside the "
    "range of power and length given, it was not tried.",
)
SOURCES = (
    "J. M. Bland, D. G. Altman: Measuring agreement in method comparison studies. Statistical "
    "Methods in Medical Research 8 (1999) 135-160.",
    "J. M. Bland, D. G. Altman: Agreement between methods of measurement with multiple "
    "observations per individual. Journal of Biopharmaceutical Statistics 17 (2007) 571-582.",
    "G. Y. Zou: Confidence interval estimation for the Bland-Altman limits of agreement with "
    "multiple observations per individual. Statistical Methods in Medical Research 22 (2013) "
    "630-642.",
)


def _date(record: CampaignRecord) -> str:
    """Return when a campaign was made, where that is known."""
    if record.day is None:
        return UNKNOWN
    return text(record.created).replace("T", " ").replace("+00:00", " UTC")


def title(analysis: Analysis) -> str:
    """Return the name of the machine; a simulated one says so in its name."""
    machine = analysis.campaign.record.machine
    name = text(machine.title, "")
    if machine.simulated:
        return f"Simulated {name or 'machine'}"
    return name or "Machine without a name"


@dataclass(frozen=True)
class Fact:
    """A name and what is known; ``command`` is true for a command that can be typed."""

    name: str
    words: str
    command: bool = False


def campaign_facts(analysis: Analysis) -> tuple[Fact, ...]:
    """Return what a report says of the machine, the plan and how to repeat it."""
    record, comparison = analysis.campaign.record, analysis.comparison
    machine = record.machine
    host = "Host of the simulation" if machine.simulated else "Processor"
    plan = record.plan
    repeats = plan.get("repeats")
    name = analysis.campaign.folder.name
    folder, page = shlex.quote(name), shlex.quote(f"{name}/report.html")
    size = [] if machine.cpus is None else [f"{machine.cpus} CPUs"]
    if machine.memory_bytes is not None:
        size.append(f"{figure(machine.memory_bytes / 2**30)} GiB")
    return (
        Fact("Machine", text(machine.label)),
        Fact(host, ", ".join([text(machine.cpu), *size])),
        Fact(
            "Conditions",
            f"kernel {text(machine.kernel)}, virtual machine: {text(machine.virtual)}, "
            f"governor {text(machine.governor)}, microcode {text(machine.microcode)}",
        ),
        Fact("Date", _date(record)),
        Fact("crosswatt", text(record.crosswatt)),
        Fact(
            "Plan",
            f"{text(plan.get('title', ''))}: {', '.join(_planned(plan)) or UNKNOWN}"
            + (f"; {repeats} repeats" if repeats else ""),
        ),
        Fact("Seed", str(record.seed)),
        Fact("Runs", f"{comparison.runs} compared of {_asked(analysis.campaign)}"),
        Fact("Reference", f"{comparison.reference}{_family(analysis)}"),
        Fact(f"{_verb(analysis)} it again", _command(analysis), command=True),
        Fact(
            "Remake this report",
            f"crosswatt report {folder} --format html{_asked_for(analysis)} --out {page}",
            command=True,
        ),
    )


def _asked(campaign: Campaign) -> str:
    """Return how many runs were planned, or why there are fewer."""
    jobs, stop = len(campaign.record.jobs), campaign.stop
    if stop and stop.reason == "drift":
        drifting = ", ".join(dict.fromkeys(each.probe for each in stop.factors if each.drifts))
        return (
            f"at most {jobs}; stopped after {stop.repeats} repeats, since repeats do not help "
            f"where a meter drifts: {drifting}"
        )
    if stop:
        return (
            f"at most {jobs}; stopped after {stop.repeats} repeats, every factor known to "
            f"{100 * stop.target:g} % (confidence sequence, for these workloads)"
        )
    return f"{jobs} planned"


def _planned(plan: Mapping[str, Any]) -> list[str]:
    """Return the names of the plan's workloads; a plan is free-form in the record."""
    steps = plan.get("workload") or ()
    return [text(s.get("label") or s.get("name", "")) for s in steps if isinstance(s, Mapping)]


def _family(analysis: Analysis) -> str:
    """Return what the reference is, where its name does not say it."""
    sources = analysis.comparison.probes[analysis.comparison.reference].sources
    kinds = [f"{source.basis}, family {source.family}" for source in sources]
    return f" ({'; '.join(kinds)})" if kinds and kinds != ["truth, family truth"] else ""


def _verb(analysis: Analysis) -> str:
    """Return what was done: other people's measurements were imported."""
    return "Import" if analysis.campaign.record.is_import else "Measure"


def _across(analysis: Analysis) -> bool:
    """Tell whether scopes that differ were compared on purpose."""
    return any(pair.across for pair in analysis.comparison.pairs)


def compared(analysis: Analysis) -> str:
    """Return what was done with the readings."""
    taken = _IMPORTED if analysis.campaign.record.is_import else _MEASURED
    return f"{taken} {_ACROSS if _across(analysis) else _SAME_SCOPE}"


def _asked_for(analysis: Analysis) -> str:
    """Return the options of an analysis that is not the ordinary one."""
    reference = analysis.comparison.reference
    asked = f" --reference {shlex.quote(reference)}" if reference not in REFERENCES[:1] else ""
    carbon = analysis.footprint
    return (
        asked
        + (" --across" if _across(analysis) else "")
        + (f" --carbon {carbon.intensity.asked}" if carbon else "")
    )


def _command(analysis: Analysis) -> str:
    """Return the command that measures the same again, with the order of runs fixed."""
    words = list(masked(analysis.campaign.record.command[1:]))
    if not words:
        return UNKNOWN
    mine = words[: words.index("--")] if "--" in words else words
    ordered = any(word.split("=")[0] in {"--seed", "--resume"} for word in mine)
    # What others measured has no order to be fixed.
    if not ordered and not analysis.campaign.record.is_import:
        words[1:1] = ["--seed", str(analysis.campaign.record.seed)]
    return shlex.join(["crosswatt", *words])


def raw_data(analysis: Analysis) -> tuple[str, ...]:
    """Return where the numbers come from, and how to cite them."""
    campaign = analysis.campaign
    record = campaign.record
    name = campaign.folder.name
    version = re.sub(r"\s+", " ", record.crosswatt)
    return (
        f"Every number here is computed from the folder {name} (schema {record.schema_}): "
        "campaign.json holds plan, machine and seed; each run has run.json and one .jsonl file "
        "a probe, with every reading as it was taken. The derived numbers are in comparison.json, "
        "diagnosis.json, calibration.json and phases.json.",
        f"Cite it as: crosswatt {version}, campaign {name} of {_date(record)[:10]}, "
        f"{title(analysis)}, seed {record.seed}, reference {analysis.comparison.reference}.",
    )
