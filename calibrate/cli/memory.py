"""Whether this process may have the memory that computing takes, before it is begun.

NumPy's linear algebra ends the process by itself where it finds none: by exit code 1, which a gate
reads as a failure, or by a signal.
"""

from __future__ import annotations

import os
from contextlib import suppress

from calibrate.errors import Unsupported

#: Address space that a command needs which computes, and more for each thread of linear algebra.
_NEEDED_BYTES, _PER_THREAD_BYTES, _MOST_THREADS = 640 << 20, 24 << 20, 64


def require_address_space() -> None:
    """Refuse to compute where the address space is limited to too little.

    Raises
    ------
    Unsupported : it is.
    """
    with suppress(ImportError):  # not all systems have such limits
        import resource

        most, _ = resource.getrlimit(resource.RLIMIT_AS)
        threads = min(os.cpu_count() or 1, _MOST_THREADS)
        needed = _NEEDED_BYTES + threads * _PER_THREAD_BYTES
        if most != resource.RLIM_INFINITY and most < needed:
            raise Unsupported(
                f"There is not enough memory for this: the address space of this process is "
                f"limited to {most >> 20} MiB, and {needed >> 20} MiB are needed (ulimit -v "
                f"{needed >> 10}, or unlimited)."
            )
