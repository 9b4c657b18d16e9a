"""A 64-bit xorshift generator over a small vector: the integer load, all in cache.

python workloads/integer.py --seconds 5 [--cores N | --cpu 3 | --socket 0] [--duty 0.5]
"""

from calibrate.loads import Kernel, load_parser, steady

LANES = 4096
STEPS = 10


def kernel() -> Kernel:
    """Return a few xorshift steps on every lane and the integer operations they take."""
    import numpy as np

    state = np.random.default_rng(0).integers(1, 2**63, LANES, dtype=np.uint64)
    scratch = np.empty_like(state)

    def step() -> None:
        for _ in range(STEPS):
            for shift, amount in ((np.left_shift, 13), (np.right_shift, 7), (np.left_shift, 17)):
                shift(state, np.uint64(amount), out=scratch)
                np.bitwise_xor(state, scratch, out=state)

    return step, 6.0 * STEPS * LANES


if __name__ == "__main__":
    steady(kernel, "op", load_parser(__doc__).parse_args())
