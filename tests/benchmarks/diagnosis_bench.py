"""How often the diagnosis is right on real meters with each fault of the bench. Simulated machines.

python tests/benchmarks/diagnosis_bench.py FOLDER [FAULT ...]

For every fault a campaign, `crosswatt run --quick`, on a simulated machine: our own `rapl`,
pyJoules and CodeCarbon beside the truth. A campaign that is in FOLDER already is judged again, not
run again. A meter's verdict is right if

    said     the meter gave no figure, and its record says why
    sound    every run is within 2 % of the truth (12 % on GPUs), and no fault is found
    named    a run is not, and the verdict names what this fault does to a meter

and wrong otherwise. What a fault does to a meter is written down below, before anything is run.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from calibrate.analysis import Analysis, analyze
from calibrate.comparison import Pair
from calibrate.diagnosis import NO_ENERGY, NO_FAULT, STRAY
from calibrate.diagnosis.part_time import PART_TIME
from calibrate.diagnosis.single_runs import FALSE_WRAP, LOST_WRAP

CPU, GPU = "server", "gpu-node"
#: Machine -> meters, and of what scope the column is that is judged; the headline unless told.
METERS = {CPU: ("rapl", "pyjoules", "codecarbon"), GPU: ("pyjoules", "codecarbon", "gpu_power")}
SCOPE = {CPU: "", GPU: "gpu"}
ADAPTERS = Path(__file__).parents[1] / "adapters"
#: Largest error of a run that counts as sound; a GPU's power is of 25 ms in every 100, so that a
#: meter of it that is in good health errs by some percent in runs of a few seconds.
SOUND = {CPU: 0.02, GPU: 0.12}
#: What a meter has besides, on a machine in good health: pyJoules takes a GPU's mJ for uJ.
ALWAYS = {("pyjoules", GPU): ("scale 1e-3",)}
WINDOW = ("window deficit", "lag", "slow response", "stale counter", "fixed energy")
STOPPED = (NO_ENERGY, STRAY, "only ")


@dataclass(frozen=True)
class Case:
    """A fault, and with what each verdict on a meter that it misleads may begin."""

    fault: str
    names: tuple[str, ...]
    machine: str = CPU


CASES = (
    Case("unit=4", ("ratio 4",)),
    Case("unit=0.25", ("ratio 1/4",)),
    Case("stuck", STOPPED),
    Case("stuck,scope=package-1", ("only package-0", "ratio 1/2", "missing package-1")),
    Case("stuck,at_s=45", STOPPED),
    Case("backwards=10,at_s=30", (STRAY, LOST_WRAP, FALSE_WRAP)),
    Case("jump=5000,at_s=32", (STRAY,)),
    Case("reset,at_s=30", (STRAY, LOST_WRAP, FALSE_WRAP)),
    Case("offset=20", ("idle offset",)),
    Case("stale=1", ("stale counter",)),
    Case("lag=0.5", ("lag",)),
    Case("jitter=0.5", (FALSE_WRAP,)),
    Case("wrap=300", (STRAY, LOST_WRAP)),
    Case("range=1000", (LOST_WRAP,)),
    Case("absent,scope=dram", ("missing dram",)),
    Case("absent,scope=package-1", ("only package-0", "ratio 1/2", "missing package-1")),
    Case("mirrored=2", ("ratio 2", "package twice")),
    Case("mmio", ("ratio 2", "package twice")),
    Case("renamed", ("missing", "only", NO_ENERGY)),
    Case("gap", ("only package-0", "ratio 1/2", "missing package-1")),
    Case("no-range", (NO_FAULT,)),
    Case("no-permission", STOPPED),
    Case("io-error", STOPPED),
    Case("empty", STOPPED),
    Case("garbage", STOPPED),
    Case("zero", STOPPED),
    Case("sentinel", (*STOPPED, "unit")),
    Case("slow=0.3", (*WINDOW, PART_TIME)),
    Case("hang", STOPPED),
    Case("vanish,at_s=30", STOPPED),
    Case("late=3", STOPPED),
    Case("replaced,at_s=5", STOPPED),
    Case("suspend=2,at_s=30", (STRAY, *WINDOW)),
    Case("clock-step=3600,at_s=30", (STRAY,)),
    Case("gpu-lost", STOPPED, GPU),
    Case("gpu-no-energy", STOPPED, GPU),
    Case("gpu-no-power", STOPPED, GPU),
    Case("gpu-part-time=0.1", (PART_TIME,), GPU),
    Case("gpu-slow-power=1", (*WINDOW, PART_TIME), GPU),
)


def campaign(case: Case, folder: Path) -> Path:
    """Run the campaign of a fault, unless it is there."""
    place = folder / case.fault.replace(",", "_")
    if not (place / "comparison.json").exists():
        line = ["crosswatt", "run", "--quick", "--bench", case.machine, "--fault", case.fault]
        line += ["--adapters", str(ADAPTERS)]
        line += ["--out" if not place.exists() else "--resume", str(place)]
        for meter in ("truth", *METERS[case.machine]):
            line += ["--probe", meter] if not place.exists() else []
        with (folder / f"{place.name}.log").open("w") as log:
            subprocess.run(line, stdout=log, stderr=log, check=False)
    return place


def verdict(analysis: Analysis, meter: str, case: Case) -> tuple[bool, str]:
    """Return whether a meter's verdict is right, and what it is."""
    scope = SCOPE[case.machine]
    mine = [
        pair
        for pair in analysis.comparison.pairs
        if pair.probe == meter and (pair.scope.startswith(scope) if scope else pair.headline)
    ]
    summary = analysis.comparison.probes[meter]
    if not mine:
        why = summary.reason or "; ".join(
            left.reason for left in analysis.comparison.left if left.probe == meter
        )
        return bool(why), f"said: {why}"
    return judged(mine[0], analysis, case, bool(summary.lost_runs))


def judged(pair: Pair, analysis: Analysis, case: Case, lost: bool) -> tuple[bool, str]:
    """Return whether the verdict on a column is right, and what it is."""
    found = analysis.diagnoses[pair.probe, pair.column]
    worst = max(abs(row.probe_j / row.reference_j - 1) for row in pair.rows)
    names = found.alternatives or (found.name,)
    text = f"{found.name} ({pair.column}, worst run {worst:.1%}{', runs lost' if lost else ''})"
    if worst <= SOUND[case.machine]:
        return found.name == NO_FAULT, text
    right = case.names + ALWAYS.get((pair.probe, case.machine), ())
    return any(name.startswith(wanted) for name in names for wanted in right), text


def main() -> int:
    """Print a line for every fault and meter."""
    folder = Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    wanted = sys.argv[2:]
    right = total = 0
    for case in CASES:
        if wanted and case.fault not in wanted:
            continue
        place = campaign(case, folder)
        try:
            analysis = analyze(place)
        except Exception as error:  # a line of the table
            print(f"WRONG {case.fault:26s} no analysis: {error}")
            total += 1
            continue
        for meter in METERS[case.machine]:
            good, text = verdict(analysis, meter, case)
            right, total = right + good, total + 1
            print(f"{'right' if good else 'WRONG'} {case.fault:26s} {meter:12s} {text}"[:230])
    print(f"{right} of {total} right: {right / total:.1%}")
    return 0 if right >= 0.9 * total else 1


if __name__ == "__main__":
    sys.exit(main())
