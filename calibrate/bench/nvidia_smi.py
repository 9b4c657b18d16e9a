"""nvidia-smi for the virtual GPUs of a bench, over the files that `nvml.c` reads.

It answers what meters ask: -L, --query-gpu, --query-compute-apps, -i, and a table. A script of its
own: it runs without the package and without site-packages, because meters start it all the time.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence

FOLDER = os.environ.get("CROSSWATT_NVML") or "/sys/devices/virtual/crosswatt/nvml"
VERSION = "0.0-simulated"
FIGURES = (
    "energy_mj", "power_mw", "instant_mw", "average_mw",
    "gpu_percent", "memory_percent", "used_mib", "celsius",
)  # fmt: skip
INVALID, NOT_FOUND, NO_DRIVER, LOST = 2, 6, 9, 15  # exit codes, which are those of NVML
ERRORS = {3: "N/A", 4: "Insufficient Permissions", LOST: "GPU is lost"}

USAGE = """NVIDIA System Management Interface of a simulated machine -- v0.0-simulated

    nvidia-smi [-i ID,...] [-L | --query-gpu=FIELD,... | --query-compute-apps=FIELD,...]

    -h, --help              this text
    -L, --list-gpus         one line for each GPU
    -i, --id=ID,...         only these GPUs: index, UUID or PCI bus id
    --query-gpu=FIELD,...   needs --format
    --format=csv[,noheader][,nounits]
"""


class Refusal(Exception):
    """The program ends with this text and exit code."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


