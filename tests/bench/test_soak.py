"""Random machines, faults and ends: the bench always ends, and leaves nothing behind.

CROSSWATT_SOAK=1000 tries that many combinations; a few of them belong to every run of the tests.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from calibrate.bench import KINDS, load, names
from calibrate.bench.faults import check, parse
from calibrate.errors import CrosswattError

pytestmark = pytest.mark.usefixtures("bench_ready")

TRIALS = int(os.environ.get("CROSSWATT_SOAK", "15"))
WITHIN_S = 90.0
#: Reads everything there is, again and again, each time by a process that is given up after a
#: while: a file may never be done. Two marks in the command line tell it from any other.
READER = """
end=$(($(date +%s) + 1))
while [ $(date +%s) -le $end ]; do
  timeout -s KILL 0.3 sh -c 'cat /sys/class/powercap/*/energy_uj /sys/class/hwmon/*/* \
    $CROSSWATT_BENCH/nvml/*/now' >/dev/null 2>&1
  timeout -s KILL 0.3 od -j 1553 -N 8 /dev/cpu/0/msr >/dev/null 2>&1
done; : MARK
"""


def combination(seed: int) -> tuple[list[str], int | None]:
    """Return the options of a bench, and the signal that ends it, if one does."""
    chance = random.Random(seed)  # noqa: S311
    model = chance.choice(names())
    options, wanted = [f"--model={model}"], []
    for _ in range(chance.randint(0, 3)):
        name = chance.choice(sorted(KINDS))
        text = name
        usual = KINDS[name].value
        if usual is not None and chance.random() < 0.5:
            text += f"={usual * chance.uniform(0.3, 1.2):g}"
        if KINDS[name].lasts and chance.random() < 0.7:
            text += f",at_s={chance.uniform(0, 2):.2f}"
        if chance.random() < 0.3:
            text += f",scope={chance.choice(load(model).scopes())}"
        with contextlib.suppress(CrosswattError):
            check([parse(text)], load(model).scopes())
            wanted.append(f"--fault={text}")
    if chance.random() < 0.3:
        options.append("--load=0.7x0.3,0.1x0.2")
    return options + wanted, chance.choice([None, signal.SIGTERM, signal.SIGKILL])


def victim(seed: int, host: int, mark: str) -> int:
    """Choose whom the signal strikes: host, keeper, server, or something that the command runs."""
    chance = random.Random(seed)  # noqa: S311
    time.sleep(chance.uniform(0.1, 2.5))
    marked = alive(mark)
    keeper = [each for each in marked if parent_of(each) == host]
    server = [each for each in servers() if parent_of(each) in keeper]
    others = sorted(set(marked) - {host, *keeper})
    return chance.choice([host, *keeper, *server, *others[:1]])


def attempt(seed: int, folder: Path) -> str:
    """Do one combination; return what is wrong, or nothing."""
    options, number = combination(seed)
    scratch = folder / str(seed)
    scratch.mkdir()
    mark = f"soak-{os.getpid()}-{seed}"
    command = [*RUN, *options, "--", "sh", "-c", READER.replace("MARK", mark)]
    host = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, "TMPDIR": str(scratch)},
    )
    try:
        if number is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim(seed, host.pid, mark), number)
        _, said = host.communicate(timeout=WITHIN_S)
    except subprocess.TimeoutExpired:
        return f"{seed} {options} {number}: did not end"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(host.pid, signal.SIGKILL)
    if b"Traceback" in said:
        return f"{seed} {options} {number}: {said.decode()[-300:]}"
    until_s = time.monotonic() + 30
    while left := alive(mark):
        if time.monotonic() > until_s:
            return f"{seed} {options} {number}: left {left} behind"
        time.sleep(0.05)
    files = [path.name for path in scratch.iterdir()]
    return f"{seed} {options} {number}: left files {files}" if files else ""


RUN = [sys.executable, "-m", "calibrate.bench", "exec"]


def alive(mark: str) -> list[int]:
    """Return the processes with a mark in their command line."""
    found = []
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if process.name.isdecimal() and mark.encode() in (process / "cmdline").read_bytes():
                found.append(int(process.name))
    return found


def servers(parent: int | None = None) -> list[int]:
    """Return the file servers of benches; those of one parent only, if asked."""
    found = alive("calibrate.bench.server")
    return found if parent is None else [each for each in found if parent_of(each) == parent]


def parent_of(pid: int) -> int:
    """Return the parent of a process; 0 when it has ended."""
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


@pytest.mark.timeout(60 + 3 * TRIALS)
def test_whatever_happens_nothing_is_left(tmp_path: Path) -> None:
    before = Path("/proc/self/mountinfo").read_text()
    with ThreadPoolExecutor(2) as pool:
        found = pool.map(lambda seed: attempt(seed, tmp_path), range(TRIALS))
        troubles = [each for each in found if each]
    assert not troubles
    until_s = time.monotonic() + 30
    while servers(parent=1):  # those of other tests may just be ending
        assert time.monotonic() < until_s
        time.sleep(0.1)
    assert Path("/proc/self/mountinfo").read_text() == before
