"""The simulated machine as a file: its packages, their power, their counters and its sensors.

A model is a TOML file. Several are shipped (`names`); a path to any other works as well:

    title = "..."                  # one line for people
    vendor = "intel"               # or "amd"
    follows = ["..."]              # the public figures it follows, and what is assumed
    energy_unit_j = 6.1e-5         # what one count of the hardware is worth
    update_s = 0.000976            # how often the hardware updates its counters
    sources = ["powercap", "msr"]  # which of the two ways to RAPL this machine has

    [[packages]]
    idle_w = 6.0                   # with every CPU idle
    active_w = 59.0                # added when every CPU of this package is busy
    start_uj = 0                   # what the counter shows when the machine starts
    core = { idle_w = 1.0, active_w = 52.0 }       # part of the package, as is uncore
    dram = { idle_w = 4.0, active_w = 8.0, per_gbps_w = 0.3 }   # beside the package

    [psys]                         # the platform's counter: everything on the DC side
    [node]                         # the wall: board, fans and the loss of the supply
    [frequency]                    # cores run faster, at a higher voltage, while few are busy
    [thermal]                      # leakage grows as the machine warms up
    [noise]                        # what nobody can explain
    [[gpus]]                       # seen through NVML
    [battery]                      # in /sys/class/power_supply
    [[hwmon]]                      # in /sys/class/hwmon

Every zone may have an `energy_unit_j`, a `max_energy_range_uj` and a `start_uj` of its own. The
classes below say what each table may hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from calibrate.errors import BadFile, UnknownName
from calibrate.textfile import read_toml

_HERE = Path(__file__).resolve().parent / "models"

Watts = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
UnitJoules = Annotated[float, Field(ge=1e-9, le=1.0, allow_inf_nan=False)]
#: How RAPL calls the parts of a package, in the order in which the kernel numbers them.
PARTS = ("core", "uncore", "dram")


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Zone(_Strict):
    """One energy counter and the power behind it.

    Parameters
    ----------
    idle_w : power with every CPU of the package idle.
    active_w : power added when every CPU of the package is busy.
    energy_unit_j : joules per count; None for the machine's.
    max_energy_range_uj : highest value shown before the counter starts again from zero; None for
        that of a 32-bit register.
    start_uj : value shown when the machine starts.
    """

    idle_w: Watts
    active_w: Watts
    energy_unit_j: UnitJoules | None = None
    max_energy_range_uj: Annotated[int, Field(ge=1_000)] | None = None
    start_uj: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _start_lies_in_range(self) -> Self:
        if self.max_energy_range_uj is not None and self.start_uj > self.max_energy_range_uj:
            raise ValueError("start_uj lies beyond max_energy_range_uj")
        return self


class Dram(Zone):
    """Memory: driven by the CPUs of its package and by traffic.

    Parameters
    ----------
    per_gbps_w : power added for each GB/s of memory traffic of the whole machine; traffic is what
        a workload declares (see `calibrate.bench.demand`), otherwise none.
    """

    per_gbps_w: Watts = 0.0


class Package(Zone):
    """One socket: `core` and `uncore` are parts of its power, `dram` stands beside it.

    Parameters
    ----------
    dies : powercap shows the package's counter once a die, each time with the energy of all of
        it, as kernels do on multi-die AMD parts (names ``package-0-die-0``, ``package-0-die-1``).
    """

    core: Zone | None = None
    uncore: Zone | None = None
    dram: Dram | None = None
    dies: Annotated[int, Field(ge=1, le=8)] = 1

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        inside = [zone for zone in (self.core, self.uncore) if zone is not None]
        for key in ("idle_w", "active_w"):
            if sum(getattr(zone, key) for zone in inside) > getattr(self, key):
                raise ValueError(f"core and uncore together have more {key} than their package")
        return self

    def parts(self) -> Iterator[tuple[str, Zone]]:
        """Yield name and zone of the parts that this package has, in the kernel's order."""
        for name in PARTS:
            zone = getattr(self, name)
            if zone is not None:
                yield name, zone


class Psys(_Strict):
    """The platform's RAPL counter: packages, DRAM and a constant rest, on the DC side."""

    board_w: Watts = 0.0
    energy_unit_j: UnitJoules | None = None
    max_energy_range_uj: Annotated[int, Field(ge=1_000)] | None = None
    start_uj: Annotated[int, Field(ge=0)] = 0


