"""Strike running campaigns with random faults, and see what is left and whether they go on.

    python tests/faults/running.py --count 500 --seed 1 --jobs 3

Each trial starts a small campaign, with or without a simulated machine, and strikes it once at a
random moment: a signal to one of its processes, a full disk, a limit of the system, a second
runner, a part of the folder that vanishes or is emptied. Then ``run --resume`` goes on. Wrong is:
a traceback, an exit code that is not documented, more than 5 s until everything ends after a signal
to end, a process, a mount or a temporary folder that stays, a finished run that changed, a campaign
that does not get complete. What fails is printed with the seed that repeats it.

Faults that need root (a small disk) are left out without it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

#: Marks every process of a trial, through its environment.
MARK = "CROSSWATT_TRIAL"
#: How soon everything ends after a signal to end, and what a busy machine may add, seconds.
ENDS_S, SLACK_S = 5.0, 10.0
#: After what time a command that does not end is wrong.
PATIENCE_S = 240.0
#: What a campaign of this host ends with once its runs are done: it has no reference meter.
NO_REFERENCE = "can serve as the reference"
#: What docs/cli.md lists, without an internal error.
CODES = frozenset({0, 1, 2, 64, 69, 75, 130})
PLAN = """
title = "faults"
repeats = 2
idle_before_s = 0.1
idle_after_s = 0.1
strays = 0
[[workload]]
name = "idle"
seconds = [0.6]
"""
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
#: What stands in the command lines of the processes of a campaign.
PROCESSES = {
    "runner": ("calibrate run",),
    "machine": ("calibrate.bench.server",),
    "keeper": ("calibrate.bench.keeper",),
    "recorder": ("calibrate.probe.recorder",),
    "workload": ("workloads/idle.py",),
}


@dataclass
class Trial:
    """One campaign and what happens to it.

    Parameters
    ----------
    seed : decides everything.
    place : its folder.
    """

    seed: int
    place: Path
    fault: str = ""
    wrong: list[str] = field(default_factory=list)
    #: Whether the fault is a signal after which everything has to end.
    ending: bool = False
    #: Whether the command itself was struck, and may end by a signal.
    runner_struck: bool = False
    #: Runs that the fault damages on purpose.
    damaged: set[str] = field(default_factory=set)
    #: Seconds from a signal to end until the command ended.
    ended_s: float | None = None

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)  # noqa: S311
        self.simulated = self.random.random() < 0.5
        self.folder = self.place / "disk" / "campaign"
        for name in ("disk", "tmp", "home"):
            (self.place / name).mkdir()
        (self.place / "plan.toml").write_text(PLAN)
        self.out = self.place / "out.txt"
        self.environment = {
            **os.environ,
            MARK: str(self.place),
            "TMPDIR": str(self.place / "tmp"),
            "CROSSWATT_HOME": str(self.place / "home"),
        }

    def command(self) -> list[str]:
        """Return the command that starts the campaign, or goes on with it."""
        run = [sys.executable, "-P", "-m", "calibrate", "run"]
        if (self.folder / "campaign.json").exists():
            return [*run, "--resume", str(self.folder)]
        probes = ("rapl",) if self.simulated else ("one=synthetic", "two=synthetic")
        machine = ["--bench", "laptop"] if self.simulated else ["--no-bench"]
        chosen = [word for name in probes for word in ("--probe", name)]
        plan = ["--plan", str(self.place / "plan.toml"), "--out", str(self.folder)]
        return [*run, *machine, *chosen, *plan]

    def start(self, limits: Callable[[], None] | None = None) -> subprocess.Popen[bytes]:
        """Start the command; its output goes to a file."""
        with self.out.open("ab") as out:
            return subprocess.Popen(
                self.command(),
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                preexec_fn=limits,  # noqa: PLW1509 - the limits of this one process
            )

    def processes(self, words: tuple[str, ...] = ()) -> list[int]:
        """Return the processes of this trial whose command line has one of the words."""
        found = []
        for each in filter(str.isdecimal, os.listdir("/proc")):  # noqa: PTH208
            with contextlib.suppress(OSError):
                environment = Path(f"/proc/{each}/environ").read_bytes()
                if f"{MARK}={self.place}".encode() not in environment.split(b"\0"):
                    continue
                line = Path(f"/proc/{each}/cmdline").read_bytes().replace(b"\0", b" ").decode()
                if line and (not words or any(word in line for word in words)):
                    found.append(int(each))
        return found

    def finished(self) -> dict[str, dict[str, bytes]]:
        """Return the files of every finished run."""
        found: dict[str, dict[str, bytes]] = {}
        for record in self.folder.glob("[0-9][0-9][0-9]-idle/run.json"):
            with contextlib.suppress(FileNotFoundError):  # the campaign goes on meanwhile
                run = record.parent
                found[run.name] = {path.name: path.read_bytes() for path in run.iterdir()}
        return found

    def say(self, what: str) -> None:
        """Take down what is wrong."""
        self.wrong.append(what)


def wait(process: subprocess.Popen[bytes], trial: Trial) -> int | None:
    """Wait for the end of a command; one that does not end is wrong, and killed."""
    try:
        return process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        trial.say(f"it did not end within {PATIENCE_S:g} s")
        for each in trial.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        process.wait()
        return None


def moment(trial: Trial, process: subprocess.Popen[bytes]) -> None:
    """Wait until a random moment of the campaign: of its start, or of its runs."""
    if trial.random.random() < 0.25:
        time.sleep(trial.random.uniform(0, 2))
        return
    run = trial.folder / trial.random.choice(("001-idle", "002-idle"))
    until = time.monotonic() + PATIENCE_S
    while not run.exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(trial.random.uniform(0, 1.2))


# Faults: each strikes a running campaign once, and returns how to undo it.


def send_signal(trial: Trial, process: subprocess.Popen[bytes]) -> None:
    """Send a signal to a process of the campaign."""
    number = trial.random.choice((signal.SIGKILL, *ENDING, signal.SIGSTOP))
    here = ["runner", "recorder", "workload"]
    who = trial.random.choice([*PROCESSES] if trial.simulated else here)
    trial.fault = f"{number.name} to {who}"
    until = time.monotonic() + PATIENCE_S
    while not (found := trial.processes(PROCESSES[who])) and process.poll() is None:
        if time.monotonic() > until:
            break
        time.sleep(0.02)
    if not found:
        trial.fault += " (none there any more)"
        return
    victim = process.pid if who == "runner" and trial.random.random() < 0.7 else None
    victim = victim or trial.random.choice(found)
    trial.runner_struck = victim == process.pid
    trial.ending = number in ENDING and trial.runner_struck
    struck = time.monotonic()
    with contextlib.suppress(ProcessLookupError):
        os.kill(victim, number)
    if number == signal.SIGSTOP:
        time.sleep(trial.random.uniform(0.2, 2))
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, trial.random.choice((signal.SIGCONT, signal.SIGKILL)))
    if trial.ending:
        wait(process, trial)
        trial.ended_s = time.monotonic() - struck


def limit(trial: Trial, process: subprocess.Popen[bytes]) -> None:
    """Lower a limit of one of its processes."""
    name, most = trial.random.choice(
        (("FSIZE", 4096), ("FSIZE", 40_000), ("NOFILE", 12), ("AS", 300 << 20), ("NPROC", 0))
    )
    who = trial.random.choice(["runner", "recorder"])
    trial.fault = f"RLIMIT_{name} of {who}"
    for each in trial.processes(PROCESSES[who]):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            resource.prlimit(each, getattr(resource, f"RLIMIT_{name}"), (most, most))


def second_runner(trial: Trial, process: subprocess.Popen[bytes]) -> None:
    """Start another runner on the same folder."""
    trial.fault = "second runner"
    if not (trial.folder / "campaign.json").exists():
        trial.fault += " (nothing there)"
        return
    other = trial.start()
    code = wait(other, trial)
    if process.poll() is None and code != 64:
        trial.say(f"a second runner was not refused: exit {code}")


def damage(trial: Trial, process: subprocess.Popen[bytes]) -> None:
    """Kill the campaign, and damage what it left."""
    trial.runner_struck = True
    with contextlib.suppress(ProcessLookupError):  # it has just ended
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    paths = [path for path in sorted(trial.folder.rglob("*")) if path.is_file()]
    paths = [path for path in paths if path.name not in {"campaign.json", "started.hmac"}]
    trial.fault = "killed, and a file"
    if not paths:
        trial.fault += " (none there)"
        return
    path = trial.random.choice(paths)
    how = trial.random.choice(("emptied", "cut", "removed", "garbled", "zeroed"))
    trial.fault += f" {how}"
    trial.damaged.add(path.parent.name)
    data = path.read_bytes()
    if how == "removed":
        path.unlink()
    elif how == "emptied":
        path.write_bytes(b"")
    elif how == "zeroed":
        path.write_bytes(bytes(len(data)))
    elif how == "cut":
        path.write_bytes(data[: trial.random.randrange(len(data) + 1)])
    else:
        at = trial.random.randrange(len(data) + 1)
        path.write_bytes(data[:at] + b'\x00{"' + data[at + 3 :])


def folder_vanishes(trial: Trial, process: subprocess.Popen[bytes]) -> None:
    """Move the campaign's folder, or the folder of a run, away for good."""
    runs = sorted(trial.folder.glob("[0-9][0-9][0-9]-idle"))
    target = trial.random.choice([trial.folder, *runs[-1:]])
    trial.fault = "folder vanishes" if target == trial.folder else "run's folder vanishes"
    trial.damaged |= {run.name for run in runs} if target == trial.folder else {target.name}
    if target.exists():
        target.rename(trial.place / "gone")
    wait(process, trial)


