"""What CI installs and runs is locked; its checks of that can fail."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
CI = ROOT / ".ci"
LOCKS = {"requirements": CI / "requirements.txt", "tools": CI / "tools.txt"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PYTHONS = ("3.11", "3.12", "3.13")


def entries(lock: Path) -> Iterator[tuple[Requirement, list[str]]]:
    """Yield each requirement of a lock with its hashes."""
    text = re.sub(r"^\s*#.*\n", "", lock.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    for line in filter(None, map(str.strip, text.splitlines())):
        requirement, *hashes = line.split(" --hash=")
        yield Requirement(requirement), [each.strip() for each in hashes]


def wanted(extras: set[str]) -> Iterator[Requirement]:
    """Yield what the project requires, with its extras, which name each other."""
    requirements = [*PROJECT["dependencies"]]
    for extra in extras:
        requirements += PROJECT["optional-dependencies"][extra]
    for requirement in map(Requirement, requirements):
        if requirement.name == PROJECT["name"]:
            yield from wanted(set(requirement.extras))
        else:
            yield requirement


def locked(lock: Path, python: str) -> dict[str, str]:
    """Return the locked versions on Linux with a version of Python, by name."""
    where = {
        "python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux",
        "os_name": "posix", "platform_python_implementation": "CPython",
        "implementation_name": "cpython", "extra": "",
    }  # fmt: skip
    return {
        canonicalize_name(each.name): next(iter(each.specifier)).version
        for each, _ in entries(lock)
        if each.marker is None or each.marker.evaluate(where)
    }


def missed(requirements: Iterator[Requirement], versions: dict[str, str]) -> list[str]:
    """Return the requirements that locked versions do not satisfy."""
    return [
        str(each)
        for each in requirements
        if not each.specifier.contains(versions.get(canonicalize_name(each.name), "0"), True)
    ]


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_satisfies_pyproject(python: str) -> None:
    versions = locked(LOCKS["requirements"], python)
    assert not missed(wanted({"dev", "powerapi"}), versions)


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_of_tools_has_what_tools_in_names(python: str) -> None:
    lines = (line for line in (CI / "tools.in").read_text().splitlines() if line[0] != "#")
    assert not missed(map(Requirement, lines), locked(LOCKS["tools"], python))


def test_a_release_below_the_bound_or_none_at_all_is_seen() -> None:
    requirements = ["numpy>=2.0", "scipy>=1.15", "rich>=13.7"]
    found = missed(map(Requirement, requirements), {"numpy": "1.26.4", "scipy": "1.15.0"})
    assert found == ["numpy>=2.0", "rich>=13.7"]


@pytest.mark.parametrize("lock", LOCKS.values(), ids=list(LOCKS))
def test_every_requirement_is_one_version_with_hashes_and_no_address(lock: Path) -> None:
    for requirement, hashes in entries(lock):
        assert [each.operator for each in requirement.specifier] == ["=="], requirement
        assert requirement.url is None, requirement
        assert hashes, requirement
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in hashes), requirement
    assert "://" not in lock.read_text()
    assert "torch" not in locked(lock, "3.11")


def test_actions_are_pinned_to_commits_with_their_version_beside() -> None:
    uses = [
        line.split("uses:")[1].strip()
        for file in (ROOT / ".github" / "workflows").glob("*.yml")
        for line in file.read_text().splitlines()
        if "uses:" in line
    ]
    assert uses
    assert not [each for each in uses if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v[\d.]+", each)]


def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(CI / script), *map(str, arguments)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def pip_audit(place: Path, code: str) -> Path:
    """Return a program that behaves as pip-audit would; `out` is the file that it has to write."""
    program = place / "pip-audit"
    opened = "out = open(sys.argv[sys.argv.index('-o') + 1], 'w')\n" if "out" in code else ""
    program.write_text(f"#!{sys.executable}\nimport json, sys\n{opened}{code}")
    program.chmod(0o755)
    return program


def answer(**more: Any) -> str:
    dependencies = [{"name": "jinja2", "version": "3.1.0", "vulns": [], **more}]
    return f"json.dump({{'dependencies': {dependencies!r}}}, out)\n"


@pytest.mark.parametrize(
    ("code", "exit_code", "text"),
    [
        (answer(), 0, "1 audited, 0 known"),
        (
            answer(vulns=[{"id": "PYSEC-1", "fix_versions": ["3.1.6"]}]) + "sys.exit(1)",
            1,
            "jinja2 3.1.0: PYSEC-1, fixed in 3.1.6",
        ),
        (answer(skip_reason="not found"), 0, "not audited: no network"),
        (
            "sys.exit('requests.exceptions.ConnectionError: Name or service not known')",
            0,
            "not audited: no network",
        ),
        ("sys.exit('ERROR: requirement rich==1 does not contain a hash')", 1, "pip-audit failed"),
    ],
)
def test_an_advisory_fails_the_audit_and_a_missing_network_does_not(
    tmp_path: Path, code: str, exit_code: int, text: str
) -> None:
    done = run("audit.py", pip_audit(tmp_path, code), LOCKS["tools"])
    assert text in done.stdout + done.stderr
    assert done.returncode == exit_code


def sbom(place: Path, **changes: Any) -> Path:
    names = [re.split(r"[^\w-]", each)[0] for each in PROJECT["dependencies"]]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "metadata": {"component": {"name": "crosswatt"}},
        "components": [{"name": n, "version": "1", "purl": f"pkg:pypi/{n}@1"} for n in names],
    }
    path = place / "sbom.json"
    path.write_text(json.dumps(document | changes))
    return path


@pytest.mark.parametrize(
    ("changes", "exit_code", "text"),
    [
        ({}, 0, "CycloneDX 1.6"),
        ({"components": []}, 1, "numpy is missing"),
        ({"bomFormat": "SPDX"}, 1, "it is not CycloneDX"),
        ({"metadata": {}}, 1, "it is of None, not of crosswatt"),
    ],
)
def test_a_bill_of_materials_that_lacks_a_library_is_refused(
    tmp_path: Path, changes: dict[str, Any], exit_code: int, text: str
) -> None:
    done = run("check_sbom.py", sbom(tmp_path, **changes), ROOT / "pyproject.toml")
    assert text in done.stdout
    assert done.returncode == exit_code
