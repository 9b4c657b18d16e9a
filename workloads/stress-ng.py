"""stress-ng's CPU stressor, an external load: `--method` is one of its more than 70 methods.

python workloads/stress-ng.py --seconds 5 [--method matrixprod] [--cores N | --cpu 3 | --socket 0]

Its bogo operations cannot be compared between methods, nor between versions of stress-ng, which is
in the result. It takes whole seconds only, so it is interrupted when the time is over.
"""

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence

from calibrate.loads import Phase, Stage, add_placing, parser, placed

PROGRAM = "stress-ng"
#: After this much longer it ends by itself, where nobody is left to interrupt it.
SPARE_S = 30
#: stressor, bogo ops, real time: ``stress-ng: metrc: [123] cpu   2453   2.00 ...``
METRICS = re.compile(r"\]\s+cpu\s+(\d+)\s+[\d.]+\s")


def main() -> None:
    """Run one stressor a CPU, pinned to them."""
    options = parser(__doc__)
    add_placing(options)
    options.add_argument("--method", default="matrixprod", help="stress-ng's --cpu-method")
    given = options.parse_args()
    if given.seconds <= 0:
        raise SystemExit(f"--seconds {given.seconds:g}: it is a length of time, above 0.")
    version = _version()
    on = placed(given)
    command = [PROGRAM, "--cpu", str(len(on)), "--taskset", ",".join(map(str, on)),
               "--cpu-method", given.method, "--metrics-brief",
               "--timeout", str(int(given.seconds) + SPARE_S)]  # fmt: skip
    stage = Stage(given.marks)
    _try(command)
    stage.ready()
    begin = time.monotonic_ns()
    said = _run(command, given.seconds)
    end = time.monotonic_ns()
    stage.phase(Phase("load", begin, end, bogo_ops(said), "bogo-op"))
    stage.result(stress_ng=version, method=given.method)


def bogo_ops(said: str) -> float:
    """Return the bogo operations of the CPU stressor in what ``--metrics-brief`` prints."""
    found = METRICS.search(said)
    if found is None:
        raise SystemExit(f"stress-ng told no bogo ops; it said: {said.strip()[-200:]}")
    return float(found[1])


def _version() -> str:
    """Return the version of stress-ng."""
    if shutil.which(PROGRAM) is None:
        raise SystemExit("stress-ng is not installed; type: sudo apt-get install stress-ng")
    said = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"\d+(\.\d+)+", said.stdout)
    return found[0] if found else "unknown"


def _try(command: Sequence[str]) -> None:
    """Refuse what stress-ng refuses, before anything is measured."""
    tried = subprocess.run([*command, "--dry-run"], capture_output=True, text=True, check=False)
    if tried.returncode:
        raise SystemExit(f"stress-ng refuses: {(tried.stdout + tried.stderr).strip()}")


def _run(command: Sequence[str], seconds: float) -> str:
    """Run a command for some seconds, interrupt it, and return all that it said."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            return process.communicate(timeout=seconds)[0]  # it ended by itself: something is wrong
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            return process.communicate()[0]


if __name__ == "__main__":
    main()
