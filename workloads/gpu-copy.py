"""Copies of 256 MiB within the memory of all GPUs, or some: the memory-bound load.

python workloads/gpu-copy.py --seconds 5 [--gpus 0,2]
"""

from calibrate.loads import gpu_parser, run_gpu

if __name__ == "__main__":
    given = gpu_parser(__doc__).parse_args()
    run_gpu("copy", [("load", given.seconds, True)], given)
