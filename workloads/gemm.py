"""Dense matrix products, float32: the compute-bound load.

python workloads/gemm.py --seconds 5 [--cores N | --cpu 3 | --socket 0] [--duty 0.5]
"""

from calibrate.loads import load_parser, matrix_product, steady

if __name__ == "__main__":
    steady(matrix_product, "flop", load_parser(__doc__).parse_args())
