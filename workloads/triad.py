"""The triad a = b + s*c on arrays of 64 MiB a worker: the memory-bound load with arithmetic.

python workloads/triad.py --seconds 5 [--cores N | --cpu 3 | --socket 0] [--duty 0.5]

Bytes are nominal, 24 an element; see `calibrate.loads.triad`.
"""

from calibrate.loads import load_parser, steady, triad

if __name__ == "__main__":
    steady(triad, "byte", load_parser(__doc__).parse_args())
