"""What the synthetic loads compute: a quantum of work each, much shorter than a duty period.

A kernel is made in the worker that runs it, so that its memory lies where its CPU is.
"""

from __future__ import annotations

from collections.abc import Callable

#: One quantum of work, and the units of work it does.
Kernel = tuple[Callable[[], object], float]

#: Elements of the triad's three arrays (64 MiB each), and of one quantum of it.
TRIAD, TRIAD_CHUNK = 2**23, 2**15


def matrix_product(side: int = 192) -> Kernel:
    """Return one float32 matrix product and its floating-point operations.

    Parameters
    ----------
    side : rows of the square matrices. The default makes a quantum of about 0.15 ms, which a duty
        period of 20 ms needs.
    """
    import numpy as np

    random = np.random.default_rng(0)
    a, b = (random.random((side, side), dtype=np.float32) for _ in range(2))
    out = np.empty_like(a)
    return (lambda: np.dot(a, b, out=out)), 2.0 * side**3


def triad() -> Kernel:
    """Return a stretch of a = b + s*c in float64, and the bytes it moves nominally.

    Counted as STREAM counts: 24 bytes an element, two read and one written. What the processor
    moves is more: a line is read before it is written, and the product and the sum are two passes,
    the second of which finds `a` in the cache. Source: McCalpin, STREAM.
    """
    import numpy as np

    b, c = (np.full(TRIAD, each) for each in (1.0, 2.0))
    a = np.zeros_like(b)
    place = [0]

    def stretch() -> None:
        here = slice(place[0], place[0] + TRIAD_CHUNK)
        np.multiply(c[here], 3.0, out=a[here])
        np.add(a[here], b[here], out=a[here])
        place[0] = (place[0] + TRIAD_CHUNK) % TRIAD

    return stretch, 24.0 * TRIAD_CHUNK


def mixture(first: Kernel, second: Kernel) -> Kernel:
    """Return one quantum of each in turn; what is counted is the work of the first.

    Parameters
    ----------
    first, second : for example `matrix_product` and `triad`.
    """
    (one, work), (other, _) = first, second

    def both() -> None:
        one()
        other()

    return both, work
