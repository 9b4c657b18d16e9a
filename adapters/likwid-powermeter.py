"""likwid-powermeter around the workload: joules of one window, by socket and domain.

It is given a command that waits for us: it looks at the registers when the command begins and when
it has ended, and every second between. Six digits are printed.
Source: likwid 5.2, the script likwid-powermeter.
"""

import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO, cast

from calibrate import About, Domain, Probe, Target, Unavailable
from calibrate.probe import finite_number
from calibrate.probe.program import version

_SCOPES = {"PKG": "package", "PP0": "core", "PP1": "uncore", "DRAM": "dram"}
_SOCKET = re.compile(r"Measure for socket (\d+) on CPU \d+")
_DOMAIN = re.compile(r"Domain (\w+):")
_ENERGY = re.compile(r"Energy consumed: (\S+) Joules")
_BEGIN_S, _END_S = 10.0, 8.0


class LikwidPowermeter(Probe):
    """One measurement of likwid-powermeter's."""

    name = "likwid-powermeter"
    period_s = 0.5
    default = False
    summary = "likwid-powermeter (RAPL registers)"
    about = About(
        scope="packages, core, uncore, DRAM",
        basis="measured",
        unit="J, six digits",
        granularity="begin and end",
        platforms="Linux, Intel and AMD that likwid knows",
        tested="format of release 5.2; not tried on hardware",
    )

    def open(self, target: Target) -> None:
        """Measure a moment, to see what there is."""
        name = target.options.get("program", "likwid-powermeter")
        program = shutil.which(name)
        if program is None:
            raise Unavailable(f"there is no program {name!r}", "apt install likwid")
        self._program = program
        self._process: subprocess.Popen[str] | None = None
        self._final: Mapping[str, float] = {}
        self._folder = tempfile.TemporaryDirectory(prefix="crosswatt-")
        self._pipe = Path(self._folder.name) / "wait"
        os.mkfifo(self._pipe)
        done = subprocess.run(
            [program, "-s", "100ms"], capture_output=True, text=True, check=False, timeout=30
        )
        self._found = parse(done.stdout)
        if done.returncode or not self._found:
            said = (done.stderr or done.stdout).strip().splitlines()
            why = said[-1] if said else "it measured nothing"
            self._folder.cleanup()
            raise Unavailable(f"likwid: {why}", "sudo modprobe msr, and run as root")

    def domains(self) -> list[Domain]:
        """One window for each domain of each socket."""
        return [Domain(scope, scope, "window", "measured", "rapl") for scope in self._found]

    def begin(self) -> None:
        """Start it, and wait until it has begun."""
        self._process = subprocess.Popen(
            [self._program, "cat", str(self._pipe)],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        opened: list[IO[str]] = []
        # A pipe opens when its other end does, which is when the command begins.
        thread = threading.Thread(target=lambda: opened.append(self._pipe.open("w")), daemon=True)
        thread.start()
        thread.join(_BEGIN_S)
        if not opened:
            raise RuntimeError("likwid-powermeter did not start its command")
        self._hold = opened[0]

    def read(self) -> Mapping[str, float]:
        """Joules of the window, once it has ended."""
        return self._final

    def end(self) -> None:
        """Let the command end, and read what was measured."""
        if self._process is not None:
            self._hold.close()
            said, _ = self._process.communicate(timeout=_END_S)
            self._final = {k: v for k, v in parse(said).items() if k in self._found}

    def close(self) -> None:
        """Leave nothing behind."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        if self._process is not None:
            cast(IO[str], self._process.stdout).close()
        self._folder.cleanup()

    def facts(self) -> Mapping[str, str]:
        """Release."""
        return {"mode": "msr", "release": version(self._program)}


def parse(text: str) -> Mapping[str, float]:
    """Return joules by scope."""
    found: dict[str, float] = {}
    socket, part = "", ""
    for line in text.splitlines():
        if match := _SOCKET.match(line):
            socket = match[1]
        elif match := _DOMAIN.match(line):
            part = _SCOPES.get(match[1], "")
        elif (match := _ENERGY.match(line)) and socket and part:
            found[f"{part}-{socket}"] = finite_number(match[1], part)
            part = ""
    return found
