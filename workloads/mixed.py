"""Matrix products and the memory triad in turn, each for a fraction of a millisecond.

python workloads/mixed.py --seconds 5 [--cores N | --cpu 3 | --socket 0] [--duty 0.5]

One product (192 x 192, 14.2 Mflop) goes with one stretch of the triad (786 kB, nominal). The work
counted is the products' flop; the triad's bytes follow from it.
"""

from calibrate.loads import Kernel, load_parser, matrix_product, mixture, steady, triad


def kernel() -> Kernel:
    """Return one product and one stretch of the triad."""
    return mixture(matrix_product(), triad())


if __name__ == "__main__":
    steady(kernel, "flop", load_parser(__doc__).parse_args())
