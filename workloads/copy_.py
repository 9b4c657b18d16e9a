"""Memory copies of 64 MiB a worker: the memory-bound load.

python workloads/copy_.py --seconds 5 [--cores N | --cpu 3 | --socket 0] [--duty 0.5]
"""

from calibrate.loads import Kernel, load_parser, steady

BUFFER = 64 * 2**20
CHUNK = 2 * 2**20


def kernel() -> Kernel:
    """Return one chunk copied and the bytes it moves (read and written)."""
    import numpy as np

    source = np.ones(BUFFER, np.uint8)
    target = np.zeros(BUFFER, np.uint8)
    place = [0]

    def copy() -> None:
        at = place[0]
        target[at : at + CHUNK] = source[at : at + CHUNK]
        place[0] = (at + CHUNK) % BUFFER

    return copy, 2.0 * CHUNK


if __name__ == "__main__":
    steady(kernel, "byte", load_parser(__doc__).parse_args())
