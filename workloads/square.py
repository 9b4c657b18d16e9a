"""A square wave: matrix products for half a period, rest for the other half.

python workloads/square.py --seconds 6 [--period 1.0] [--cores N | --cpu 3 | --socket 0]
"""

from calibrate.loads import Segment, load_parser, matrix_product, run_load


def main() -> None:
    """Run whole periods only, so that half of the time is load."""
    options = load_parser(__doc__, seconds=6.0)
    options.add_argument("--period", type=float, default=1.0, help="seconds of one period")
    given = options.parse_args()
    if given.period <= 0:
        raise SystemExit(f"--period {given.period}: it is a length of time, above 0.")
    periods = max(1, round(given.seconds / given.period))
    half = given.period / 2
    segments = [Segment("high", half, given.duty), Segment("low", half, 0.0)] * periods
    run_load(matrix_product, "flop", segments, given)


if __name__ == "__main__":
    main()