def temporary_folder_vanishes(trial: Trial, process: subprocess.Popen[bytes]) -> None:
    """Remove what the campaign has in the folder for temporary files."""
    trial.fault = "temporary files vanish"
    for path in (trial.place / "tmp").iterdir():
        shutil.rmtree(path, ignore_errors=True)


FAULTS: tuple[tuple[Callable[[Trial, subprocess.Popen[bytes]], None], int], ...] = (
    (send_signal, 8),
    (limit, 2),
    (second_runner, 1),
    (damage, 3),
    (folder_vanishes, 1),
    (temporary_folder_vanishes, 1),
)


@contextlib.contextmanager
def small_disk(trial: Trial) -> Iterator[Path]:
    """Give the campaign a disk of its own, just large enough to start; yields what fills it."""
    disk = trial.place / "disk"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=258m", "tmpfs", str(disk)], check=True)
    try:
        yield disk / "filling"
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)


def full_disk(trial: Trial) -> None:
    """Fill the disk of a campaign at a random moment, and make room again before it goes on."""
    trial.fault = "full disk"
    with small_disk(trial) as filling:
        process = trial.start()
        moment(trial, process)
        before = trial.finished()
        with contextlib.suppress(OSError), filling.open("wb") as file:
            while True:
                file.write(bytes(1 << 20))
        judge(trial, wait(process, trial), before)
        filling.unlink()
        go_on(trial, before)


