"""Simulated machines without their file system: a clock and an activity set by hand."""

from __future__ import annotations

from calibrate.bench import faults, load, tree
from calibrate.bench.demand import Demand
from calibrate.bench.files import Device, File, Folder, Link, Node
from calibrate.bench.machine import Live
from calibrate.bench.model import Model
from calibrate.bench.snapshot import Snapshots

POWERCAP = "/devices/virtual/powercap"
SECOND = 1_000_000_000


class Busy:
    """Activity by hand."""

    source = "test"
    resolution_ns = 1

    def __init__(self, cpus: int) -> None:
        self.now = [5_000] * cpus

    def busy_ns(self) -> list[int]:
        return list(self.now)


class Machine:
    """A machine of four CPUs that runs when it is told.

    Parameters
    ----------
    model : a shipped model, or one made by hand.
    wanted : faults, as a user writes them.
    """

    def __init__(self, model: str | Model, *wanted: str, armed: bool = False) -> None:
        self.model = load(model) if isinstance(model, str) else model
        self.t_ns, self.activity = 1_000_000_007, Busy(4)
        self.live = Live(self.model, self.activity, lambda: self.t_ns)
        chosen = [faults.parse(each) for each in wanted]
        faults.check(chosen, self.model.scopes())
        self.snapshots = Snapshots(self.model, self.live, chosen, armed=armed)
        self.demand = Demand(self.live, len(self.model.gpus), lambda pid: pid != 0)
        self.nodes = tree.build(
            self.model, self.snapshots, self.demand, [0, 1, 2, 3], {"source": "test"}, wanted
        )
        self._events = sorted({each.at_s for each in chosen} | {each.until_s for each in chosen})
        self.seconds = 0.0
        self.snapshots.mark()

    def run(self, seconds: float, use: float = 0.5, step_s: float = 0.02) -> None:
        """Let time pass, with every CPU used by this share, and faults noticed in time."""
        end_s = self.seconds + seconds
        while self.seconds < end_s - 1e-9:
            due = [each for each in self._events if self.seconds < each <= end_s]
            to_s = min(self.seconds + step_s, end_s, *due)
            passed_ns = round(to_s * SECOND) - round(self.seconds * SECOND)
            self.t_ns += passed_ns
            self.activity.now = [each + round(use * passed_ns) for each in self.activity.now]
            self.seconds = to_s
            if to_s in self._events:
                self.snapshots.mark()
            self.live.renew()

    def joules(self, scope: str) -> float:
        """Return the truth."""
        return self.live.look().joules(scope)

    def read(self, path: str) -> bytes:
        """Read a file."""
        node = self.file(path)
        assert node.present()
        return node.content()

    def file(self, path: str) -> File:
        """Return a file, links followed by hand."""
        node = self.nodes[path]
        assert isinstance(node, File)
        return node

    def energy_j(self, zone: str = "intel-rapl:0") -> float:
        """Return what a top zone's counter shows."""
        return int(self.read(f"{POWERCAP}/{zone.rpartition(':')[0]}/{zone}/energy_uj")) / 1e6

    def names(self, path: str) -> tuple[str, ...]:
        """List a folder."""
        node = self.nodes[path]
        assert isinstance(node, Folder)
        return node.names

    def register(self, address: int, cpu: int = 0) -> int:
        """Read a model-specific register."""
        node = self.nodes[f"/cpu/{cpu}/msr"]
        assert isinstance(node, Device)
        return int.from_bytes(node.register(address, 8), "little")


__all__ = ["POWERCAP", "SECOND", "Busy", "Link", "Machine", "Node"]
