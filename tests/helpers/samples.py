"""A small file of every format that is imported, and the joules that are in it, by hand.

Each says where its form is from: a recording, what the tool's own writer makes of figures of ours,
or lines written after its source or documents. Nearly all last ten seconds.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

#: 2024-05-01 10:00:00 UTC.
T0 = 1714557600
Joules = Mapping[tuple[str, str], float]


@dataclass(frozen=True)
class Sample:
    """A file.

    Parameters
    ----------
    form : its format.
    name, text : the file's; ``text`` may be bytes.
    joules : (probe, column) -> joules of the first run.
    origin : where its form is from.
    flags : what must be said beside it.
    local : whether its times have no zone.
    """

    form: str
    name: str
    text: str | bytes
    joules: Joules
    origin: str
    flags: tuple[str, ...] = ()
    local: bool = False

    @property
    def data(self) -> bytes:
        """The file's bytes."""
        return self.text if isinstance(self.text, bytes) else self.text.encode()

    def write(self, folder: Path) -> Path:
        """Write it into a folder."""
        path = folder / self.name
        path.write_bytes(self.data)
        return path


def iso(second: float) -> str:
    """Return an instant of the sample's minute, UTC."""
    return datetime.fromtimestamp(T0 + second, UTC).isoformat()


# ---- parts of some ----


def _alumet(second: int, value: float, kind: str, place: str, domain: str) -> str:
    at = f"2024-05-01T10:00:{second:02d}.000000000Z"
    return f"rapl_consumed_energy_J;{at};{value};{kind};{place};local_machine;;{domain};\n"


def scaphandre(second: int, host_uw: float, socket_uw: float) -> dict[str, object]:
    """Return a record of Scaphandre's JSON exporter."""
    at = T0 + second + 0.0
    domains = [{"name": "dram", "consumption": 1e6, "timestamp": at}]
    return {
        "host": {"consumption": host_uw, "timestamp": at, "components": {"disks": None}},
        "consumers": [],
        "sockets": [{"id": 0, "consumption": socket_uw, "domains": domains, "timestamp": at}],
    }


#: Reports of PowerAPI that every one of its samples has each second.
_REPORTS = (("rapl", 50.0, "cpu"), ("rapl", 5.0, "dram"), ("global", 49.0, "cpu"),
            ("/docker/x", 30.0, "cpu"))  # fmt: skip
_POWERAPI_J = {
    ("powerapi", "package-0"): 500.0, ("powerapi", "dram-0"): 50.0, ("powerapi", "machine"): 550.0,
    ("powerapi", "global package-0"): 490.0, ("powerapi", "/docker/x package-0"): 300.0,
}  # fmt: skip


def reports(date: Any) -> list[dict[str, Any]]:
    """Return documents of PowerAPI's collection; `date` makes a date of milliseconds."""
    return [
        {
            "_id": {"$oid": "662f00000000000000000001"},
            "timestamp": date(1000 * (T0 + second)),
            "sensor": "s",
            "target": target,
            "metadata": {"scope": scope, "socket": "0", "formula": "x", "ratio": 1, "predict": 0},
            "power": watts,
        }
        for second in range(11)
        for target, watts, scope in _REPORTS
    ]


def bson(document: Mapping[str, Any]) -> bytes:
    """Return a document as BSON; a tuple is a date, an `_id` an ObjectId."""
    body = b""
    for key, value in document.items():
        name = key.encode() + b"\0"
        match value:
            case {"$oid": text}:
                body += b"\x07" + name + bytes.fromhex(text)
            case (at_ms,):
                body += b"\x09" + name + struct.pack("<q", at_ms)
            case float():
                body += b"\x01" + name + struct.pack("<d", value)
            case int():
                body += b"\x10" + name + struct.pack("<i", value)
            case str():
                text = value.encode() + b"\0"
                body += b"\x02" + name + struct.pack("<i", len(text)) + text
            case _:
                body += b"\x03" + name + bson(value)
    return struct.pack("<i", len(body) + 5) + body + b"\0"


