"""The process that holds the simulated machine: it sets up, runs the command, and takes down.

Started by `calibrate.bench.namespace.execute`, never by hand.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from calibrate.bench.activity import online_cpus
from calibrate.bench.namespace import MOUNTPOINT, bind, cover, enter
from calibrate.bench.process import adopt, end_children, hear_signals, own, patient
from calibrate.bench.setup import Setup, read
from calibrate.bench.surroundings import of
from calibrate.bench.tree import CLASSES
from calibrate.linux.processes import die_with_parent

_START_S = 20.0


def _start_server(wanted: Setup, me: int) -> subprocess.Popen[bytes]:
    """Start the server and wait until it answers."""
    server = subprocess.Popen(
        own("calibrate.bench.server", wanted.text(), MOUNTPOINT),
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C and hang-ups of the terminal are not for it
        preexec_fn=lambda: die_with_parent(me),  # noqa: PLW1509 - the keeper has one thread
    )
    give_up_s = time.monotonic() + _START_S
    while not os.path.exists(f"{MOUNTPOINT}/truth"):  # noqa: PTH110 - in a loop
        if server.poll() is not None or time.monotonic() > give_up_s:
            raise OSError(0, "its file server did not start", MOUNTPOINT)
        time.sleep(0.005)
    return server


def _show(wanted: Setup, me: int) -> None:
    """Put the machine's files where the real ones would be."""
    cover("/sys/class", *CLASSES)
    cover("/sys/devices/virtual", *CLASSES, "crosswatt")
    cover("/dev", "cpu")
    _start_server(wanted, me)
    for name in CLASSES:
        for place in (f"class/{name}", f"devices/virtual/{name}"):
            bind(f"{MOUNTPOINT}/{place}", f"/sys/{place}")
    bind(f"{MOUNTPOINT}/cpu", "/dev/cpu")
    for cpu in online_cpus():
        package = f"/sys/devices/system/cpu/cpu{cpu}/topology/physical_package_id"
        if os.path.exists(package):  # noqa: PTH110 - a kernel may have none
            bind(f"{MOUNTPOINT}/topology/{cpu}", package)


def _start_command(
    command: Sequence[str], environment: Mapping[str, str], me: int
) -> subprocess.Popen[bytes]:
    def prepare() -> None:
        hear_signals()
        die_with_parent(me)

    return subprocess.Popen(command, env=environment, preexec_fn=prepare)  # noqa: PLW1509


def keep(parent: int, report: int, wanted: Setup, command: Sequence[str]) -> int:
    """Be the keeper: set the machine up, run the command, take everything down.

    Parameters
    ----------
    parent : process number of the host; when it ends, so does all of this.
    report : descriptor to which a refusal is written; closed once the command may start.
    wanted, command : see `execute`.
    """
    me = os.getpid()
    with patient() as wait:
        die_with_parent(parent, signal.SIGTERM)
        adopt()
        try:
            enter()
            _show(wanted, me)
            environment = of(wanted, os.environ)
        except OSError as error:
            os.write(report, f"The bench could not be set up: {error}.".encode())
            end_children()
            return 1
        os.close(report)
        try:
            return wait(_start_command(command, environment, me), parent)
        except OSError as error:
            print(f"crosswatt: {command[0]}: {error.strerror}", file=sys.stderr)
            return 127 if isinstance(error, FileNotFoundError) else 126
        finally:
            end_children()


if __name__ == "__main__":
    sys.exit(keep(int(sys.argv[1]), int(sys.argv[2]), read(sys.argv[3]), sys.argv[4:]))
