"""The C files of this folder as shared libraries, compiled when they are first needed.

Each lies in a folder of its own, fit for LD_LIBRARY_PATH, that is named by what it was made of;
another source or compiler makes another folder, and nothing is ever compiled twice.
"""

from __future__ import annotations

import contextlib
import hashlib
import subprocess
from pathlib import Path

from calibrate.cache import cache_folder
from calibrate.errors import Unsupported
from calibrate.scratch import ScratchFolder

_FLAGS = ("-std=c11", "-O2", "-fPIC", "-shared")
_AFTER = ("-ldl",)  # glibc before 2.34 keeps dlsym there


def build(name: str, soname: str) -> Path:
    """Return a shared library, compiling it unless that was done before.

    Parameters
    ----------
    name : a C file of this folder, without its suffix.
    soname : what the library calls itself; the name of the file too.

    Raises
    ------
    Unsupported : there is no C compiler, it fails, or nothing may be kept.
    """
    source = Path(__file__).with_name(f"{name}.c")
    flags = (*_FLAGS, f"-Wl,-soname,{soname}")
    made_of = "\0".join([source.read_text(encoding="utf-8"), _cc("--version"), *flags, *_AFTER])
    folder = _cache() / f"{name}-{hashlib.sha256(made_of.encode()).hexdigest()[:16]}"
    library = folder / soname
    if library.exists():
        return library
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(ScratchFolder(beside=folder)) as scratch:
            made = scratch.path / "made"
            made.mkdir()
            _cc(*flags, "-o", str(made / soname), str(source), *_AFTER)
            with contextlib.suppress(OSError):  # somebody else was faster
                made.rename(folder)
    except OSError as reason:
        raise Unsupported(
            f"The library {soname} cannot be kept: {reason}; "
            "set XDG_CACHE_HOME to a folder that can be written."
        ) from None
    if not library.exists():
        raise Unsupported(f"The library {soname} cannot be kept; remove {folder} and try again.")
    return library


def _cache() -> Path:
    try:
        return cache_folder()
    except RuntimeError:
        raise Unsupported("There is no home folder: set XDG_CACHE_HOME.") from None


def _cc(*arguments: str) -> str:
    try:
        done = subprocess.run(["cc", *arguments], capture_output=True, text=True, check=False)
    except OSError:
        raise Unsupported(
            "The bench needs a C compiler for this, and cc cannot be run: "
            "apt-get install gcc libc6-dev"
        ) from None
    if done.returncode != 0:
        why = next(
            (line for line in done.stderr.splitlines() if "error" in line), "no reason given"
        )
        raise Unsupported(f"The C compiler failed ({why.strip()}): apt-get install gcc libc6-dev")
    return done.stdout
