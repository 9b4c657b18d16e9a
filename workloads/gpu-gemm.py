"""Matrix products of 4096 x 4096 float32 on all GPUs, or some: the compute-bound load.

python workloads/gpu-gemm.py --seconds 5 [--gpus 0,2]
"""

from calibrate.loads import gpu_parser, run_gpu

if __name__ == "__main__":
    given = gpu_parser(__doc__).parse_args()
    run_gpu("gemm", [("load", given.seconds, True)], given)
