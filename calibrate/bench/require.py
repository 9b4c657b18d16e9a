"""Whether this host can have a bench, and what to type if it cannot."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from calibrate.bench.fuse import load_mfusepy
from calibrate.bench.process import python
from calibrate.errors import Unsupported
from calibrate.requirement import pip_install

_DEVICE = Path("/dev/fuse")
_CONTAINER = "docker run --device /dev/fuse --cap-add SYS_ADMIN --security-opt apparmor=unconfined"
_TRY = "from calibrate.bench.namespace import enter; enter()"


def check() -> None:
    """Return if there can be a simulated machine on this host.

    Raises
    ------
    Unsupported : there cannot; the sentence has the command that makes it possible.
    """
    if sys.platform != "linux":
        raise Unsupported("The bench needs Linux: run crosswatt in a Linux container or machine.")
    _library()
    _device()
    _namespaces()


def _library() -> None:
    try:
        load_mfusepy()
    except ModuleNotFoundError:
        raise Unsupported(
            f"The bench needs the package mfusepy: {pip_install('mfusepy')}"
        ) from None
    except (OSError, AttributeError):  # what mfusepy raises without the library
        raise Unsupported("The bench needs libfuse 3: apt-get install fuse3") from None


def _device() -> None:
    if _DEVICE.exists() and os.access(_DEVICE, os.R_OK | os.W_OK):
        return
    lacking = "may not be opened by this user" if _DEVICE.exists() else "does not exist"
    if _contained():
        raise Unsupported(f"The bench needs /dev/fuse, which {lacking} here: {_CONTAINER}")
    if _DEVICE.exists():
        raise Unsupported(f"The bench needs /dev/fuse, which {lacking}: sudo chmod 666 /dev/fuse")
    raise Unsupported(f"The bench needs /dev/fuse, which {lacking}: sudo modprobe fuse")


def _contained() -> bool:
    return any(Path(mark).exists() for mark in ("/.dockerenv", "/run/.containerenv"))


def _namespaces() -> None:
    """Try it in a process of its own; the settings that may forbid it are too many to read."""
    attempt = subprocess.run(python(_TRY), capture_output=True, check=False)
    if attempt.returncode == 0:
        return
    raise Unsupported(f"The bench needs mounts of its own, which are not permitted: {_remedy()}")


def _remedy() -> str:
    if _contained():
        return _CONTAINER
    for setting, value in (
        ("kernel.unprivileged_userns_clone", 1),
        ("kernel.apparmor_restrict_unprivileged_userns", 0),
    ):
        path = Path("/proc/sys", *setting.split("."))
        if path.exists() and path.read_text(encoding="ascii").strip() != str(value):
            return f"sudo sysctl {setting}={value}, or run as root"
    return "run as root"
