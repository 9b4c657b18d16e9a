"""A small campaign that is struck, and what is right and wrong of what is left of it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
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
#: A probe with an interpreter of its own.
THIRD = "third"
PLAN = """
title = "faults"
repeats = 2
idle_before_s = 0.1
idle_after_s = 0.1
strays = 0
[[workload]]
name = "LOAD"
seconds = [0.6]
"""
#: What stands in the command lines of the processes of a campaign.
PROCESSES = {
    "runner": ("calibrate run",),
    "machine": ("calibrate.bench.server",),
    "keeper": ("calibrate.bench.keeper",),
    "recorder": ("calibrate.probe.recorder",),
    "workload": ("workloads/idle.py", "workloads/integer.py"),
    "guard": ("read -r group",),
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
    #: Probes that the fault takes away for good.
    gone: set[str] = field(default_factory=set)
    #: The workload of the plan.
    load: str = "idle"
    #: What stands before the command, and what is added to a resume.
    wrapped: list[str] = field(default_factory=list)
    trusted: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)  # noqa: S311
        self.simulated = self.random.random() < 0.5
        self.folder = self.place / "disk" / "campaign"
        for name in ("disk", "tmp", "home", "here"):
            (self.place / name).mkdir()
        self.out = self.place / "out.txt"
        self.environment = {
            **os.environ,
            MARK: str(self.place),
            "TMPDIR": str(self.place / "tmp"),
            "CROSSWATT_HOME": str(self.place / "home"),
        }

    def command(self) -> list[str]:
        """Return the command that starts the campaign, or goes on with it."""
        run = [*self.wrapped, sys.executable, "-P", "-m", "calibrate", "run"]
        if (self.folder / "campaign.json").exists():
            return [*run, "--resume", str(self.folder), *self.trusted]
        probes = ["rapl"] if self.simulated else ["one=synthetic", "two=synthetic"]
        probes += [THIRD] if (self.place / "home" / "environments" / THIRD).exists() else []
        (self.place / "plan.toml").write_text(PLAN.replace("LOAD", self.load))
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
                cwd=self.place / "here",
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
        for record in self.folder.glob(f"[0-9][0-9][0-9]-{self.load}/run.json"):
            with contextlib.suppress(FileNotFoundError):  # the campaign goes on meanwhile
                run = record.parent
                found[run.name] = {path.name: path.read_bytes() for path in run.iterdir()}
        return found

    @property
    def runs(self) -> list[Path]:
        """The folders of all runs that were begun and not set aside."""
        return sorted(self.folder.glob(f"[0-9][0-9][0-9]-{self.load}"))

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
    run = trial.folder / f"{trial.random.choice((1, 2)):03d}-{trial.load}"
    until = time.monotonic() + PATIENCE_S
    while not run.exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(trial.random.uniform(0, 1.2))


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


def refused(trial: Trial, why: str) -> None:
    """See that a resume is refused with a sentence, and nothing else happens."""
    before = trial.finished()
    code = wait(trial.start(), trial)
    if code != 64 or why not in trial.out.read_text(errors="replace"):
        trial.say(f"--resume ended with exit code {code}, and is to be refused")
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
        lost -= trial.gone
        if lost or state["exit_code"]:
            trial.say(f"a run without {lost or 'its workload'} counts as finished")
    if left := [path.name for path in (trial.place / "tmp").iterdir()]:
        trial.say(f"temporary files stay: {', '.join(left)}")
    if str(trial.place / "tmp") in Path("/proc/self/mountinfo").read_text():
        trial.say("a mount stays")
    if str(trial.place) in Path("/proc/net/unix").read_text():
        trial.say("a socket stays")
    if half := [str(path.relative_to(trial.place)) for path in hidden(trial)]:
        trial.say(f"half-made files stay: {', '.join(half)}")
    if is_locked(trial.folder):
        trial.say("a lock stays")


def hidden(trial: Trial) -> Iterator[Path]:
    """Yield what a command had begun to write beside what it was to become."""
    for name in ("disk", "home", "here"):
        yield from (trial.place / name).rglob(".*")


def is_locked(folder: Path) -> bool:
    """Tell whether somebody measures into a folder."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


def unchanged(trial: Trial, before: dict[str, dict[str, bytes]]) -> None:
    """See that no finished run was changed, but those that the fault damaged or that were lost."""
    after = trial.finished()
    for run, files in before.items():
        if run not in trial.damaged and after.get(run) != files:
            trial.say(f"the finished run {run} changed")
    aside = [*trial.folder.glob("*.stray-*"), *trial.folder.glob("*.damaged-*")]
    said = trial.out.read_text(errors="replace")
    if untold := [
        run.name for run in aside if f"{run.name[:3].lstrip('0')}/2] {trial.load} is" not in said
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
