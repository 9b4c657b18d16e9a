"""The bench's file system is loaded without a compiler, and without a trace in the environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import os
before = dict(os.environ)
from calibrate.bench.fuse import load_mfusepy
try:
    load_mfusepy().FUSE
except (ModuleNotFoundError, OSError, AttributeError):
    print("none here")
assert dict(os.environ) == before
"""


def test_no_program_is_run_to_find_the_library(tmp_path: Path) -> None:
    """A program named cc, gcc or ld tells on itself."""
    for name in ("cc", "gcc", "ld", "ldconfig"):
        (tmp_path / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    told = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    assert "none here" in told.stdout or not (tmp_path / "ran").exists()
