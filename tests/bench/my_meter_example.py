# mypy: ignore-errors
import time
from pathlib import Path

import pytest


class MyMeter:
    """The meter under test: what all packages and all DRAM use, from their RAPL counters."""

    def __init__(self):
        zones = Path("/sys/class/powercap").glob("intel-rapl:*")
        wanted = ("package", "dram")
        self._zones = [z for z in zones if (z / "name").read_text().startswith(wanted)]

    def __enter__(self):
        self._first = [self._read(zone, "energy_uj") for zone in self._zones]
        return self

    def __exit__(self, *_):
        self.joules = 0.0
        for zone, first in zip(self._zones, self._first, strict=True):
            used = self._read(zone, "energy_uj") - first
            if used < 0:  # the counter has wrapped
                used += self._read(zone, "max_energy_range_uj")
            self.joules += used / 1e6

    @staticmethod
    def _read(zone, name):
        return int(Path(zone, name).read_text())


def work(seconds=3.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(1000))


@pytest.mark.parametrize("model", ["desktop", "server", "amd"])
def test_energy(bench, truth, model):
    bench(model)
    meter = MyMeter()
    with truth, meter:
        work()
    truth.check(meter.joules)


def test_counter_that_wraps(bench, truth):
    with bench("server", "wrap=20", load="0.9x1,0.2x1"), truth, MyMeter() as meter:
        time.sleep(4)
    truth.check(meter.joules)


def test_no_permission(bench):
    bench("server", "no-permission")
    with pytest.raises(PermissionError), MyMeter():
        pass
