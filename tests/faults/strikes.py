"""What may happen to a campaign while it runs; each strikes one trial."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from calibrate.bench.library import build

if TYPE_CHECKING:
    from tests.faults.trial import (
        PATIENCE_S,
        PROCESSES,
        THIRD,
        Trial,
        go_on,
        judge,
        moment,
        refused,
        wait,
    )  # fmt: skip
else:
    from faults.trial import (
        PATIENCE_S,
        PROCESSES,
        THIRD,
        Trial,
        go_on,
        judge,
        moment,
        refused,
        wait,
    )  # fmt: skip

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


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
    trial.damaged.add(path.parent.name)
    trial.fault += f" {spoil(trial, path)}"


def spoil(trial: Trial, path: Path) -> str:
    """Damage a file, and return how."""
    how = trial.random.choice(("emptied", "cut", "removed", "garbled", "zeroed"))
    data = path.read_bytes()
    if how == "removed":
        path.unlink()
    elif how == "emptied":
        path.write_bytes(b"")
    elif how == "zeroed":
        path.write_bytes(bytes(len(data)))
    elif how == "cut":
        path.write_bytes(data[: trial.random.randrange(max(len(data), 1))])
    else:
        at = trial.random.randrange(len(data) + 1)
        path.write_bytes(data[:at] + b'\x00{"' + data[at + 3 :])
    return how


def folder_vanishes(trial: Trial, process: subprocess.Popen[bytes]) -> None:
    """Move the campaign's folder, or the folder of a run, away for good."""
    target = trial.random.choice([trial.folder, *(runs := trial.runs)[-1:]])
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


STRUCK: tuple[tuple[Callable[[Trial, subprocess.Popen[bytes]], None], int], ...] = (
    (send_signal, 8),
    (limit, 2),
    (second_runner, 1),
    (damage, 3),
    (folder_vanishes, 1),
    (temporary_folder_vanishes, 1),
)


def struck(trial: Trial) -> None:
    """Strike a running campaign with one of these faults."""
    strike = trial.random.choices(*zip(*STRUCK, strict=True))[0]
    process = trial.start()
    moment(trial, process)
    before = trial.finished()
    strike(trial, process)
    judge(trial, wait(process, trial), before)
    go_on(trial, before)


def child(trial: Trial) -> None:
    """Strike a process that the workload has started."""
    trial.load = "integer"
    number = trial.random.choice((signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP))
    trial.fault = f"{number.name} to a workload's child"
    process = trial.start()
    moment(trial, process)
    before = trial.finished()
    until = time.monotonic() + PATIENCE_S
    while not (found := children(trial)) and process.poll() is None and time.monotonic() < until:
        time.sleep(0.005)
    if not found:
        trial.fault += " (none there any more)"
    else:
        victim = trial.random.choice(found)
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, number)
            if number == signal.SIGSTOP:
                time.sleep(trial.random.uniform(0.2, 2))
                os.kill(victim, trial.random.choice((signal.SIGCONT, signal.SIGKILL)))
    judge(trial, wait(process, trial), before)
    go_on(trial, before)


def children(trial: Trial) -> list[int]:
    """Return the processes that workloads have started."""
    workloads = trial.processes(PROCESSES["workload"])
    found = []
    for each in workloads:
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{each}/task/{each}/children").read_text()
            found += [int(word) for word in text.split()]
    return [each for each in found if each in workloads]


def clock_step(trial: Trial) -> None:
    """Set the wall clock of a campaign ahead or back while it runs; nothing may come of it."""
    step_s = trial.random.choice((1, 3600, 86_400, 10 * 365 * 86_400))
    step_s *= trial.random.choice((1, -1))
    trial.fault = f"clock steps {'ahead' if step_s > 0 else 'back'}"
    library = build("clock", "libcrosswatt-clock.so")
    at_ns = time.monotonic_ns() + round(trial.random.uniform(0, 8) * 1e9)
    stepping = {"LD_PRELOAD": str(library), "CROSSWATT_CLOCK": f"{at_ns} {step_s * 10**9}"}
    trial.environment |= stepping
    code = wait(trial.start(), trial)
    judge(trial, code, {})
    before = trial.finished()
    if len(before) != 2:
        trial.say(f"{len(before)} of 2 runs beside a clock that was set")
    for name in stepping:
        del trial.environment[name]
    go_on(trial, before)


