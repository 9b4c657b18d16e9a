"""What a simulated machine is started with; passed from the host to the keeper and the server."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from calibrate.bench import faults
from calibrate.bench.activity import Activity, Script, best, online_cpus
from calibrate.bench.faults import Fault, parse
from calibrate.bench.machine import Live, Machine, Replay, read_trace
from calibrate.bench.model import Model, load
from calibrate.errors import CrosswattError


@dataclass(frozen=True)
class Setup:
    """A simulated machine and what is to happen to it.

    Parameters
    ----------
    model : name of a shipped model, or path of a model file.
    faults : as in ``unit=4,scope=dram``; see `calibrate.bench.faults`.
    replay : path of a power trace that drives the machine; see `calibrate.bench.machine`.
    speed : seconds of the trace that pass in a second.
    load : instead of this host's activity, CPU use as in ``0.9x1.5,0.2x0.5``: 90 % for 1.5 s, then
        20 % for half a second, and again from the beginning.
    armed : let the machine stand still, without using anything, until somebody writes into its
        file `trigger`; the time of the faults counts from then on.
    follow : number of the process that is the machine's load, with all that it starts from then on;
        None for what the keeper runs.
    """

    model: str = "desktop"
    faults: tuple[str, ...] = ()
    replay: str | None = None
    speed: float = 1.0
    load: str | None = None
    armed: bool = False
    follow: int | None = None

    def text(self) -> str:
        """Return this as one line, for `read`."""
        return json.dumps(asdict(self))

    def check(self) -> tuple[Model, list[Fault]]:
        """Return the model and the faults.

        Raises
        ------
        CrosswattError : something in here is wrong; the sentence says what.
        """
        model = load(self.model)
        wanted = [parse(each) for each in self.faults]
        faults.check(wanted, model.scopes())
        if self.replay is not None and self.load is not None:
            raise CrosswattError("A machine follows a trace or a load, not both.")
        if not 0 < self.speed <= 1e6:
            raise CrosswattError("The speed must be a positive number, such as 10.")
        if self.replay is not None:
            Replay(model, read_trace(Path(self.replay)), self.speed)
        if self.load is not None:
            Script(self.load, 1)
        return model, wanted

    def machine(self, model: Model, pid: int) -> tuple[Machine, dict[str, object]]:
        """Start the machine.

        Parameters
        ----------
        model : as `check` returned it.
        pid : the process whose descendants are the machine's load, unless it is to follow another.

        Returns
        -------
        The machine, and where its power comes from.
        """
        if self.replay is not None:
            trace = read_trace(Path(self.replay))
            origin = {"source": f"trace {self.replay}", "speed": self.speed, "resolution_ns": 0}
            return Replay(model, trace, self.speed), origin
        activity: Activity = best(pid if self.follow is None else self.follow)
        if self.load is not None:
            activity = Script(self.load, len(online_cpus()))
        origin = {"source": activity.source, "resolution_ns": activity.resolution_ns}
        return Live(model, activity), origin


def read(text: str) -> Setup:
    """Return what `Setup.text` wrote."""
    fields = json.loads(text)
    return Setup(**{**fields, "faults": tuple(fields["faults"])})
