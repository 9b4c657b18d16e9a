"""What NVIDIA's tools write: nvidia-smi's CSV, dcgmi dmon, and metrics of dcgm-exporter."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from calibrate.errors import BadFile, CrosswattError
from calibrate.ingest import opened
from calibrate.ingest.feed import Found, Options, counter, power
from calibrate.ingest.long import Long
from calibrate.ingest.prometheus import samples
from calibrate.ingest.sheet import Row, figure, instant, rows
from calibrate.ingest.stamps import MISSING, empty, lines
from calibrate.probe import Domain
from calibrate.quantity import finite_number

#: nvidia-smi's columns, and how ours end. Plain power.draw is an average since Ampere.
_DRAWN = {"power.draw": "", "power.draw.average": "-average", "power.draw.instant": "-instant"}
_FAMILIES = {"": "nvml-average", "-average": "nvml-average", "-instant": "nvml-instant"}
_QUERY = (
    "Record with nvidia-smi --query-gpu=timestamp,index,power.draw --format=csv -l 1; noheader "
    "leaves out what the columns are."
)


def nvidia_smi(paths: Sequence[Path], options: Options) -> Found:
    """``nvidia-smi --query-gpu=timestamp,index,power.draw --format=csv``, with units or without.

    Watts of each GPU, averaged or of the instant, as the columns' names say.
    """
    long = Long()
    silent: dict[tuple[str, str], list[str]] = {}
    for path in paths:
        drawn = _drawn(path)
        for row in rows(path, options, ("timestamp", *drawn)):
            cells = {key: value.strip().removesuffix(" W") for key, value in row.items()}
            cells["timestamp"] = cells["timestamp"].replace("/", "-")
            at_ns, gpu = instant(cells, "timestamp", options), _index(path, cells, options)
            for column, ending in drawn.items():
                watts = figure(cells, column, options)
                if watts is not None and at_ns is not None and gpu is not None:
                    long.put(at_ns, f"{gpu}{ending}", watts)
                elif gpu is not None and (word := cells[column]).startswith("["):
                    silent.setdefault((f"{gpu}{ending}", word), []).append(cells["timestamp"])
    if not long:
        raise BadFile(paths[0], "it has no power of a GPU")
    notes = [
        f"{name} tells no power in {len(times)} lines, from {times[0]} on: {word}."
        for (name, word), times in silent.items()
    ]
    return Found([long.feed(options.name or "nvidia-smi", _domain)], notes=notes)


def _drawn(path: Path) -> dict[str, str]:
    """Return the columns of power, and how ours end."""
    with opened.text(path) as stream:
        header = [name.strip() for name in stream.readline().split(",")]
    found = {n: _DRAWN[n.split()[0]] for n in header if n and n.split()[0] in _DRAWN}
    if not found:
        why = f"it has no column power.draw (its columns: {', '.join(header)[:200]})"
        raise BadFile(path, why, fix=_QUERY)
    return found


def _index(path: Path, cells: Row, options: Options) -> str | None:
    """Return the GPU of a line; None where it is none, and kept aside."""
    if "index" not in cells:
        if options.scope is None:
            raise CrosswattError(
                f"{path} has no column index: it does not say which GPU a line is of. If it is one "
                f"alone, say which: --scope gpu-0. {_QUERY}"
            )
        return options.scope
    if not cells["index"].isdecimal():
        options.reject(",".join(cells.values()), f"{cells['index']!r} is no index of a GPU")
        return None
    return f"gpu-{int(cells['index'])}"


def _domain(name: str) -> Domain:
    """Return the domain of a column: gpu-0, gpu-0-average or gpu-0-instant."""
    ending = next((each for each in ("-average", "-instant") if name.endswith(each)), "")
    return power(name, name.removesuffix(ending), _FAMILIES[ending])


def dcgm(paths: Sequence[Path], options: Options) -> Found:
    """``dcgmi dmon -e 155,156`` with times before its lines, or metrics of dcgm-exporter.

    Fields 155 (POWER, W, averaged), 157 (the same of the instant) and 156 (TOTEC, mJ since the
    driver was loaded). Source: dcgm_fields.cpp; NVIDIA/dcgm-exporter, etc/default-counters.csv.
    """
    long = Long()
    for path in paths:
        if _is_dmon(path):
            _dmon(path, long, options)
    extracts = [path for path in paths if not _is_dmon(path)]
    for sample in samples(extracts, options):
        ending = _METRICS.get(sample.metric)
        if ending is None:
            continue
        try:
            _put(long, sample.at_ns, sample.labels.get("gpu", ""), ending, sample.text)
        except ValueError as error:
            options.reject(f"{sample.metric} {sample.text}", str(error))
    if not long:
        raise empty(paths[0], "field 155, 156 or 157 of DCGM's")
    return Found([long.feed(options.name or "dcgm", _dcgm_domain)])


_METRICS = {"DCGM_FI_DEV_POWER_USAGE": "-average", "DCGM_FI_DEV_POWER_USAGE_INSTANT": "-instant",
            "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": ""}  # fmt: skip
_FIELDS = {"POWER": "-average", "POWINST": "-instant", "TOTEC": ""}
#: DCGM's word for a figure that it does not have, and those after it: DCGM_FP64_BLANK.
_BLANK = 2.0**47


def _is_dmon(path: Path) -> bool:
    with opened.text(path) as stream:
        return "ntity" in stream.read(2000)


def _dmon(path: Path, long: Long, options: Options) -> None:
    """Put the lines of a table whose header comes again and again, with units under it."""
    fields: list[str] = []
    for at_ns, line in lines(path, options):
        cells = line.replace("#", " ").split()
        if cells[:1] == ["Entity"]:
            fields = cells[1:]
        elif cells[:1] == ["GPU"] and fields:
            try:
                if at_ns is None:
                    raise ValueError(MISSING)
                for field, text in zip(fields, cells[2:], strict=True):
                    if field in _FIELDS:
                        _put(long, at_ns, cells[1], _FIELDS[field], text)
            except ValueError as error:
                options.reject(line, str(error))


def _put(long: Long, at_ns: int, gpu: str, ending: str, text: str) -> None:
    """Put a figure of a GPU, if DCGM has it: watts, or millijoules where nothing is the ending."""
    if not gpu.isdecimal():
        raise ValueError(f"{gpu!r} is no index of a GPU")
    if text == "N/A":
        return
    value = float(text)
    if value < _BLANK:
        value = finite_number(text, "figure")
        long.put(at_ns, f"gpu-{int(gpu)}{ending}", value if ending else value / 1e3)


def _dcgm_domain(name: str) -> Domain:
    """Return the domain of a column: joules of gpu-0, watts of gpu-0-average or -instant."""
    return _domain(name) if name.endswith(("-average", "-instant")) else counter(name, name, "nvml")