def another_boot(trial: Trial) -> None:
    """Kill a campaign, and go on with it after what looks like another start of the machine."""
    trial.fault = "killed, and another boot"
    trial.runner_struck = True
    process = trial.start()
    moment(trial, process)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    code = wait(process, trial)
    before = trial.finished()
    judge(trial, code, before)
    offset_s = trial.random.choice((-round(time.monotonic()) + 100, 86_400, 10**8))
    clocks = ("--monotonic", str(offset_s), "--boottime", str(offset_s))
    trial.wrapped = ["unshare", "-T", *clocks]
    go_on(trial, before)


def interpreter_vanishes(trial: Trial) -> None:
    """Remove the interpreter of a probe that has its own; it may come back."""
    trial.fault = "interpreter vanishes"
    trial.simulated = False
    home = trial.place / "home" / "environments" / THIRD
    python = home / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    (home / "probe.json").write_text(json.dumps({"name": THIRD, "adapter": "synthetic"}))
    process = trial.start()
    moment(trial, process)
    before = trial.finished()
    trial.gone.add(THIRD)
    python.unlink()
    if trial.random.random() < 0.5:
        trial.fault += ", and its process"
        for each in trial.processes((str(python),)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
    judge(trial, wait(process, trial), before)
    if trial.random.random() < 0.5:
        python.symlink_to(sys.executable)
    go_on(trial, before)


def record_damaged(trial: Trial) -> None:
    """Damage what a campaign is gone on with by, while it runs; then put it back."""
    name, why = trial.random.choice((("campaign.json", ""), ("started.hmac", "--trust")))
    process = trial.start()
    moment(trial, process)
    path, kept = trial.folder / name, trial.place / "kept"
    before = trial.finished()
    if not path.exists():
        trial.fault = f"{name} damaged (not there yet)"
    else:
        shutil.copy2(path, kept)
        trial.fault = f"{name} {spoil(trial, path)}"
    judge(trial, wait(process, trial), before)
    before = trial.finished()
    if kept.exists():
        refused(trial, why)
        if name == "campaign.json" or trial.random.random() < 0.5:
            shutil.copy2(kept, path)
        else:
            trial.trusted = ["--trust"]
    go_on(trial, before)


def surroundings_vanish(trial: Trial) -> None:
    """Remove the current folder of a campaign, or the folder of what belongs to its user."""
    name = trial.random.choice(("here", "home"))
    trial.fault = {"here": "current folder vanishes", "home": "user's folder vanishes"}[name]
    process = trial.start()
    moment(trial, process)
    before = trial.finished()
    (trial.place / name).rename(trial.place / "away")
    if name == "here":
        (trial.place / "away").rmdir()
    judge(trial, wait(process, trial), before)
    (trial.place / "here").mkdir(exist_ok=True)
    before = trial.finished()
    if name == "home" and (trial.folder / "campaign.json").exists():
        if (trial.place / "away" / "key").exists():
            refused(trial, "--trust")
        trial.trusted = ["--trust"]
    go_on(trial, before)


def two_resumes(trial: Trial) -> None:
    """Kill a campaign, and go on with it twice at the same time."""
    trial.fault = "killed, and two resumes"
    trial.runner_struck = True
    process = trial.start()
    moment(trial, process)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = trial.finished()
    judge(trial, None, before)
    if (trial.folder / "campaign.json").exists():
        both = [trial.start(), trial.start()]
        for code in [wait(each, trial) for each in both]:
            judge(trial, code, before)
    else:
        trial.fault += " (nothing there)"
    go_on(trial, before)


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
            trial.command(), env=trial.environment, cwd=trial.place / "here",
            stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        said = process.communicate(timeout=PATIENCE_S)[1]
        trial.out.write_bytes(said)
    judge(trial, process.returncode, {})
    go_on(trial, {})


#: How often each comes, and whether only root can do it.
KINDS: tuple[tuple[Callable[[Trial], None], int, bool], ...] = (
    (struck, 14, False),
    (child, 3, False),
    (clock_step, 2, False),
    (another_boot, 1, True),
    (interpreter_vanishes, 2, False),
    (record_damaged, 2, False),
    (surroundings_vanish, 1, False),
    (two_resumes, 1, False),
    (full_output, 1, False),
    (full_disk, 2, True),
)
