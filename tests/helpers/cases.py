"""Published cases that the statistics are tried on; they are not part of the project."""

import csv
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Array = np.ndarray[Any, np.dtype[np.float64]]


def _data() -> Path:
    """Return the folder of published measurements."""
    beside = Path(__file__).resolve().parents[2].parent / "shared" / "data"
    return Path(os.environ.get("CROSSWATT_REFERENCE_DATA") or beside)


def case(name: str) -> tuple[list[dict[str, str]], dict[str, Any]]:
    """Return the rows (none where the case has no data) and the expected values, or skip."""
    root = _data()
    found = root / "stats-reference" / f"{name}.json"
    if not found.is_file():
        pytest.skip(f"no reference case {name} under {root}; set CROSSWATT_REFERENCE_DATA")
    content = json.loads(found.read_text())
    rows: list[dict[str, str]] = []
    if content["data"]:
        with found.with_name(content["data"]).open() as file:
            rows = list(csv.DictReader(file))
    return rows, content["expected"]


def columns(rows: list[dict[str, str]], *names: str) -> Array:
    """Return these columns as numbers, shape (names, rows)."""
    return np.array([[float(row[name]) for row in rows] for name in names])


def shared_case(name: str) -> Path:
    """Return a file or folder of the cases that stand beside the repository, or skip."""
    found = Path(__file__).resolve().parents[2].parent / "shared" / "cases" / name
    if not found.exists():
        pytest.skip(f"the case {name} is not here")
    return found


def shared_data(name: str) -> Path:
    """Return a file or folder of the measurements that stand beside the repository, or skip."""
    root = _data()
    if not (root / name).exists():
        pytest.skip(f"{name} is not under {root}; set CROSSWATT_REFERENCE_DATA")
    return root / name
