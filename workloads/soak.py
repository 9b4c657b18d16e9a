"""A steady load, long enough that a counter of energy wraps: matrix products in phases of 10 s.

python workloads/soak.py [--watts 100] [--range-j 262144] [--seconds S] [--duty 0.5]

RAPL's counters usually have 32 bits of 2^-14 J and start again after 262144 J. Without --seconds
it lasts a tenth longer than a counter of that range takes at --watts: 2884 s at 100 W. For --watts
take what the package draws under this load, rather less than more; its range is powercap's
max_energy_range_uj. The phases are equal, so that one which strays shows another tenant.
"""

from calibrate.loads import Segment, load_parser, matrix_product, run_load

MARGIN = 1.1


def main() -> None:
    """Divide the time into phases of about the length asked for."""
    options = load_parser(__doc__, seconds=0.0)
    options.add_argument("--watts", type=float, default=100.0, help="power that is expected")
    options.add_argument("--range-j", type=float, default=262144.0, help="a counter's range")
    options.add_argument("--phase-s", type=float, default=10.0, help="seconds of one phase")
    given = options.parse_args()
    if not min(given.watts, given.range_j, given.phase_s) > 0:
        raise SystemExit("--watts, --range-j and --phase-s are above 0.")
    seconds = given.seconds or MARGIN * given.range_j / given.watts
    count = max(1, round(seconds / given.phase_s))
    segments = [Segment("load", seconds / count, given.duty)] * count
    run_load(matrix_product, "flop", segments, given)


if __name__ == "__main__":
    main()
