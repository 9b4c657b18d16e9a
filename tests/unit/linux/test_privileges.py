"""What is granted on a machine, on trees of files that look like one."""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from calibrate import catalog
from calibrate.linux.privileges import RULES, Grant, Surroundings, grants

ROOT = Path(__file__).parents[3]
USER = 1000
GROUP = 54321


@pytest.fixture
def around(tmp_path: Path) -> Iterator[Surroundings]:
    """Return a machine on which nothing is too much, seen by an ordinary user."""
    before = os.umask(0o022)
    zone = tmp_path / "sys/class/powercap/intel-rapl:0"
    write(zone / "energy_uj", "1", 0o400)
    write(tmp_path / "dev/cpu/0/msr", "", 0o600)
    write(tmp_path / "proc/sys/kernel/perf_event_paranoid", "2\n")
    write(tmp_path / "proc/self/status", "Name:\tpython\nCapEff:\t0000000000000000\n")
    write(tmp_path / "python", "", 0o755)
    write(tmp_path / "home/key", "k", 0o600)
    write(tmp_path / "home/environments/codecarbon-1.2.0/probe.json", "{}")
    write(tmp_path / "home/secrets/wall", "s", 0o600)
    write(tmp_path / "code/meter.py", "")
    yield Surroundings(
        home=tmp_path / "home",
        code=(tmp_path / "code",),
        root=tmp_path,
        interpreter=tmp_path / "python",
        user=os.geteuid() or USER,
        file_capabilities=lambda path: b"",
    )
    os.umask(before)