def _answer(*series: tuple[str, Mapping[str, str], Any]) -> str:
    """Return an answer of Prometheus to query_range: metric, labels, value of a second."""
    result = [
        {
            "metric": dict(labels, __name__=name, instance="n:8080", job="scaph"),
            "values": [[T0 + second + 0.123, str(value(second))] for second in range(11)],
        }
        for name, labels, value in series
    ]
    told = {"status": "success", "data": {"resultType": "matrix", "result": result}}
    return json.dumps(told, separators=(",", ":"))


def _stamped(seconds: Iterable[int], page: Any) -> str:
    """Return pages, each after a line of ``date --iso-8601=seconds``."""
    return "".join(f"{iso(second)}\n{page(second)}" for second in seconds)


#: A page as Scaphandre 1.0.2 gave it on a simulated machine, and that it stays the same.
SCAPHANDRE_PAGE = """# HELP scaph_host_power_microwatts Power measurement on the whole host
# TYPE scaph_host_power_microwatts gauge
scaph_host_power_microwatts 35431981
scaph_socket_power_microwatts{socket_id="1"} 13045208
scaph_socket_energy_microjoules{socket_id="1"} 19987084269
scaph_domain_power_microwatts{domain_id="0",socket_id="1",domain_name="dram"} 4006028
scaph_socket_power_microwatts{socket_id="0"} 14357349
scaph_domain_power_microwatts{socket_id="0",domain_id="0",domain_name="dram"} 4067658
scaph_process_power_consumption_microwatts{pid="1",exe="x",cmdline="x{a=}\\"b\\""} 12
"""


def _dcgm_page(second: int) -> str:
    """Return part of a page of dcgm-exporter."""
    labels = (
        'gpu="0",UUID="GPU-6d5c0ac5",pci_bus_id="00000000:37:00.0",device="nvidia0",'
        'modelName="Tesla T4",Hostname="n",DCGM_FI_DRIVER_VERSION="590.48.01"'
    )
    return (
        "# HELP DCGM_FI_DEV_POWER_USAGE Power draw (in W).\n"
        "# TYPE DCGM_FI_DEV_POWER_USAGE gauge\n"
        f"DCGM_FI_DEV_POWER_USAGE{{{labels}}} 68.000000\n"
        f"DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{{{labels}}} {15152422938 + 70000 * second}\n"
        f"DCGM_FI_DEV_GPU_TEMP{{{labels}}} 42\n"
    )


def _perun_sensor(kind: str, name: str, watts: float, unit: float) -> dict[str, Any]:
    return {
        "id": name, "type": 6, "metadata": {"source": "x"}, "metrics": {}, "regions": None,
        "deviceType": kind, "processed": True, "nodes": [{}],
        "raw_data": {
            "timesteps": [float(second) for second in range(11)],
            "values": [watts / unit] * 11,
            "t_md": {"unit": "s", "mag": 1.0, "dtype": "float32", "min": 0.0, "max": 3.4e38,
                     "fill": -1.0},
            "v_md": {"unit": "W", "mag": unit, "dtype": "float32", "min": 0.0, "max": 3.4e38,
                     "fill": -1.0},
            "alt_values": None, "alt_v_md": None,
        },
    }  # fmt: skip


#: Group, sensor, watts in each of two rounds, and the unit that the sensor has.
_PERUN = (("cpu", "cpu_0_package-0", (50.0, 60.0), 1.0), ("ram", "ram_0_dram", (5.0, 5.0), 1.0),
          ("gpu", "CUDA:0_POWER", (200.0, 200.0), 1e-3))  # fmt: skip
_PERUN_J = {("perun", "package-0"): 500.0, ("perun", "dram-0"): 50.0, ("perun", "gpu-0"): 2000.0}


def _perun_node(kind: int, name: str, *inner: dict[str, Any], **metadata: str) -> dict[str, Any]:
    return {
        "id": name, "type": kind, "metadata": metadata, "metrics": {}, "regions": None,
        "deviceType": None, "processed": True, "nodes": [{each["id"]: each for each in inner}],
    }  # fmt: skip


