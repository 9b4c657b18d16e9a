"""Take the process that runs now to a simulated machine and back, without starting another.

A thread may change its mount namespace if it shares its root and working directory with no other
thread. So it stops sharing them, and enters the namespace that a keeper has set up: the machine's
files are there for this thread, for threads it starts from then on, and for its processes. Other
threads stay where they are, here and on the way back.

Without root, a process must first be root of a user namespace of its own, and the kernel permits
that only while it has one thread: see `prepare`.

Source: setns(2), unshare(2), user_namespaces(7).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import getpass
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

from calibrate.bench.library import build
from calibrate.bench.model import Model
from calibrate.bench.namespace import MOUNTPOINT, enter
from calibrate.bench.process import own
from calibrate.bench.require import check
from calibrate.bench.setup import Setup
from calibrate.bench.surroundings import of
from calibrate.errors import CrosswattError, Unsupported
from calibrate.simulated import bench_folder

_CLONE_FS, _CLONE_NEWNS = 0x200, 0x0002_0000
_OURS = "/proc/thread-self/ns/mnt"
_NVML = "libnvidia-ml.so.1"
_REAL_DRIVER = Path("/dev/nvidiactl")  # must not be seen on a machine that has no GPU
_MOST = 1 << 16
_END_S = 10.0
#: What a running process cannot be given: it would stop itself, or need another C library.
_OUTSIDE = ("suspend", "clock-step")
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Reading:
    """The exact energy at one instant.

    Parameters
    ----------
    t_ns : CLOCK_MONOTONIC.
    joules : since the machine started, by scope.
    """

    t_ns: int
    joules: Mapping[str, float]


@functools.cache
def prepare() -> None:
    """Make sure, once, that this process can go to a simulated machine and come back.

    Without root this makes it root of a user namespace of its own, for the rest of its life.

    Raises
    ------
    Unsupported : it cannot; the sentence says what to do about it.
    """
    check()
    try:
        with _opened(_OURS) as home:
            _go(home)  # from here to here: permitted to those who may also come back
    except PermissionError:
        _become_root()


def _become_root() -> None:
    name = _user()
    try:
        enter()
        os.environ.setdefault("LOGNAME", name)  # of whom pytest names its temporary folders
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise Unsupported(f"This process may not have mounts of its own: {error}.") from None
        raise Unsupported(
            "Without root, a process with several threads cannot get mounts of its own any more: "
            "pytest --crosswatt-bench gets them while it has one."
        ) from None


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid-{os.geteuid()}"


class Visit:
    """A simulated machine, with this process on it until `end`.

    Parameters
    ----------
    wanted : the machine; its load is this process and what it starts from now on.

    Raises
    ------
    Unsupported : this host cannot have it.
    CrosswattError : see `calibrate.bench.setup.Setup.check`.
    """

    def __init__(self, wanted: Setup) -> None:
        if bench_folder():
            raise Unsupported(
                "This already is a simulated machine; a bench within a bench is refused."
            )
        prepare()
        model, faults = wanted.check()
        for fault in faults:
            if fault.name in _OUTSIDE:
                raise CrosswattError(
                    f"The fault {fault.name} cannot strike a process that runs already: "
                    "use crosswatt bench exec."
                )
        _load_nvml(model)
        self.wanted = replace(wanted, follow=os.getpid())
        self._last: Reading | None = None
        self._undo = contextlib.ExitStack()
        try:
            self._begin()
        except BaseException:
            self._undo.close()
            raise

    def _begin(self) -> None:
        keeper = _start(self.wanted)
        self._undo.callback(_stop, keeper)
        home = self._undo.enter_context(_opened(_OURS))
        with _opened(f"/proc/{keeper.pid}/ns/mnt") as there:
            self._undo.callback(_go, home)
            _go(there)
        self._truth = self._undo.enter_context(_opened(f"{MOUNTPOINT}/truth"))
        self._undo.enter_context(_environment(of(self.wanted, os.environ)))

    def read(self) -> Reading:
        """Return the true energy now; after the end, as it was then."""
        if self._last:
            return self._last
        fields = json.loads(os.pread(self._truth, _MOST, 0))
        return Reading(fields["t_ns"], fields["joules"])

    def trigger(self) -> None:
        """Start the time of the faults, where it was asked to wait for this."""
        Path(MOUNTPOINT, "trigger").write_text("1", encoding="ascii")

    def end(self) -> None:
        """Come back; the machine is gone. Doing so twice does nothing."""
        if self._last is None:
            try:
                self._last = self.read()
            finally:
                self._undo.close()

    def __enter__(self) -> Visit:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()


@contextlib.contextmanager
def _opened(path: str) -> Iterator[int]:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield file
    finally:
        os.close(file)


def _go(namespace: int) -> None:
    """Enter a mount namespace; the working directory keeps its name."""
    try:
        folder = os.getcwd()  # noqa: PTH109 - a string is what chdir takes back
    except FileNotFoundError:
        folder = "/"
    _check(_libc.unshare(_CLONE_FS))
    _check(_libc.setns(namespace, _CLONE_NEWNS))
    with contextlib.suppress(OSError):  # it was removed, or was a mount of the other namespace
        os.chdir(folder)


def _check(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _start(wanted: Setup) -> subprocess.Popen[bytes]:
    """Start a keeper; return when the machine is there."""
    read_end, write_end = os.pipe()
    arguments = [str(os.getpid()), str(write_end), wanted.text(), "cat"]
    keeper = subprocess.Popen(
        own("calibrate.bench.keeper", *arguments),
        stdin=subprocess.PIPE,  # never written to: its cat does nothing until it is ended
        stdout=subprocess.DEVNULL,
        pass_fds=[write_end],
        start_new_session=True,  # Ctrl-C is for pytest, which then ends the keeper
    )
    try:
        os.close(write_end)
        with open(read_end, encoding="utf-8") as report:  # noqa: PTH123 - a descriptor
            refusal = report.read()
        if refusal:
            raise Unsupported(refusal)
    except BaseException:
        _stop(keeper)
        raise
    return keeper


def _stop(keeper: subprocess.Popen[bytes]) -> None:
    """End a keeper, which ends everything that it started."""
    keeper.terminate()
    try:
        keeper.communicate(timeout=_END_S)
    except subprocess.TimeoutExpired:
        keeper.kill()
        keeper.communicate()


@contextlib.contextmanager
def _environment(wanted: Mapping[str, str]) -> Iterator[None]:
    """Set variables for a while; those that stay the same are left alone altogether."""
    changed = {name: text for name, text in wanted.items() if os.environ.get(name) != text}
    before = {name: os.environ.get(name) for name in changed}
    os.environ.update(changed)
    try:
        yield
    finally:
        for name, text in before.items():
            if text is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = text


def _load_nvml(model: Model) -> None:
    """Load the virtual NVML, so that it is what anybody gets who asks for NVML by its name.

    A running process does not look at LD_LIBRARY_PATH again, but the loader never loads a second
    library of the same name. For the same reason it stays: away from the bench it knows no GPU.
    """
    if not model.gpus and not _REAL_DRIVER.exists():
        return
    try:
        ours = build("nvml", _NVML)
        _refuse_another(ours)
        ctypes.CDLL(str(ours), mode=ctypes.RTLD_GLOBAL)
    except Unsupported:
        if model.gpus:
            raise


def _refuse_another(ours: Path) -> None:
    maps = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
    loaded = {line.split(maxsplit=5)[5] for line in maps.splitlines() if "libnvidia-ml" in line}
    if loaded - {str(ours), str(ours.resolve())}:
        raise Unsupported(
            "This process has loaded the NVML of a real driver before it asked for a machine with "
            "virtual GPUs: ask for that machine first, or run that test alone."
        )
