"""Does a gate pass what has not changed, and fail what has?

    python tests/benchmarks/gate_decisions.py [--meters 200] [--seed 0] [NAME ...]

Of every meter three campaigns are simulated: one that a policy is made from (what fails in it is
accepted), one that is equal, and one whose readings are larger or smaller by twice the need. The
effects of workloads belong to the meter and stay; runs scatter, and every campaign is a session
with an effect of its own. The diagnosis, the policy and the gate are the real ones. "Before" is the
rule of release 0.1.0: the ratio found, within twice the interval of it, the diagnosis as text.
Shares are of meters, in percent, with exact binomial intervals at 95 %. Wrong are an equal campaign
that fails and a changed one that passes; the rest is inconclusive.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from scipy.stats import binomtest

from calibrate import gate
from calibrate.analysis import Analysis
from calibrate.calibration import Correction
from calibrate.comparison import Comparison, Pair, PairedRun, ProbeSummary
from calibrate.diagnosis import Diagnosis, Runs, diagnose
from calibrate.errors import CrosswattError
from calibrate.stats import log_ratio, mean_ratio
from calibrate.store import (
    Campaign,
    CampaignRecord,
    MachineRecord,
    ProbeState,
    Run,
    RunRecord,
)

Rng = np.random.Generator
NEED = 0.05
KEY = ("meter", "package")
#: Between two campaigns, relative: temperature, what else runs.
SESSION_SD = 0.003
POWERS = {"idle": 12.0, "memory": 31.0, "asr": 42.0, "gemm": 63.0, "sort": 25.0, "video": 51.0}
DESIGNS = {"5 x 2": (5, 2, 12.0), "6 x 5": (6, 5, 60.0)}


@dataclass(frozen=True)
class Meter:
    """A kind of meter.

    `says` turns true W into W; `run_sd` is the scatter of runs, `effect_sd` that of workloads,
    `step_j` the step of the reference, `u_reference` what the reference states, which is also how
    far it is off.
    """

    says: Callable[[float], float]
    run_sd: float
    effect_sd: float
    step_j: float = 0.0
    u_reference: float = 0.0


METERS = {
    "sound": Meter(lambda w: w, 0.01, 0.005),
    "sound, noisy": Meter(lambda w: w, 0.03, 0.005),
    "sound, effects of 3 %": Meter(lambda w: w, 0.01, 0.03),
    "sound, reference of 1 %": Meter(lambda w: w, 0.01, 0.005, u_reference=0.01),
    "sound, reference steps 36 J": Meter(lambda w: w, 0.01, 0.005, step_j=36.0),
    "gain 0.85": Meter(lambda w: 0.85 * w, 0.01, 0.01),
    "a thousandth": Meter(lambda w: 1e-3 * w, 0.02, 0.01),
    "idle offset": Meter(lambda w: w + 9.0, 0.01, 0.01),
    "load model": Meter(lambda w: 18 + 0.6 * w + 4 * (w > 40), 0.015, 0.05),
}


def campaign(
    rng: Rng, meter: Meter, effects: dict[str, float], off: float, change: float, repeats: int,
    seconds: float,
) -> Analysis:  # fmt: skip
    """Return the analysis of a campaign."""
    session = SESSION_SD * rng.normal()
    rows = []
    for workload, effect in effects.items():
        for repeat in range(1, repeats + 1):
            true_w = POWERS[workload] * (1 + 0.02 * rng.normal())
            noise = float(np.exp(effect + session + meter.run_sd * rng.normal()))
            reference_j = true_w * seconds * (1 + off)
            if meter.step_j:
                start = rng.uniform(0, meter.step_j)
                ends = np.floor(np.array([start, start + reference_j]) / meter.step_j)
                reference_j = float(ends[1] - ends[0]) * meter.step_j
            row = PairedRun(
                run=f"{workload}-{repeat}", workload=workload, repeat=repeat, seconds=seconds,
                probe_j=change * meter.says(true_w) * seconds * noise, reference_j=reference_j,
                u_reference_j=meter.step_j / math.sqrt(6),
            )  # fmt: skip
            rows.append(row)
    return analysed(rows, meter)


def analysed(rows: list[PairedRun], meter: Meter) -> Analysis:
    """Return an analysis of these runs."""
    pair = Pair(
        probe=KEY[0], column=KEY[1], scope="package", reference_scope="package", basis="measured",
        family="rapl", same_family=False, headline=True, resolution_j=0.0,
        reference_resolution_j=meter.step_j, u_reference=meter.u_reference or None,
        rows=tuple(rows), ratio=None, limits=None, prediction=None,
    )  # fmt: skip
    comparison = Comparison(
        simulated=True, machine="m", reference="wall", runs=len(rows),
        workloads=tuple(sorted({row.workload for row in rows})), pairs=(pair,), left=(),
        probes={KEY[0]: ProbeSummary(status="ok"), "wall": ProbeSummary(status="ok")},
    )  # fmt: skip
    correction = Correction(
        probe=KEY[0], release="", mode="", column=KEY[1], scope="package", verdict="not needed",
        reason="",
    )  # fmt: skip
    found = object.__new__(Analysis)  # without what a gate does not read: phases, costs, power
    found.__dict__.update(
        campaign=Campaign(Path("c"), RECORD, {}, tuple(_run(row) for row in rows)),
        comparison=comparison,
        diagnoses={KEY: _diagnosis(rows, meter)},
        calibration=SimpleNamespace(corrections=(correction,)),
    )
    return found


RECORD = CampaignRecord(
    created="2026-01-01T00:00:00+00:00", crosswatt="0", plan={}, seed=0, sources=(), jobs=(),
    machine=MachineRecord(
        simulated=True, label="m", cpu="", cpus=2, kernel="", memory_bytes=1, virtual="no",
        governor="", microcode="", boot_id="b",
    ),
)  # fmt: skip


def _run(row: PairedRun) -> Run:
    end = int(row.seconds * 1e9)
    record = RunRecord(
        number=1, workload=row.workload, exit_code=0, recording_ns=0, begin_ns=0, end_ns=end,
        stopped_ns=end, epoch_ns=0, probes={KEY[0]: ProbeState(status="ok")},
    )  # fmt: skip
    return Run(Path(row.run), record, {})


def _diagnosis(rows: list[PairedRun], meter: Meter) -> Diagnosis:
    idle = [row.reference_j / row.seconds for row in rows if row.workload == "idle"]
    return diagnose(
        Runs(
            probe_j=[row.probe_j for row in rows],
            reference_j=[row.reference_j for row in rows],
            seconds=[row.seconds for row in rows],
            workload=[row.workload for row in rows],
            reference_resolution_j=meter.step_j,
            u_probe_j=[row.u_probe_j for row in rows],
            u_reference_j=[row.u_reference_j for row in rows],
            u_ref=meter.u_reference,
            idle_w=float(np.median(idle)),
        )
    )


def before(first: Analysis, second: Analysis) -> str:
    """Return the state by the rule of release 0.1.0, of a policy that it made from `first`."""
    d, cluster = _logs(first)
    ratio = mean_ratio(d, cluster).ratio
    if ratio.low is None or ratio.high is None:
        return "inconclusive"
    within = max(0.01, 2 * max(ratio.high / ratio.value, ratio.value / ratio.low) - 2)
    expected = 1.0 if abs(math.log(ratio.value)) < math.log1p(within) / 2 else ratio.value
    found = mean_ratio(*_logs(second), level=0.90).ratio
    if found.low is None or found.high is None:
        return "inconclusive"
    low, high = expected / (1 + within), expected * (1 + within)
    if found.high < low or found.low > high:
        return "fail"
    if not (low <= found.low and found.high <= high):
        return "inconclusive"
    then, now = first.diagnoses[KEY].name, second.diagnoses[KEY]
    if now.name == then:
        return "pass"
    return "inconclusive" if then in now.alternatives or not now.conclusive else "fail"


def _logs(found: Analysis) -> tuple[np.ndarray, list[str]]:
    rows = found[KEY].pair.usable
    d = log_ratio([row.probe_j for row in rows], [row.reference_j for row in rows])
    return d, [row.workload for row in rows]


def after(first: Analysis, second: Analysis) -> tuple[str, bool]:
    """Return the state by the gate, and whether its policy had to be accepted."""
    try:
        policy, _ = gate.propose(first, NEED)
    except CrosswattError:
        policy, _ = gate.propose(first, NEED, "simulated")
    accepted = policy.probe[0].accepted is not None
    return gate.overall(gate.judge(second, policy)), accepted


def share(states: Iterable[str], wanted: str) -> str:
    """Return how many states are the one wanted, in percent with the binomial interval."""
    every = list(states)
    count = sum(state == wanted for state in every)
    interval = binomtest(count, len(every)).proportion_ci(method="exact")
    return f"{100 * count / len(every):5.1f} ({100 * interval.low:4.1f}-{100 * interval.high:5.1f})"


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument("names", nargs="*", help="meters whose name contains one of these")
    options.add_argument("--meters", type=int, default=200)
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    print(f"simulated, {given.meters} meters each, need {100 * NEED:g} %; percent of campaigns\n")
    head = ("equal passes, before", "after", "twice the need fails, before", "after")
    print(f"| meter | runs | {' | '.join(head)} | wrong, after | accepted |\n{'|---' * 8}|")
    for name, meter in METERS.items():
        if given.names and not any(part in name for part in given.names):
            continue
        for design, (k, repeats, seconds) in DESIGNS.items():
            rng = np.random.default_rng([given.seed, k, len(name)])
            equal: list[tuple[str, str]] = []
            changed: list[tuple[str, str]] = []
            accepted = 0
            for i in range(given.meters):
                effects = {w: meter.effect_sd * rng.normal() for w in list(POWERS)[:k]}
                off = meter.u_reference * rng.normal()
                change = (1 + 2 * NEED) ** (1 if i % 2 else -1)
                made = [
                    campaign(rng, meter, effects, off, c, repeats, seconds)
                    for c in (1.0, 1.0, change)
                ]
                for found, states in zip(made[1:], (equal, changed), strict=True):
                    state, was_accepted = after(made[0], found)
                    states.append((before(made[0], found), state))
                accepted += was_accepted
            cells = [share(column, "pass") for column in zip(*equal, strict=True)]
            cells += [share(column, "fail") for column in zip(*changed, strict=True)]
            wrong = sum(state == "fail" for _, state in equal)
            wrong += sum(state == "pass" for _, state in changed)
            cells += [f"{wrong} of {2 * given.meters}", f"{100 * accepted / given.meters:.0f} %"]
            print(f"| {name} | {design} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