class Node(_Strict):
    """The machine at the wall: everything inside, divided by the supply's efficiency.

    Parameters
    ----------
    board_w : fans, disks, board, on the DC side; constant.
    supply_w : rated output of the power supply.
    efficiency : pairs of load share and efficiency, rising in load; straight lines between.
    """

    board_w: Watts
    supply_w: Annotated[float, Field(gt=0, le=1e6)]
    efficiency: Annotated[
        tuple[tuple[Share, Annotated[float, Field(gt=0, le=1)]], ...], Field(min_length=1)
    ]

    @model_validator(mode="after")
    def _loads_rise(self) -> Self:
        loads = [load for load, _ in self.efficiency]
        if any(second <= first for first, second in pairwise(loads)):
            raise ValueError("efficiency: the load shares must rise")
        return self


class Frequency(_Strict):
    """Turbo: a package's cores run at `turbo` while one is busy and at `base` when all are.

    Power of a busy core goes with frequency times voltage squared; `active_w` is that of `base`.
    """

    base_ghz: Annotated[float, Field(gt=0, le=20)]
    turbo_ghz: Annotated[float, Field(gt=0, le=20)]
    base_v: Annotated[float, Field(gt=0, le=5)]
    turbo_v: Annotated[float, Field(gt=0, le=5)]


class Thermal(_Strict):
    """Leakage: idle power changes by `leakage_per_c` for each degree away from `reference_c`.

    A package warms towards ambient_c + c_per_w x its power, with one time constant.
    """

    ambient_c: Annotated[float, Field(ge=-50, le=80)] = 25.0
    reference_c: Annotated[float, Field(ge=-50, le=120)] = 45.0
    c_per_w: Annotated[float, Field(ge=0, le=20)]
    time_constant_s: Annotated[float, Field(gt=0, le=1e5)]
    leakage_per_c: Annotated[float, Field(ge=0, le=0.02)]


class Noise(_Strict):
    """All power wanders by `relative` (standard deviation), forgetting with `correlation_s`."""

    relative: Annotated[float, Field(ge=0, le=0.2)]
    correlation_s: Annotated[float, Field(gt=0, le=1e4)] = 1.0
    seed: int = 0


class Gpu(_Strict):
    """A GPU behind NVML.

    Parameters
    ----------
    name, memory_gib, limit_w : as NVML reports them.
    idle_w, active_w : power at rest, and added at full use; use is what a workload declares (see
        `calibrate.bench.demand`), and otherwise that of the host's CPUs.
    power_update_s : how often the power figure is renewed.
    power_window_s : over which time before its renewal it is averaged; shorter than
        `power_update_s` is part-time sampling (25 ms of every 100 ms on A100 and H100: Yang et
        al., "Part-time Power Measurements", SC24).
    energy_update_s : how often the energy counter is renewed.
    energy_counter : whether there is one (Volta and later).
    """

    name: Annotated[str, Field(min_length=1, max_length=63)]
    memory_gib: Annotated[float, Field(gt=0, le=4096)] = 80.0
    limit_w: Annotated[float, Field(gt=0, le=1e5)]
    idle_w: Watts
    active_w: Watts
    power_update_s: Annotated[float, Field(gt=0, le=10)] = 0.1
    power_window_s: Annotated[float, Field(gt=0, le=10)] = 0.1
    energy_update_s: Annotated[float, Field(gt=0, le=10)] = 0.1
    energy_counter: bool = True


class Battery(_Strict):
    """A battery that feeds the whole machine."""

    name: Annotated[str, Field(pattern="^[A-Za-z0-9_-]{1,20}$")] = "BAT0"
    capacity_wh: Annotated[float, Field(gt=0, le=1000)]
    voltage_v: Annotated[float, Field(gt=0, le=100)]
    update_s: Annotated[float, Field(gt=0, le=60)] = 4.0


class Sensor(_Strict):
    """One hwmon channel: ``energy`` in microjoules, ``power`` in microwatts, ``temp`` in m°C."""

    kind: Literal["energy", "power", "temp"]
    scope: str
    label: str = ""


class Hwmon(_Strict):
    """One hwmon device."""

    name: Annotated[str, Field(pattern="^[a-z0-9_]{1,30}$")]
    update_s: Annotated[float, Field(gt=0, le=60)] = 1.0
    sensors: Annotated[tuple[Sensor, ...], Field(min_length=1, max_length=64)]


