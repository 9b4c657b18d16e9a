"""From what processes did to what power they used: SmartWatts, or a ridge of the same structure.

Both learn, for each frequency of the processor, how its power follows the counters of what runs,
with RAPL as the teacher, and divide the power over the targets. Both give pseudo-targets beside
the real ones: ``rapl``, the teacher, and ``global``, the model's word for all; the sum over all
reports is therefore about three times the power.

Source: Fieni, Rouvoy, Seinturier, SmartWatts: Self-Calibrating Software-Defined Power Meter for
Containers, CCGrid 2020; smartwatts 2.4.1, handler/hwpc_report.py and model/power_model.py.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from statistics import median
from types import SimpleNamespace
from typing import Any, Protocol

from calibrate.probe.counts import Counts

#: SmartWatts' own settings: samples before a model is learnt, samples kept, error that starts
#: another learning; and how many ticks it waits before it looks at one.
MIN_SAMPLES, HISTORY, THRESHOLD_W, DELAY_TICKS = 10, 60, 2.0, 5
BASE_MHZ, STEP_MHZ, TDP_W = 2100, 100, 400
_PENALTY = 1e-3
_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Tick:
    """What happened between two looks.

    Parameters
    ----------
    at_ns : its middle, CLOCK_MONOTONIC.
    joules : by RAPL.
    frequency : mean frequency while busy over the base frequency.
    targets : counts by target, each the increase since the last tick.
    """

    at_ns: int
    joules: float
    frequency: float
    targets: Mapping[str, Counts]


#: The middle of a tick, and watts by target and pseudo-target.
Report = tuple[int, dict[str, float]]


class Formula(Protocol):
    """Something that divides power over targets."""

    def take(self, tick: Tick) -> Iterable[Report]:
        """Take one tick; return what is known now, of this tick or of earlier ones."""


@dataclass
class _Layer:
    """The model of one frequency."""

    counts: deque[Counts] = field(default_factory=lambda: deque(maxlen=HISTORY))
    watts: deque[float] = field(default_factory=lambda: deque(maxlen=HISTORY))
    errors_w: deque[float] = field(default_factory=lambda: deque(maxlen=HISTORY))
    slopes: Counts | None = None
    intercept_w: float = 0.0

    def learn(self) -> None:
        """Fit a ridge with no negative coefficient, once there are samples enough."""
        import numpy as np
        from scipy.optimize import nnls

        self.errors_w.clear()
        if len(self.counts) < MIN_SAMPLES:
            return
        x = np.array(self.counts)
        scale = np.where(x.max(axis=0) > 0, x.max(axis=0), 1.0)
        rows, events = x.shape
        design = np.zeros((rows + events, events + 1))
        design[:rows, :events], design[:rows, events] = x / scale, 1.0
        design[rows:, :events] = np.eye(events) * (_PENALTY * rows) ** 0.5
        found, _ = nnls(design, np.concatenate([self.watts, np.zeros(events)]))
        self.slopes = tuple(found[:events] / scale)
        self.intercept_w = float(found[events])

    def dynamic_w(self, counts: Counts) -> float:
        """Return the power above rest."""
        return sum(a * b for a, b in zip(self.slopes or (), counts, strict=True))


class Ridge:
    """The built-in formula.

    It differs from SmartWatts in that it knows a power at rest from the beginning (SmartWatts
    only with a full history), and in that no tick waits for later ones.

    Parameters
    ----------
    interval_s : seconds between two ticks, as they are believed to be.
    """

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._layers: dict[int, _Layer] = {}

    def take(self, tick: Tick) -> Iterable[Report]:
        """See `Formula`; during warm-up there is the pseudo-target ``rapl`` only."""
        watts = tick.joules / self._interval_s
        layer = self._layers.setdefault(round(tick.frequency * BASE_MHZ / STEP_MHZ), _Layer())
        everything = tuple(map(sum, zip(*tick.targets.values(), strict=True)))
        layer.counts.append(everything)
        layer.watts.append(watts)
        report = {"rapl": watts}
        if layer.slopes is None:
            layer.learn()
            return [(tick.at_ns, report)]
        dynamic_w = layer.dynamic_w(everything)
        report["global"] = layer.intercept_w + dynamic_w
        for name, counts in tick.targets.items():
            share = layer.dynamic_w(counts) / dynamic_w if dynamic_w > 0 else 0.0
            report[name] = share * report["global"]
        layer.errors_w.append(abs(watts - report["global"]))
        if median(layer.errors_w) > THRESHOLD_W:
            layer.learn()
        return [(tick.at_ns, report)]


class SmartWatts:
    """The real formula: the handler of SmartWatts' actor, fed as its puller feeds it.

    It looks at a tick when five more have come, and takes all packages for one socket here.

    Parameters
    ----------
    interval_s : the setting `sensor-reports-frequency`.
    names : of the counters.

    Raises
    ------
    ImportError : smartwatts is not installed.
    """

    def __init__(self, interval_s: float, names: Iterable[str]) -> None:
        from powerapi.report import HWPCReport, PowerReport
        from smartwatts.actor import SmartWattsFormulaConfig, SmartWattsFormulaScope
        from smartwatts.handler import HwPCReportHandler
        from smartwatts.model import CPUTopology

        logging.getLogger().setLevel(logging.CRITICAL)  # a tick without a model is no error here
        topology = CPUTopology(TDP_W, STEP_MHZ, 1, BASE_MHZ // STEP_MHZ, 100)
        config = SmartWattsFormulaConfig(
            SmartWattsFormulaScope.CPU, interval_s * 1000, "RAPL", THRESHOLD_W, topology,
            MIN_SAMPLES, HISTORY, True, HISTORY, "median",
        )  # fmt: skip
        pusher = SimpleNamespace(
            state=SimpleNamespace(report_model=PowerReport), send_data=self._keep
        )
        state = SimpleNamespace(
            config=config, pushers={"here": pusher}, sensor="crosswatt", socket="0"
        )
        self._handler: Any = HwPCReportHandler(state)
        self._report: Any = HWPCReport
        self._names = [name.replace("-", "_").upper() for name in names]
        self._ticks: dict[datetime, int] = {}
        self._found: dict[int, dict[str, float]] = {}

    def take(self, tick: Tick) -> Iterator[Report]:
        """See `Formula`."""
        # Microseconds are the finest that its time stamps have.
        at = _EPOCH + timedelta(microseconds=tick.at_ns // 1000)
        self._ticks[at] = tick.at_ns
        aperf = round(tick.frequency * 1e6)
        whole = {
            "rapl": {"0": {"0": {"RAPL": round(tick.joules * 2**32)}}},
            "msr": {"0": {"0": {"APERF": aperf, "MPERF": 1_000_000}}},
        }
        # The report of all comes last: the first of a tick has the one five before it processed.
        for name, counts in tick.targets.items():
            core = {"core": {"0": {"0": dict(zip(self._names, counts, strict=True))}}}
            self._handler.handle(self._report(at, "crosswatt", name, core, {}))
        self._handler.handle(self._report(at, "crosswatt", "all", whole, {}))
        yield from self._found.items()
        self._found = {}

    def _keep(self, report: Any) -> None:
        """Take a power report as a pusher does."""
        at_ns = self._ticks[report.timestamp]
        self._found.setdefault(at_ns, {})[report.target] = float(report.power)
