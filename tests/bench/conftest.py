"""Everything here needs FUSE and namespaces: marked, and skipped where there are none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from calibrate import bench
from calibrate.errors import Unsupported

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("bench")


@pytest.fixture(scope="session")
def bench_ready() -> None:
    """Skip where there can be no bench; CROSSWATT_REQUIRE_BENCH=1 makes that a failure."""
    try:
        bench.check()
    except Unsupported as reason:
        if os.environ.get("CROSSWATT_REQUIRE_BENCH") == "1":
            pytest.fail(str(reason))
        pytest.skip(str(reason))