class Gpu:
    """One GPU as it is now.

    Parameters
    ----------
    number : its index, and the name of its folder.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        lines = read(f"{number}/static").splitlines()
        self.about = {key: value for key, _, value in (line.partition(" ") for line in lines)}
        self.now = dict(zip(FIGURES, map(int, read(f"{number}/now").split()), strict=False))

    @property
    def lost(self) -> bool:
        """Whether it has left the bus, so that not even its name can be asked."""
        return set(self.now.values()) == {-LOST}

    @property
    def name(self) -> str:
        """Its name, which always says what it is."""
        name = self.about["name"]
        return name if "simulated" in name else f"{name} (simulated)"

    @property
    def bus_id(self) -> str:
        """Its place, with a domain of eight digits."""
        domain, _, rest = self.about["bus_id"].partition(":")
        return f"{domain:0>8}:{rest}".upper()

    def figure(self, name: str, show: Callable[[int], str] = str) -> str:
        """Return a figure, or its error in brackets."""
        value = self.now.get(name, -999)
        return show(value) if value >= 0 else f"[{ERRORS.get(-value, 'Unknown Error')}]"

    def watts(self, name: str) -> str:
        """Return a power as the driver prints it."""
        return self.figure(name, lambda mw: f"{mw / 1000:.2f}")

    @property
    def limit(self) -> str:
        """The power limit, in watts."""
        return f"{int(self.about['limit_mw']) / 1000:.2f}"


def read(name: str) -> str:
    """Return the content of a file of the driver; without it there is no driver."""
    try:
        with open(f"{FOLDER}/{name}", encoding="utf-8") as file:  # noqa: PTH123 - pathlib is slow
            return file.read()
    except OSError:
        raise Refusal(
            "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. "
            "Make sure that the latest NVIDIA driver is installed and running.\n",
            NO_DRIVER,
        ) from None


LIMITS = (
    "power.limit", "enforced.power.limit", "power.default_limit",
    "power.min_limit", "power.max_limit",
)  # fmt: skip
#: What a virtual GPU does not have, by unit.
ABSENT = {
    "": (
        "serial", "pstate", "vbios_version", "compute_cap", "temperature.memory",
        "ecc.mode.current", "pcie.link.gen.current", "pcie.link.width.current",
    ),
    "%": ("fan.speed", "utilization.encoder", "utilization.decoder"),
    "MHz": (
        "clocks.current.graphics", "clocks.current.sm", "clocks.current.memory",
        "clocks.current.video", "clocks.max.graphics", "clocks.max.sm", "clocks.max.memory",
    ),
}  # fmt: skip

Shown = tuple[str, Callable[[Gpu], str]]


def _free(gpu: Gpu) -> str:
    return gpu.figure("used_mib", lambda used: str(int(gpu.about["memory_mib"]) - used))


def _fields() -> dict[str, Shown]:
    """Return every field that can be asked for: its unit, and how to find its value."""
    found: dict[str, Shown] = {
        "timestamp": ("", lambda gpu: stamp()),
        "driver_version": ("", lambda gpu: VERSION),
        "count": ("", lambda gpu: read("count").strip()),
        "index": ("", lambda gpu: str(gpu.number)),
        "name": ("", lambda gpu: gpu.name),
        "uuid": ("", lambda gpu: gpu.about["uuid"]),
        "pci.bus_id": ("", lambda gpu: gpu.bus_id),
        "persistence_mode": ("", lambda gpu: "Enabled"),
        "compute_mode": ("", lambda gpu: "Default"),
        "mig.mode.current": ("", lambda gpu: "Disabled"),
        "power.draw": ("W", lambda gpu: gpu.watts("power_mw")),
        "power.draw.average": ("W", lambda gpu: gpu.watts("average_mw")),
        "power.draw.instant": ("W", lambda gpu: gpu.watts("instant_mw")),
        "utilization.gpu": ("%", lambda gpu: gpu.figure("gpu_percent")),
        "utilization.memory": ("%", lambda gpu: gpu.figure("memory_percent")),
        "memory.total": ("MiB", lambda gpu: gpu.about["memory_mib"]),
        "memory.used": ("MiB", lambda gpu: gpu.figure("used_mib")),
        "memory.free": ("MiB", _free),
        "memory.reserved": ("MiB", lambda gpu: "0"),
        "temperature.gpu": ("", lambda gpu: gpu.figure("celsius")),
    }
    for name in LIMITS:
        found[name] = ("W", lambda gpu: gpu.limit)
    for unit, names in ABSENT.items():
        found |= {name: (unit, lambda gpu: "[N/A]") for name in names}
    return found


#: Other names of the fields; the heading shows the first name.
ALIASES = {
    "gpu_name": "name", "gpu_uuid": "uuid", "gpu_bus_id": "pci.bus_id", "gpu_serial": "serial",
    "clocks.gr": "clocks.current.graphics", "clocks.sm": "clocks.current.sm",
    "clocks.mem": "clocks.current.memory", "clocks.video": "clocks.current.video",
    "clocks.max.gr": "clocks.max.graphics", "clocks.max.mem": "clocks.max.memory",
    "used_memory": "used_gpu_memory",
}  # fmt: skip
PROCESS_FIELDS = {
    "timestamp": "", "name": "", "pci.bus_id": "", "serial": "", "uuid": "",
    "pid": "", "process_name": "", "used_gpu_memory": "MiB",
}  # fmt: skip


def stamp() -> str:
    """Return the time of the query as the driver writes it."""
    now = time.time()
    return (
        time.strftime("%Y/%m/%d %H:%M:%S", time.localtime(now)) + f".{int(now * 1000) % 1000:03d}"
    )


def gpus(wanted: str | None) -> list[Gpu]:
    """Return the GPUs that were asked for.

    Parameters
    ----------
    wanted : indices, UUIDs or bus ids, separated by commas; None for all.
    """
    every = [Gpu(number) for number in range(int(read("count")))]
    names = [name.strip().upper() for name in wanted.split(",")] if wanted is not None else []
    chosen = [
        gpu
        for gpu in every
        if wanted is None
        or {str(gpu.number), gpu.about["uuid"].upper(), gpu.bus_id, gpu.bus_id[4:]} & {*names}
    ]
    if not chosen:
        raise Refusal("No devices were found", NOT_FOUND)
    for gpu in chosen:
        if gpu.lost:
            raise Refusal(
                f"Unable to determine the device handle for GPU {gpu.bus_id}: GPU is lost.  "
                "Reboot the system to recover this GPU",
                LOST,
            )
    return chosen


def listing(chosen: Sequence[Gpu]) -> list[str]:
    """Return the lines of -L."""
    return [f"GPU {gpu.number}: {gpu.name} (UUID: {gpu.about['uuid']})" for gpu in chosen]


def canonical(asked: str, known: Mapping[str, object]) -> list[str]:
    """Return the first names of the fields that were asked for."""
    names = [name.strip() for name in asked.split(",")]
    for name in names:
        if ALIASES.get(name, name) not in known:
            raise Refusal(f'Field "{name}" is not a valid field to query.\n', INVALID)
    return [ALIASES.get(name, name) for name in names]


def heading(names: Sequence[str], units: Mapping[str, str]) -> str:
    """Return the first line of a CSV, which names units whether or not they follow."""
    return ", ".join(f"{name} [{units[name]}]" if units[name] else name for name in names)


def query(asked: str, form: Sequence[str], chosen: Sequence[Gpu]) -> list[str]:
    """Return the lines of --query-gpu."""
    fields = _fields()
    names = canonical(asked, fields)

    def cell(name: str, gpu: Gpu) -> str:
        unit, show = fields[name]
        value = show(gpu)
        return f"{value} {unit}" if unit and "nounits" not in form and value[0] != "[" else value

    lines = [] if "noheader" in form else [heading(names, {n: fields[n][0] for n in names})]
    return lines + [", ".join(cell(name, gpu) for name in names) for gpu in chosen]


def processes(asked: str, form: Sequence[str]) -> list[str]:
    """Return the lines of --query-compute-apps: nothing ever runs on a virtual GPU."""
    names = canonical(asked, PROCESS_FIELDS)
    return [] if "noheader" in form else [heading(names, PROCESS_FIELDS)]


def table(chosen: Sequence[Gpu]) -> list[str]:
    """Return the summary that is printed when nothing is asked."""

    def whole(text: str) -> str:
        return text if text[0] == "[" else f"{float(text):.0f}W"

    rows = [("GPU", "Name", "Temp", "Pwr:Usage/Cap", "Memory-Usage", "GPU-Util")]
    for gpu in chosen:
        power = f"{whole(gpu.watts('power_mw'))} / {whole(gpu.limit)}"
        memory = f"{gpu.figure('used_mib', '{}MiB'.format)} / {gpu.about['memory_mib']}MiB"
        celsius, use = gpu.figure("celsius", "{}C".format), gpu.figure("gpu_percent", "{}%".format)
        rows.append((str(gpu.number), gpu.name, celsius, power, memory, use))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    text = ["  ".join(map(str.rjust, row, widths)) for row in rows]
    title = f"NVIDIA-SMI {VERSION}  Driver Version: {VERSION}  simulated machine"
    inner = max(len(text[0]), len(title))
    rule = f"+-{'-' * inner}-+"
    body = [f"| {line:<{inner}} |" for line in text]
    return [
        time.strftime("%a %b %d %H:%M:%S %Y"),
        rule, f"| {title:<{inner}} |", rule, body[0], rule, *body[1:], rule,
    ]  # fmt: skip


def answer(arguments: Sequence[str]) -> list[str]:
    """Return the lines that a command line asks for.

    Raises
    ------
    Refusal : it asks for something that cannot be answered.
    """
    given: dict[str, str] = {}
    rest = list(arguments)
    short = {"-i": "--id", "-L": "--list-gpus", "-h": "--help"}
    while rest:
        name, equals, value = rest.pop(0).partition("=")
        name = short.get(name, name)
        if name == "--id" and not equals and rest:
            value = rest.pop(0)
        given[name] = value
    known = {"--id", "--list-gpus", "--help", "--format", "--query-gpu", "--query-compute-apps"}
    form = given.get("--format", "").split(",")
    asks_csv = "--query-gpu" in given or "--query-compute-apps" in given
    if "--help" in given:
        return USAGE.splitlines()
    if not given.keys() <= known or asks_csv != ("csv" in form):
        raise Refusal(
            "Invalid combination of input arguments. Please run 'nvidia-smi -h' for help.\n",
            INVALID,
        )
    chosen = gpus(given.get("--id"))
    if "--query-gpu" in given:
        return query(given["--query-gpu"], form, chosen)
    if "--query-compute-apps" in given:
        return processes(given["--query-compute-apps"], form)
    return listing(chosen) if "--list-gpus" in given else table(chosen)


def main(arguments: Sequence[str]) -> int:
    """Print the answer and return the exit code; as with the driver, refusals go to stdout too."""
    try:
        for line in answer(arguments):
            print(line)
    except Refusal as refusal:
        print(refusal)
        return refusal.code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