def _perun_tree() -> dict[str, Any]:
    rounds = [
        _perun_node(3, str(index), _perun_node(4, "node01", *(
            _perun_node(5, group, _perun_sensor(group, name, watts[index], unit))
            for group, name, watts, unit in _PERUN
        )))
        for index in range(2)
    ]  # fmt: skip
    begun = "2024-05-01T10:00:00.500000"
    told = {"app_name": "train", "perun_version": "1.0.0", "execution_dt": begun, "n_runs": "2"}
    return _perun_node(1, "train", _perun_node(2, begun, *rounds, **told), creation_dt=begun)


def _perun_table() -> str:
    lines = [",run id,hostname,device_group,sensor,unit,magnitude,timestep,value"]
    for index in range(2):
        for group, name, watts, unit in _PERUN:
            lines += [
                f"{len(lines) - 1 + s},{index},node01,{group},{name},W,{unit},{s}.0,"
                f"{watts[index] / unit}"
                for s in range(11)
            ]
    return "\n".join(lines) + "\n"


def _turbostat(second: int) -> str:
    """Return an interval of turbostat on two packages of two cores: a header and five rows."""
    head = "Package\tCore\tCPU\tTime_Of_Day_Seconds\tAvg_MHz\tBusy%\tPkgTmp\tPkgWatt\tRAMWatt\n"
    at = f"{T0 + second}.000"
    return (
        f"{head}-\t-\t-\t{at}900\t1019\t31.03\t46\t110.00\t11.00\n"
        f"0\t0\t0\t{at}100\t91\t2.86\t46\t50.00\t5.00\n0\t1\t2\t{at}200\t91\t2.86\n"
        f"1\t0\t1\t{at}300\t91\t2.86\t45\t60.00\t6.00\n1\t1\t3\t{at}400\t91\t2.86\n"
    )


_SHELLY_PHASE = [
    "total_act_energy",
    "fund_act_energy",
    "total_act_ret_energy",
    "fund_act_ret_energy",
    "lag_react_energy",
    "lead_react_energy",
    "max_act_power",
    "min_act_power",
    "max_aprt_power",
    "min_aprt_power",
    "max_voltage",
    "min_voltage",
    "avg_voltage",
    "max_current",
    "min_current",
    "avg_current",
]


def _shelly_head() -> str:
    phases = [f"{phase}_{column}" for phase in "abc" for column in _SHELLY_PHASE]
    return ",".join(["timestamp", *phases, "n_max_current", "n_min_current", "n_avg_current"])


def _shelly_row(minute: int) -> str:
    rest = ",0.1552,0.0000,0.0000,0.0386,0.0006,10.7,9.8,30.7,18.0,236.062,235.114,235.552,"
    return f"{T0 + 60 * minute}," + "".join(
        f"{wh:.4f}{rest}0.130,0.077,0.079," for wh in (1.0, 2.0, 0.5)
    ) + "0.000,0.000,0.000\n"  # fmt: skip


_CODECARBON = {
    "1.2.0": "timestamp,experiment_id,project_name,duration,emissions,energy_consumed,country_name,"
    "country_iso_code,region,on_cloud,cloud_provider,cloud_region",
    "2.0.0": "timestamp,project_name,run_id,duration,emissions,emissions_rate,cpu_power,gpu_power,"
    "ram_power,cpu_energy,gpu_energy,ram_energy,energy_consumed,country_name,country_iso_code,"
    "region,cloud_provider,cloud_region,os,python_version,cpu_count,cpu_model,gpu_count,gpu_model,"
    "longitude,latitude,ram_total_size,tracking_mode,on_cloud",
    "3.3.2": "timestamp,project_name,run_id,experiment_id,duration,emissions,emissions_rate,"
    "cpu_power,gpu_power,ram_power,cpu_energy,gpu_energy,ram_energy,energy_consumed,water_consumed,"
    "country_name,country_iso_code,region,cloud_provider,cloud_region,os,python_version,"
    "codecarbon_version,cpu_count,cpu_model,gpu_count,gpu_model,longitude,latitude,ram_total_size,"
    "tracking_mode,cpu_utilization_percent,gpu_utilization_percent,ram_utilization_percent,"
    "ram_used_gb,on_cloud,pue,wue",
}


def emissions(release: str, *runs: Mapping[str, object]) -> str:
    """Return CodeCarbon's ``emissions.csv`` of a release; what a run does not say is empty."""
    header = _CODECARBON[release].split(",")
    return "\n".join(
        [",".join(header), *(",".join(str(run.get(c, "")) for c in header) for run in runs), ""]
    )


