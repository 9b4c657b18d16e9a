"""What the kernel tells: lists of CPUs, the processor, processes and their threads."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from calibrate.linux.cpus import (
    Processor,
    cpu_fields,
    cpu_name,
    numbers,
    online,
    package,
    processor,
    virtual,
)
from calibrate.linux.processes import descendants, runs_module, threads
from tests.helpers.processes import lives


@pytest.mark.parametrize(
    ("text", "cpus"), [("0", [0]), ("0-3", [0, 1, 2, 3]), ("0,28-29", [0, 28, 29]), ("", [])]
)
def test_a_list_of_cpus(text: str, cpus: list[int]) -> None:
    assert numbers(text) == cpus


def test_the_package_of_a_cpu(tmp_path: Path) -> None:
    for cpu, number in {0: "0", 1: "1", 2: "-1"}.items():
        folder = tmp_path / f"cpu{cpu}" / "topology"
        folder.mkdir(parents=True)
        (folder / "physical_package_id").write_text(f"{number}\n")
    (tmp_path / "online").write_text("0-2\n")
    # A virtual machine may say -1, which means that it does not know.
    assert [package(cpu, tmp_path) for cpu in online(tmp_path)] == [0, 1, 0]


def test_the_processor(tmp_path: Path) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text("vendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 17\n\nvendor_id: x\n")
    assert processor(file) == Processor("AuthenticAMD", 25, 17)
    file.write_text("CPU implementer\t: 0x41\n")
    assert processor(file) == Processor("", 0, 0)


def test_two_kinds_of_arm64_are_two_processors(tmp_path: Path) -> None:
    file = tmp_path / "cpuinfo"
    arm64 = "processor\t: 0\nBogoMIPS\t: 2000.00\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\n"
    names = []
    for part in ("0xd4f", "0xd0c"):
        file.write_text(f"{arm64}CPU variant\t: 0x0\nCPU part\t: {part}\n\n")
        names.append(cpu_name(cpu_fields(file)))
        assert virtual(cpu_fields(file)) == "unknown"  # its kernel does not say
    assert names[0] == "arm64, implementer 0x41, part 0xd4f, variant 0x0"
    assert len(set(names)) == 2
    file.write_text("model name\t: A CPU\nflags\t: fpu hypervisor sse\n")
    assert (cpu_name(cpu_fields(file)), virtual(cpu_fields(file))) == ("A CPU", "yes")
    file.write_text("")
    assert (cpu_name(cpu_fields(file)), virtual(cpu_fields(file))) == ("unknown", "unknown")


def test_a_process_and_what_it_has_started() -> None:
    code = "import subprocess; subprocess.run(['sleep', '30'])"
    with subprocess.Popen([sys.executable, "-c", code], start_new_session=True) as parent:
        try:
            while not (children := descendants(parent.pid)):
                assert parent.poll() is None
            assert children[0] != parent.pid
            assert children[0] in descendants(os.getpid())
        finally:
            os.killpg(parent.pid, 9)
    assert descendants(parent.pid) == []


def test_threads_of_a_process() -> None:
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        assert thread.native_id in threads(os.getpid())
    finally:
        done.set()
        thread.join()
    assert threads(2**22 + 1) == set()  # no process has a number as high as that


CHILD = (
    "import os, time; from calibrate.linux.processes import die_with_parent;"
    "die_with_parent(os.getppid()); print(os.getpid(), flush=True); time.sleep(60)"
)
PARENT = (
    "import subprocess, sys;"
    "child = subprocess.Popen([sys.executable, '-c', sys.argv[1]], stdout=subprocess.PIPE);"
    "print(child.stdout.readline().decode())"
)


def test_a_process_ends_with_its_parent() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PARENT, CHILD], capture_output=True, text=True, check=True
    )
    until = time.monotonic() + 30  # far less than the child would sleep
    while lives(int(done.stdout)):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_what_measures_is_no_part_of_what_it_measures() -> None:
    """A recorder that the measured process has started; another module is a part of it."""
    idle = "import sys; sys.stdin.read()"
    lines = ([sys.executable, "-c", idle], [sys.executable, "-i", "-m", "this"])
    there = [
        subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL)
        for line in lines
    ]  # fmt: skip
    try:
        plain, module = (process.pid for process in there)
        while not runs_module(module, "this"):  # it is still a copy of this process
            assert there[1].poll() is None
        assert {plain, module} <= {*descendants(os.getpid())}
        assert plain in descendants(os.getpid(), without="this")
        assert module not in descendants(os.getpid(), without="this")
        assert not runs_module(plain, "this")
    finally:
        for process in there:
            process.communicate()
