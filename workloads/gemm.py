"""Dense matrix products, float32: the compute-bound load.

python workloads/gemm.py --seconds 5 [--cores N] [--duty 0.5]
"""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # one thread a worker, set before numpy is imported

from calibrate.workload import Kernel, load_parser, steady

SIDE = 192  # a quantum of about 0.15 ms, which a 20 ms duty period needs


def kernel() -> Kernel:
    """Return one product of two matrices and its floating-point operations."""
    import numpy as np

    random = np.random.default_rng(0)
    a, b = (random.random((SIDE, SIDE), dtype=np.float32) for _ in range(2))
    out = np.empty_like(a)
    return (lambda: np.dot(a, b, out=out)), 2.0 * SIDE**3


if __name__ == "__main__":
    steady(kernel, "flop", load_parser(__doc__).parse_args())