def write(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def excess(around: Surroundings) -> list[Grant]:
    return [each for each in grants(around) if each.level == "excess"]


def levels(around: Surroundings) -> dict[str, str]:
    return {each.check: each.level for each in grants(around)}


def test_nothing_is_too_much_on_a_machine_as_distributions_have_it(around: Surroundings) -> None:
    assert levels(around) == {
        "counters": "granted", "registers": "granted", "perf": "none", "root": "none",
        "capabilities": "none", "interpreter": "none", "home": "none", "code": "none",
        "secrets": "granted",
    }  # fmt: skip


#: What is done to the machine, the check that sees it, and a word of what it says to do.
TOO_MUCH: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "counters for all": (
        lambda root: (root / "sys/class/powercap/intel-rapl:0/energy_uj").chmod(0o444),
        "counters", "chmod o-r",
    ),
    "registers for all": (
        lambda root: (root / "dev/cpu/0/msr").chmod(0o666), "registers", "chmod 600",
    ),
    "perf for all": (
        lambda root: write(root / "proc/sys/kernel/perf_event_paranoid", "-1"), "perf", "sysctl",
    ),
    "capabilities": (
        lambda root: write(root / "proc/self/status", "CapEff:\t0000004000200000\n"),
        "capabilities", "start it without CAP_SYS_ADMIN",
    ),
    "set-user-ID": (lambda root: (root / "python").chmod(0o4755), "interpreter", "chmod ug-s"),
    "a key that others read": (lambda root: (root / "home/key").chmod(0o640), "home", "--trust"),
    "an environment that others write": (
        lambda root: (root / "home/environments/codecarbon-1.2.0").chmod(0o777), "home", "chmod",
    ),
    "an adapter that others write": (
        lambda root: (root / "code/meter.py").chmod(0o666), "code", "chmod go-w",
    ),
    "a folder of adapters that others write": (
        lambda root: (root / "code").chmod(0o777), "code", "chmod go-w",
    ),
    "a secret that others read": (
        lambda root: (root / "home/secrets/wall").chmod(0o644), "secrets", "chmod 600",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TOO_MUCH)
def test_what_is_too_much_is_seen_with_what_to_do(around: Surroundings, name: str) -> None:
    change, check, fix = TOO_MUCH[name]
    change(around.root)
    found = excess(around)
    assert {each.check for each in found} == {check}
    assert all(fix in each.fix for each in found)


def test_counters_for_all_name_the_attack(around: Surroundings) -> None:
    (around.root / "sys/class/powercap/intel-rapl:0/energy_uj").chmod(0o444)
    assert "CVE-2020-8694" in excess(around)[0].what


def test_counters_for_a_group_are_not_too_much(around: Surroundings) -> None:
    counter = around.root / "sys/class/powercap/intel-rapl:0/energy_uj"
    counter.chmod(0o440)
    if os.geteuid() == 0:
        os.chown(counter, 0, GROUP)
    [found] = [each for each in grants(around) if each.check == "counters"]
    assert (found.level, found.fix) == ("granted", "")
    assert found.what.startswith("group ")


def test_capabilities_of_the_interpreter_are_named(around: Surroundings) -> None:
    attribute = struct.pack("<5I", 0x02000001, 1 << 17, 0, 1 << (38 - 32), 0)
    [found] = excess(replace(around, file_capabilities=lambda path: attribute))
    assert "CAP_PERFMON, CAP_SYS_RAWIO" in found.what
    assert "setcap -r" in found.fix


def test_cap_perfmon_alone_is_not_too_much(around: Surroundings) -> None:
    write(around.root / "proc/self/status", "CapEff:\t0000004000000000\n")
    assert levels(around)["capabilities"] == "granted"


def test_root_is_too_much_where_a_group_may_read(around: Surroundings) -> None:
    as_root = replace(around, user=0)
    assert levels(as_root)["root"] == "granted"
    (around.root / "sys/class/powercap/intel-rapl:0/energy_uj").chmod(0o444)
    assert levels(as_root)["root"] == "excess"


def test_code_that_belongs_to_somebody_else_is_too_much(around: Surroundings) -> None:
    if os.geteuid():
        pytest.skip("only root can give a file away")
    os.chown(around.root / "code/meter.py", 4321, 0)
    [found] = excess(around)
    assert "belongs to user 4321" in found.what


def test_a_machine_without_any_of_it_has_nothing_to_say(tmp_path: Path) -> None:
    bare = Surroundings(home=tmp_path / "none", root=tmp_path, interpreter=tmp_path / "no", user=7)
    assert excess(bare) == []


def test_a_secret_that_is_named_and_missing_is_said(around: Surroundings) -> None:
    found = grants(replace(around, secrets=(around.root / "gone",)))
    assert found[-1].what == "there is no such file"


def test_the_page_has_a_row_for_every_probe() -> None:
    rows = re.findall(r"^\| (`.*?) \|", (ROOT / "docs/privileges.md").read_text(), re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    assert catalog.files("adapters").keys() <= named


def test_advice_names_a_group_before_all_users_and_the_attack() -> None:
    """Wherever it is said how to open the counters, in programs and pages."""
    files = [*ROOT.glob("calibrate/**/*.py"), *ROOT.glob("adapters/*.py"), *ROOT.glob("docs/*.md")]
    for file in [*files, ROOT / "README.md"]:
        text = file.read_text()
        for broad in re.finditer(r"chmod (-R )?a\+r /sys|perf_event_paranoid=(0|-1)", text):
            assert "CVE-2020-8694" in text, file
            assert re.search("energy|perfmon", text[: broad.start()]), file


def test_the_unit_is_valid(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not here")
    unit = (RULES / "crosswatt@.service").read_text()
    path = tmp_path / "crosswatt@quick.service"
    path.write_text(unit.replace("/opt/crosswatt/bin/crosswatt", shutil.which("true") or ""))
    done = subprocess.run(
        ["systemd-analyze", "verify", path], capture_output=True, text=True, check=False
    )
    complaints = [line for line in done.stderr.splitlines() if path.name in line]
    assert complaints == []


def test_the_unit_has_no_privilege_but_the_group() -> None:
    lines = (RULES / "crosswatt@.service").read_text().splitlines()
    wanted = (
        "User=crosswatt", "SupplementaryGroups=energy", "CapabilityBoundingSet=",
        "AmbientCapabilities=", "NoNewPrivileges=yes", "ProtectSystem=strict",
    )  # fmt: skip
    assert set(wanted) <= set(lines)