class Model(_Strict):
    """A simulated machine.

    Parameters
    ----------
    title : one line for people.
    vendor : whose counters it imitates.
    follows : the public figures it follows, and what is assumed; one entry each.
    energy_unit_j : joules per count of the hardware.
    update_s : seconds between two updates of the counters.
    sources : where RAPL can be read: ``powercap`` files, ``msr`` devices, or neither.
    counters_mode : permissions of `energy_uj` as octal text; real kernels have ``"0400"``.
    readable : False for a container that has the files and may not read them.
    mmio : show packages a second time, below ``intel-rapl-mmio``.
    packages : the sockets.
    """

    title: str
    vendor: Literal["intel", "amd"]
    follows: tuple[str, ...] = ()
    energy_unit_j: UnitJoules = 2**-14
    update_s: Annotated[float, Field(gt=0, le=60, allow_inf_nan=False)] = 0.000976
    sources: tuple[Literal["powercap", "msr"], ...] = ("powercap", "msr")
    counters_mode: Annotated[str, Field(pattern="^0[0-7]{3}$")] = "0444"
    readable: bool = True
    mmio: bool = False
    packages: Annotated[tuple[Package, ...], Field(min_length=1, max_length=16)]
    psys: Psys | None = None
    node: Node | None = None
    frequency: Frequency | None = None
    thermal: Thermal | None = None
    noise: Noise | None = None
    gpus: Annotated[tuple[Gpu, ...], Field(max_length=16)] = ()
    battery: Battery | None = None
    hwmon: Annotated[tuple[Hwmon, ...], Field(max_length=16)] = ()

    @model_validator(mode="after")
    def _sensors_watch_something(self) -> Self:
        known = self.scopes()
        for number, device in enumerate(self.hwmon):
            for sensor in device.sensors:
                if sensor.scope not in known:
                    raise ValueError(
                        f"hwmon.{number}: there is no {sensor.scope!r} in this machine; "
                        f"it has {', '.join(known)}"
                    )
                if sensor.kind == "temp" and not sensor.scope.startswith("package-"):
                    raise ValueError(f"hwmon.{number}: only packages have a temperature")
                if sensor.kind == "temp" and self.thermal is None:
                    raise ValueError(f"hwmon.{number}: a temperature needs a table thermal")
        return self

    def scopes(self) -> list[str]:
        """Name everything whose energy is known: packages, parts, GPUs, psys and node."""
        found = []
        for number, package in enumerate(self.packages):
            found += [f"package-{number}", *(f"{part}-{number}" for part, _ in package.parts())]
        found += [f"gpu-{number}" for number in range(len(self.gpus))]
        found += ["psys"] if self.psys or self.battery else []
        return found + (["node"] if self.node else [])


def names() -> list[str]:
    """Return the names of the models that come with crosswatt."""
    return sorted(path.stem for path in _HERE.glob("*.toml"))


def load(name_or_path: str | Path) -> Model:
    """Read a shipped model by its name, or any other by its path.

    Parameters
    ----------
    name_or_path : one of `names`, or a TOML file.

    Returns
    -------
    Model : powers in W, energies in J, of each part of the machine; see docs/bench.md.

    Raises
    ------
    UnknownName : there is no model of that name; the nearest are given.
    BadFile : the file is not a model; key and reason are given.
    """
    text = str(name_or_path)
    if text in names():
        return _read(_HERE / f"{text}.toml")
    if not text.endswith(".toml") and "/" not in text:
        raise UnknownName("model", text, names())
    return _read(Path(text))


def _read(path: Path) -> Model:
    try:
        return Model.model_validate(read_toml(path))
    except ValidationError as error:
        raise BadFile(
            path, _first(error), fix="See calibrate/bench/model.py for the keys."
        ) from None


def _first(error: ValidationError) -> str:
    """Say in one line which key is wrong and why; the first of several is enough to go on."""
    found = error.errors(include_url=False, include_context=False, include_input=False)[0]
    key = ".".join(str(part) for part in found["loc"]) or "the file"
    reason = found["msg"].removeprefix("Value error, ")
    return f"{key}: {reason[:1].lower()}{reason[1:]}".rstrip(".")