_TRAIN = {
    "timestamp": "2024-05-01T10:01:00", "project_name": "train", "run_id": "a", "duration": 60.0,
    "cpu_energy": 0.001, "gpu_energy": 0, "ram_energy": 0.0001, "energy_consumed": 0.0011,
    "tracking_mode": "machine",
}  # fmt: skip
_INFER = _TRAIN | {
    "timestamp": "2024-05-01T10:03:00", "project_name": "infer", "run_id": "b", "duration": 30.0,
}  # fmt: skip
_CODECARBON_J = {("codecarbon", "cpu"): 3600.0, ("codecarbon", "ram"): 360.0}


# ---- all of them ----

SAMPLES: dict[str, Sample] = {
    "codecarbon": Sample(
        "codecarbon", "emissions.csv",
        "timestamp,project_name,duration,emissions,cpu_energy,gpu_energy,ram_energy,"
        "energy_consumed,codecarbon_version,tracking_mode\n"
        "2024-05-01T10:01:00,train,60.0,0.1,0.001,,0.0001,0.0011,2.4.2,machine\n"
        "2024-05-01T10:03:00,infer,30.0,0.1,0.0005,,0.0001,0.0006,2.4.2,machine\n",
        _CODECARBON_J, "a part of the columns of 2.4.2", local=True,
    ),
    "codecarbon 1.2.0": Sample(
        "codecarbon", "emissions.csv", emissions("1.2.0", _TRAIN, _INFER),
        {("codecarbon", "energy"): 3960.0}, "columns of EmissionsData of 1.2.0", local=True,
    ),
    "codecarbon 2.0.0": Sample(
        "codecarbon", "emissions.csv", emissions("2.0.0", _TRAIN, _INFER),
        _CODECARBON_J, "columns of EmissionsData of 2.0.0", local=True,
    ),
    "codecarbon 3.3.2": Sample(
        "codecarbon", "emissions.csv", emissions("3.3.2", _TRAIN, _INFER),
        _CODECARBON_J, "columns of EmissionsData of 3.3.2", local=True,
    ),
    "pyjoules": Sample(
        "pyjoules", "result.csv",
        "timestamp;tag;duration;package_0;dram_0;nvidia_gpu_0\n"
        "1714557600.5;train;10.0;500000000;50000000;2000000\n"
        "1714557620.5;infer;5.0;100000000;20000000;1000000\n",
        {
            ("pyjoules", "package_0"): 500.0, ("pyjoules", "dram_0"): 50.0,
            ("pyjoules", "nvidia_gpu_0"): 2000.0,
        },
        "CSVHandler of 0.5.1",
    ),
    "carbontracker": Sample(
        "carbontracker", "1234.root_2024-05-01T100000Z_carbontracker_output.log",
        "2024-05-01 10:00:00 - CarbonTracker: The following components were found: CPU with "
        "device(s) package-0. GPU with device(s) NVIDIA A100.\n"
        "2024-05-01 10:01:40 - CarbonTracker: \n"
        "Actual consumption for 1 epoch(s):\n\tTime:\t0:01:40\n\tEnergy:\t0.000500000000 kWh\n"
        "\tCO2eq:\t0.100000000000 g\n\tThis is equivalent to:\n\t0.1 km travelled by car\n"
        "2024-05-01 10:01:40 - CarbonTracker: \n"
        "Predicted consumption for 2 epoch(s):\n\tTime:\t0:03:20\n\tEnergy:\t0.001000000000 kWh\n"
        "\tCO2eq:\t0.200000000000 g\n"
        "2024-05-01 10:03:20 - CarbonTracker: \n"
        "Actual consumption for 2 epoch(s):\n\tTime:\t0:03:20\n\tEnergy:\t0.001200000000 kWh\n"
        "\tCO2eq:\t0.240000000000 g\n"
        "2024-05-01 10:03:20 - CarbonTracker: Finished monitoring.\n",
        {("carbontracker", "energy"): 4320.0},
        "what the Logger of 2.4.7 wrote of figures of ours; the dates are ours", local=True,
    ),
    "zeus": Sample(
        "zeus", "zeus.csv",
        "start_time,window_name,elapsed_time,gpu0_energy,gpu2_energy\n"
        "1714557600.25,epoch,10.0,2000.5,3000.0\n"
        "1714557601.5,step,1.0,200.0,300.0\n"
        "1714557620.25,epoch,10.0,2100.0,3100.0\n",
        {("zeus", "gpu-0"): 2000.5, ("zeus", "gpu-2"): 3000.0},
        "after zeus/monitor/energy.py of 0.16.0",
    ),
    "zeus power": Sample(
        "zeus", "power.csv",
        "".join(f"{T0 + n}.5,200.0,150.25\n" for n in range(11)),
        {("zeus", "gpu-0"): 2000.0, ("zeus", "gpu-1"): 1502.5},
        "after zeus/monitor/power.py of 0.11.0",
    ),
    "perun": Sample(
        "perun", "train.json", json.dumps(_perun_tree()), _PERUN_J,
        "the tree that exportJson of 1.0.0 wrote of figures of ours, without its metrics",
        local=True,
    ),
    "perun csv": Sample(
        "perun", "train_2024.csv", _perun_table(), _PERUN_J,
        "the table that exportCSV of 1.0.0 wrote of figures of ours",
    ),
    "powerapi": Sample(
        "powerapi", "PowerReport.csv",
        "timestamp,sensor,target,power,socket,formula,ratio,scope\n"
        + "".join(
            f"{1000 * (T0 + n)},s,{target},{watts},0,x,1.0,{scope}\n"
            for n in range(11)
            for target, watts, scope in _REPORTS
        ),
        _POWERAPI_J, "PowerReport.to_csv_lines of 2.10",
    ),
    "powerapi mongoexport": Sample(
        "powerapi", "reports.json",
        "".join(
            json.dumps(each) + "\n"
            for each in reports(lambda ms: {"$date": iso(ms / 1000 - T0).replace("+00:00", "Z")})
        ),
        _POWERAPI_J, "MongoDB Extended JSON version 2, relaxed, as bson.json_util writes it",
    ),
    "powerapi canonical array": Sample(
        "powerapi", "reports.json",
        json.dumps([
            each | {"power": {"$numberDouble": str(each["power"])}}
            for each in reports(lambda ms: {"$date": {"$numberLong": str(ms)}})
        ]),
        _POWERAPI_J, "MongoDB Extended JSON version 2, canonical, as bson.json_util writes it",
    ),
    "powerapi mongodump": Sample(
        "powerapi", "reports.bson", b"".join(map(bson, reports(lambda ms: (ms,)))),
        _POWERAPI_J, "bsonspec.org 1.1; the first document is as pymongo 4.20.1 encodes it",
    ),
    "scaphandre": Sample(
        "scaphandre", "s.json", json.dumps([scaphandre(n, 60e6, 55e6) for n in range(11)]),
        {
            ("scaphandre", "host"): 600.0, ("scaphandre", "package-0"): 550.0,
            ("scaphandre", "dram-0"): 10.0,
        },
        "records of 1.0.2",
    ),
    "prometheus": Sample(
        "prometheus", "node.txt",
        "".join(
            f'node_rapl_package_joules_total{{index="0",path="/sys"}} {500 + 55 * n} '
            f"{(T0 + n) * 1000}\n"
            f'kepler_node_cpu_watts{{zone="dram"}} 2 {(T0 + n) * 1000}\n'
            f'kepler_process_cpu_watts{{zone="dram",pid="7"}} 1 {(T0 + n) * 1000}\n'
            for n in range(11)
        ),
        {("prometheus", "package-0"): 550.0, ("prometheus", "dram power"): 20.0},
        "after the names of node_exporter and Kepler",
    ),
    "scaphandre query_range": Sample(
        "scaphandre", "range.json",
        _answer(
            ("scaph_host_power_microwatts", {}, lambda _: 60000000),
            ("scaph_host_energy_microjoules", {}, lambda s: 9000000000 + 61000000 * s),
            ("scaph_socket_power_microwatts", {"socket_id": "0"}, lambda _: "5.5e+07"),
            ("scaph_domain_power_microwatts",
             {"domain_id": "0", "domain_name": "dram", "socket_id": "0"}, lambda _: 1000000),
            ("scaph_process_power_consumption_microwatts",
             {"cmdline": "train.py", "exe": "python3", "pid": "77"}, lambda _: 20000000),
        ),
        {
            ("scaphandre", "host"): 600.0, ("scaphandre", "host energy"): 610.0,
            ("scaphandre", "package-0"): 550.0, ("scaphandre", "dram-0"): 10.0,
            ("scaphandre-processes", "process python3 77"): 200.0,
        },
        "metrics of 1.0.2 in the documented form of Prometheus' HTTP API",
    ),
    "scaphandre pages": Sample(
        "scaphandre", "pages.txt", _stamped(range(11), lambda _: SCAPHANDRE_PAGE),
        {
            ("scaphandre", "host"): 354.31981, ("scaphandre", "package-1"): 130.45208,
            ("scaphandre", "dram-0"): 40.67658, ("scaphandre-processes", "process x 1"): 0.00012,
        },
        "a recorded page of 1.0.2, but for a command line of ours",
    ),
    "kwollect": Sample(
        "kwollect", "kwollect.csv",
        ",timestamp,device_id,metric_id,value,labels\n"
        + "".join(
            f"{n},2024-05-01 10:00:{n:02d}.000000,n,wattmetre_power_watt,200.0,\n"
            for n in range(11)
        ),
        {("wall", "node"): 2000.0}, "columns of the tables of CCGrid 2023", local=True,
    ),
    "perf-stat": Sample(
        "perf-stat", "perf.csv",
        "# started on Wed May  1 10:00:00 2024\n"
        + "".join(
            f"     {n}.000100,50.00,Joules,power/energy-pkg/,1,100.00,,\n"
            f"     {n}.000100,<not supported>,Joules,power/energy-ram/,0,100.00,,\n"
            for n in range(1, 11)
        ),
        {("perf-stat", "package"): 500.0}, "after perf-stat(1)",
    ),
    "turbostat": Sample(
        "turbostat", "turbostat.tsv",
        "turbostat version 2022.10.04 - Len Brown <lenb@kernel.org>\ncpu0: MSR_PKG_POWER_INFO\n"
        + "".join(map(_turbostat, range(11))),
        # The rows share 0.9992 s of the first second, and nine more.
        {
            ("turbostat", "package-0"): 50 * 9.9992, ("turbostat", "package-1"): 60 * 9.9992,
            ("turbostat", "package"): 110 * 9.9992, ("turbostat", "dram-1"): 6 * 9.9992,
        },
        "after turbostat(8) and format_counters() of its source",
    ),
    "turbostat joules": Sample(
        "turbostat", "turbostat.tsv",
        "Time_Of_Day_Seconds\tPkg_J\tCor_J\tGFX_J\tRAM_J\n"
        + "".join(f"{T0 + n}.000500\t50.00\t30.00\t0.00\t5.00\n" for n in range(11)),
        {
            ("turbostat", "package energy"): 500.0, ("turbostat", "core energy"): 300.0,
            ("turbostat", "dram energy"): 50.0,
        },
        "after turbostat(8): --Summary --Joules",
    ),
    "energibridge": Sample(
        "energibridge", "eb.csv",
        "Delta,Time,CPU_USAGE_0,PACKAGE_ENERGY (J)\n"
        + "".join(f"200,{1000 * (T0 + n)},5.0,{1000 + 50 * n}\n" for n in range(11)),
        {("energibridge", "package-0"): 500.0}, "after its documents",
    ),
    "alumet": Sample(
        "alumet", "alumet.csv",
        "metric;timestamp;value;resource_kind;resource_id;consumer_kind;consumer_id;domain;__late\n"
        + "".join(
            _alumet(n, value, kind, place, domain)
            for n in range(11)
            for value, kind, place, domain in (
                (50.0, "cpu_package", "0", "package"),
                (99.0, "local_machine", "", "package_total"),
            )
        ),
        {("alumet", "package-0"): 500.0}, "after its documents",
    ),
    "ptd": Sample(
        "ptd", "spl.txt",
        "".join(
            f"Time,05-01-2024 10:00:{n:02d}.000,Watts,200.0,Volts,228.4,Amps,0.2,PF,0.5,Mark,"
            f"{'notset' if n < 5 else 'testing'}\n"
            for n in range(16)
        ),
        {("wall", "node"): 2000.0}, "lines of a real log; the figures are ours", local=True,
    ),
    "nvidia-smi": Sample(
        "nvidia-smi", "gpu.csv",
        "timestamp, index, power.draw [W]\n"
        + "".join(f"2024/05/01 10:00:{n:02d}.000, 0, 200.00 W\n" for n in range(11)),
        {("nvidia-smi", "gpu-0"): 2000.0}, "after nvidia-smi's help", local=True,
    ),
    "nvidia-smi nounits": Sample(
        "nvidia-smi", "gpu.csv",
        "timestamp, index, name, power.draw.average [W], power.draw.instant [W]\n"
        + "".join(
            f"2024/05/01 10:00:{n:02d}.{gpu}00, {gpu}, NVIDIA H100, 200.00, 210.00\n"
            for n in range(11)
            for gpu in range(2)
        ),
        # The second GPU is asked a tenth of a second after the first: they share 9.9 s.
        {
            ("nvidia-smi", "gpu-0-average"): 1980.0, ("nvidia-smi", "gpu-0-instant"): 2079.0,
            ("nvidia-smi", "gpu-1-average"): 1980.0,
        },
        "after nvidia-smi's help", local=True,
    ),
    "dcgm": Sample(
        "dcgm", "dmon.txt",
        "".join(
            (f"{iso(n)} #Entity   POWER     TOTEC           TMPTR\n{iso(n)} ID        W         mJ "
             "             C\n" if n % 5 == 0 else "")
            + f"{iso(n)} GPU 0     200.000   {900000 + 205000 * n}          42\n"
            + f"{iso(n)} GPU 1     N/A       {100000 * n}          41\n"
            for n in range(11)
        ),
        {
            ("dcgm", "gpu-0-average"): 2000.0, ("dcgm", "gpu-0"): 2050.0, ("dcgm", "gpu-1"): 1000.0,
        },
        "columns of dcgm_fields.cpp, as DCGM 4.5.2 is reported to print them, after ts",
    ),
    "dcgm exporter": Sample(
        "dcgm", "dcgm.txt", _stamped(range(11), _dcgm_page),
        {("dcgm", "gpu-0-average"): 680.0, ("dcgm", "gpu-0"): 700.0},
        "lines of a page of dcgm-exporter on a Tesla T4; the figures are ours",
    ),
    "redfish": Sample(
        "redfish", "power.jsonl",
        "".join(
            f'{iso(n)} {{"@odata.type": "#Power.v1_5_0.Power", "PowerControl": [{{"MemberId": "0", '
            '"PowerConsumedWatts": 344}]}\n'
            for n in range(11)
        ),
        {("bmc", "node"): 3440.0}, "DSP0268, Power",
    ),
    "redfish EnvironmentMetrics": Sample(
        "redfish", "metrics.jsonl",
        "".join(
            json.dumps({
                "@odata.type": "#EnvironmentMetrics.v1_3_0.EnvironmentMetrics",
                "timestamp": iso(n), "PowerWatts": {"Reading": 374.0},
                "EnergykWh": {"Reading": 10 + n * 0.0001},
            }) + "\n"
            for n in range(11)
        ),
        {("bmc", "node"): 3740.0, ("bmc", "node energy"): 3600.0}, "DSP0268, EnvironmentMetrics",
    ),
    "redfish MetricReport": Sample(
        "redfish", "report.json",
        json.dumps({
            "@odata.type": "#MetricReport.v1_5_0.MetricReport", "Id": "AvgPlatformPowerUsage",
            "MetricValues": [
                {
                    "MetricId": "AverageConsumedWatts", "MetricValue": "100", "Timestamp": iso(n),
                    "MetricProperty": "/redfish/v1/Chassis/Tray_1/Power#/0/PowerConsumedWatts",
                }
                for n in range(11)
            ],
        }, indent=1),
        {("bmc", "Tray_1-0"): 1000.0}, "DSP0268's example of a MetricReport",
    ),
    "ipmi": Sample(
        "ipmi", "dcmi.txt",
        "".join(
            "\n    Instantaneous power reading:                   240 Watts\n"
            "    Minimum during sampling period:                132 Watts\n"
            "    Maximum during sampling period:                384 Watts\n"
            "    Average power reading over sample period:      204 Watts\n"
            f"    IPMI timestamp:                           Wed May  1 10:00:{n:02d} 2024\n"
            "    Sampling period:                          00000001 Seconds.\n"
            "    Power reading state is:                   activated\n\n\n"
            for n in range(11)
        ),
        {("bmc", "node"): 2400.0}, "pages that others posted of 1.8.18", local=True,
    ),
    "ipmi sdr": Sample(
        "ipmi", "sdr.txt",
        _stamped(
            range(11),
            lambda _: "Ambient Temp     | 22 degrees C      | ok\n"
            "System Level     | 182 Watts         | ok\n",
        ),
        {("bmc", "System Level"): 1820.0}, "ipmitool(1): sdr", flags=("--scope", "node"),
    ),
    "home-assistant": Sample(
        "home-assistant", "history.csv",
        "entity_id,state,last_changed\n"
        + "".join(f"sensor.plug,200.0,2024-05-01T10:00:{n:02d}.000Z\n" for n in range(11))
        + "sensor.plug,unavailable,2024-05-01T10:00:30.000Z\n",
        {("wall", "sensor.plug"): 2000.0}, "after ha-panel-history.ts", flags=("--unit", "W"),
    ),
    "home-assistant statistics": Sample(
        "home-assistant", "statistics.tsv",
        "statistic_id\tunit\tstart\tmin\tmax\tmean\tsum\tstate\n"
        + "".join(
            f"sensor.energy\tkWh\t01.05.2024 {n:02d}:00\t\t\t\t{10 + n * 0.2:.1f}\t100\n"
            f"sensor.power\tW\t01.05.2024 {n:02d}:00\t190\t210\t200\t\t\n"
            f"sensor.temp\t°C\t01.05.2024 {n:02d}:00\t20\t21\t20.5\t\t\n"
            for n in range(11)
        ),
        # From the end of the first hour, 10 kWh, to the middle of the last: 9.5 hours.
        {
            ("wall", "sensor.power"): 200 * 9.5 * 3600.0,
            ("wall", "sensor.energy energy"): 0.2 * 9.5 * 3.6e6,
        },
        "after the reference files of homeassistant-statistics", local=True,
    ),
    "shelly": Sample(
        "shelly", "emdata.csv",
        _shelly_head() + "\n" + "".join(map(_shelly_row, range(10))),
        {
            ("wall", "a energy"): 36000.0, ("wall", "b energy"): 72000.0,
            ("wall", "c energy"): 18000.0, ("wall", "total energy"): 126000.0,
        },
        "a recorded row of a Pro 3EM; the energies are ours",
    ),
    "shelly gen1": Sample(
        "shelly", "em_data.csv",
        "Date/time UTC,Active energy Wh (1),Returned energy Wh (1),Min V,Max V\n"
        + "".join(f"2024-05-01 10:{10 * n:02d},2.10,0.00,232.0,233.5\n" for n in range(6)),
        {("wall", "1 energy"): 45360.0}, "rows that others posted of an EM",
    ),
    "tapo": Sample(
        "tapo", "energy.txt",
        _stamped(
            range(11),
            lambda n: json.dumps(
                {"voltage_mv": 230100, "current_ma": 87, "power_mw": 20000, "total_wh": 100 + n},
                indent=4,
            ) + "\n",
        ),
        {("wall", "node"): 200.0, ("wall", "node energy"): 36000.0},
        "kasa --json energy: usage.py and common.py of python-kasa 0.12",
    ),
    "tapo text": Sample(
        "tapo", "energy.log",
        "".join(
            f"{iso(n)} == Energy ==\n{iso(n)} Current: 0.087 A\n{iso(n)} Power: 20.5 W\n"
            f"{iso(n)} Total consumption: 0.1 kWh\n"
            for n in range(11)
        ),
        {("wall", "node"): 205.0}, "kasa energy: usage.py of python-kasa 0.12",
    ),
}  # fmt: skip
