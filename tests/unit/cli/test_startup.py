"""Help and the list of probes start fast: what they must not import.

Seconds are measured by tests/benchmarks/startup.py; here it is what costs them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.commands import PATHS

#: What takes a tenth of a second or more to import, and what none of these needs.
HEAVY = {
    "jinja2", "numpy", "pandas", "pydantic", "rich.live", "rich.progress", "scipy",
    "statsmodels",
}  # fmt: skip
SCRIPT = """
import sys
from calibrate.cli import main
try:
    code = main(sys.argv[1:])
finally:
    print("imported", *sys.modules, file=sys.stderr)
sys.exit(code)
"""


def imported(home: Path, *arguments: str, **environment: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments],
        env={**os.environ, "CROSSWATT_HOME": str(home), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, *modules = done.stderr.splitlines()[-1].split()
    assert first == "imported"
    return set(modules)


def environment(home: Path) -> None:
    place = home / "environments" / "codecarbon-1.2.0"
    place.mkdir(parents=True)
    (place / "probe.json").write_text(
        '{"name": "codecarbon-1.2.0", "adapter": "codecarbon", "requirement": "", "repairs": []}'
    )


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["-h"]])
def test_the_listing_of_commands_imports_none(arguments: list[str], tmp_path: Path) -> None:
    modules = imported(tmp_path, *arguments)
    assert modules & (HEAVY | {"rich"}) == set()
    assert {m for m in modules if m.startswith("calibrate.")} <= {
        "calibrate._version", "calibrate.catalog", "calibrate.cli", "calibrate.cli.app",
        "calibrate.cli.commands", "calibrate.cli.complete", "calibrate.cli.help",
        "calibrate.cli.memory", "calibrate.cli.options", "calibrate.errors",
    }  # fmt: skip


def test_listing_probes_imports_nothing_heavy(tmp_path: Path) -> None:
    environment(tmp_path)
    assert imported(tmp_path, "probes") & HEAVY == set()


#: The help of `import` lists the formats, for which it asks the importers.
LIGHT = [path for path in PATHS if path and path != ("import",)]


@pytest.mark.parametrize("path", LIGHT, ids=" ".join)
def test_the_help_of_a_command_imports_nothing_heavy(path: tuple[str, ...], tmp_path: Path) -> None:
    assert imported(tmp_path, *path, "--help") & HEAVY == set()