def full_output(trial: Trial) -> None:
    """Have the campaign print into a full device, or a pipe that nobody reads any more."""
    trial.fault = "output to /dev/full"
    with Path("/dev/full").open("wb") as full:
        process = subprocess.Popen(
            trial.command(), env=trial.environment, stdin=subprocess.DEVNULL,
            stdout=full, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        said = process.communicate(timeout=PATIENCE_S)[1]
        trial.out.write_bytes(said)
    judge(trial, process.returncode, {})
    go_on(trial, {})


def struck(trial: Trial) -> None:
    """Strike a running campaign with one of the faults."""
    strike = trial.random.choices(*zip(*FAULTS, strict=True))[0]
    process = trial.start()
    moment(trial, process)
    before = trial.finished()
    strike(trial, process)
    judge(trial, wait(process, trial), before)
    go_on(trial, before)


def judge(trial: Trial, code: int | None, before: dict[str, dict[str, bytes]]) -> None:
    """Judge how a campaign that was struck ended."""
    killed = code is not None and code < 0
    if code is not None and code not in CODES and not (killed and trial.runner_struck):
        trial.say(f"exit code {code}")
    if trial.ended_s is not None and trial.ended_s > ENDS_S + SLACK_S:
        trial.say(f"it took {trial.ended_s:.0f} s to end")
    until = time.monotonic() + SLACK_S  # those of a killed runner end by themselves
    while left := trial.processes():
        if time.monotonic() > until:
            trial.say(f"{len(left)} processes stay: {', '.join(map(name_of, left))}")
            for each in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(each, signal.SIGKILL)
            break
        time.sleep(0.1)
    unchanged(trial, before)
    looks(trial)


def go_on(trial: Trial, before: dict[str, dict[str, bytes]]) -> None:
    """Go on with the campaign, the fault gone, and see that it gets complete."""
    code = wait(trial.start(), trial)
    no_reference = not trial.simulated and code == 64 and NO_REFERENCE in trial.out.read_text()
    if code != 0 and not no_reference:
        trial.say(f"--resume ended with exit code {code}")
    unchanged(trial, before)
    looks(trial)
    states = [json.loads(files["run.json"]) for files in trial.finished().values()]
    if len(states) != 2:
        trial.say(f"{len(states)} of 2 runs after --resume")
    for state in states:
        lost = {name for name, each in state["probes"].items() if each["status"] != "ok"}
        if lost or state["exit_code"]:
            trial.say(f"a run without {lost or 'its workload'} counts as finished")
    if left := [path.name for path in (trial.place / "tmp").iterdir()]:
        trial.say(f"temporary files stay: {', '.join(left)}")
    if str(trial.place / "tmp") in Path("/proc/self/mountinfo").read_text():
        trial.say("a mount stays")


def unchanged(trial: Trial, before: dict[str, dict[str, bytes]]) -> None:
    """See that no finished run was changed, but those that the fault damaged or that were lost."""
    after = trial.finished()
    for run, files in before.items():
        if run not in trial.damaged and after.get(run) != files:
            trial.say(f"the finished run {run} changed")
    aside = [*trial.folder.glob("*.stray-*"), *trial.folder.glob("*.damaged-*")]
    said = trial.out.read_text(errors="replace")
    if untold := [
        run.name for run in aside if f"{run.name[:3].lstrip('0')}/2] idle is" not in said
    ]:
        trial.say(f"{', '.join(untold)} was set aside without a word")


def looks(trial: Trial) -> None:
    """See that what was printed are sentences."""
    said = trial.out.read_text(errors="replace") if trial.out.exists() else ""
    if "Traceback" in said or "Internal error" in said:
        trial.say("a traceback")


def name_of(process: int) -> str:
    """Return what a process is, as its command line has it."""
    try:
        words = Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return "?"
    return " ".join(words)[-60:]


def perform(seed: int, keep: Path | None = None) -> Trial:
    """Do one trial.

    Parameters
    ----------
    seed : decides what happens.
    keep : where the folder of a trial that went wrong is kept.
    """
    with tempfile.TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True) as name:
        trial = Trial(seed, Path(name))
        kinds = [struck] * 16 + [full_output] + ([full_disk] * 2 if os.geteuid() == 0 else [])
        trial.random.choice(kinds)(trial)
        if trial.wrong and keep:
            shutil.copytree(trial.place, keep / str(seed), symlinks=True, dirs_exist_ok=True)
        return trial


def main() -> int:
    """Print what went wrong, and how often."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1, help="of the first trial; others follow")
    parser.add_argument("--jobs", type=int, default=2, help="trials at the same time")
    parser.add_argument("--keep", type=Path, help="where folders of wrong trials are kept")
    given = parser.parse_args()
    seeds = range(given.seed, given.seed + given.count)
    counts: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    slowest = 0.0
    with ThreadPoolExecutor(given.jobs) as pool:
        for trial in pool.map(lambda seed: perform(seed, given.keep), seeds):
            counts[trial.fault] += 1
            slowest = max(slowest, trial.ended_s or 0.0)
            if trial.wrong:
                wrong[trial.fault] += 1
                told = "; ".join(trial.wrong)
                print(f"seed {trial.seed}, {trial.fault}: {told}", flush=True)
    for fault, number in sorted(counts.items()):
        print(f"{fault:44} {number:4} {wrong[fault]:4} wrong")
    print(f"{'all':44} {counts.total():4} {wrong.total():4} wrong")
    print(f"After a signal to end, everything had ended within {slowest:.1f} s.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
