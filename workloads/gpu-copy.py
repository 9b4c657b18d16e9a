"""Copies of 256 MiB within the memory of all GPUs, or some: the memory-bound load.

python workloads/gpu-copy.py --seconds 5 [--gpus 0,2]
"""

from calibrate.gpu import gpu_parser, run

if __name__ == "__main__":
    given = gpu_parser(__doc__).parse_args()
    run("copy", [("load", given.seconds, True)], given)
