"""Matrix products of 4096 x 4096 float32 on every GPU: the compute-bound load.

python workloads/gpu-gemm.py --seconds 5
"""

from calibrate.gpu import run
from calibrate.workload import parser

if __name__ == "__main__":
    given = parser(__doc__).parse_args()
    run("gemm", [("load", given.seconds, True)], given.marks)
