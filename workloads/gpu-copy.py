"""Copies of 256 MiB within the memory of every GPU: the memory-bound load.

python workloads/gpu-copy.py --seconds 5
"""

from calibrate.gpu import run
from calibrate.workload import parser

if __name__ == "__main__":
    given = parser(__doc__).parse_args()
    run("copy", [("load", given.seconds, True)], given.marks)
