"""A square wave on all GPUs, or some: matrix products for half a period, rest for the other half.

python workloads/gpu-square.py --seconds 6 [--period 1.0] [--gpus 0,2]
"""

from calibrate.loads import gpu_parser, run_gpu

if __name__ == "__main__":
    options = gpu_parser(__doc__, seconds=6.0)
    options.add_argument("--period", type=float, default=1.0, help="seconds of one period")
    given = options.parse_args()
    if given.period <= 0:
        raise SystemExit(f"--period {given.period}: it is a length of time, above 0.")
    half = given.period / 2
    periods = max(1, round(given.seconds / given.period))
    run_gpu("gemm", [("high", half, True), ("low", half, False)] * periods, given)
